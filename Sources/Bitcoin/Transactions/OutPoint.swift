import Bytes

/// An output of a transaction: the transaction's id (wire byte order) and the output's index.
public struct OutPoint: Hashable, Sendable {
  public var txid: Bytes32
  public var index: UInt32

  public init(txid: Bytes32, index: UInt32) {
    self.txid = txid
    self.index = index
  }

  /// The previous output of a coinbase input.
  public static let coinbase = OutPoint(txid: .zero, index: 0xffff_ffff)

  public func encode(to writer: inout ByteWriter) {
    writer.append(txid)
    writer.u32le(index)
  }

  public static func decode(_ reader: inout ByteReader) throws(BytesError) -> OutPoint {
    OutPoint(txid: try reader.bytes32(), index: try reader.u32le())
  }

  /// `txid:index`, the id as displayed.
  public var text: String { txid.reversed.hex + ":" + String(index) }
}
