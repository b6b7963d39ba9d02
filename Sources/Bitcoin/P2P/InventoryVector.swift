import Bytes

/// An item of `inv` or `getdata`: a kind and a hash.
public struct InventoryVector: Equatable, Sendable {
  public static let byteCount = 36

  /// Kinds on the wire (Bitcoin Core's `protocol.h`; BIP144, BIP339).
  public enum Kind {
    public static let transaction: UInt32 = 1
    public static let block: UInt32 = 2
    /// A transaction by its witness id (BIP339).
    public static let witnessId: UInt32 = 5
    public static let witnessTransaction: UInt32 = 0x4000_0001
    public static let witnessBlock: UInt32 = 0x4000_0002
  }

  public var kind: UInt32
  public var hash: Bytes32

  public init(kind: UInt32, hash: Bytes32) {
    self.kind = kind
    self.hash = hash
  }

  func encode(to writer: inout ByteWriter) {
    writer.u32le(kind)
    writer.append(hash)
  }

  static func decode(_ reader: inout ByteReader) throws(BytesError) -> InventoryVector {
    InventoryVector(kind: try reader.u32le(), hash: try reader.bytes32())
  }
}
