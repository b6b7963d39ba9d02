import Bytes
import Crypto

/// A block header: 80 bytes on the wire.
public struct BlockHeader: Equatable, Sendable {
  public static let byteCount = 80

  public var version: Int32
  public var previous: Bytes32
  public var merkleRoot: Bytes32
  /// Seconds since 1970, unsigned: valid until 2106.
  public var time: UInt32
  /// The target in compact form (nBits).
  public var bits: UInt32
  public var nonce: UInt32

  public init(
    version: Int32, previous: Bytes32, merkleRoot: Bytes32, time: UInt32, bits: UInt32,
    nonce: UInt32
  ) {
    self.version = version
    self.previous = previous
    self.merkleRoot = merkleRoot
    self.time = time
    self.bits = bits
    self.nonce = nonce
  }

  public func encode(to writer: inout ByteWriter) {
    writer.u32le(UInt32(bitPattern: version))
    writer.append(previous)
    writer.append(merkleRoot)
    writer.u32le(time)
    writer.u32le(bits)
    writer.u32le(nonce)
  }

  public var bytes: [UInt8] {
    var writer = ByteWriter(reserving: BlockHeader.byteCount)
    encode(to: &writer)
    return writer.bytes
  }

  public static func decode(_ reader: inout ByteReader) throws(BytesError) -> BlockHeader {
    BlockHeader(
      version: Int32(bitPattern: try reader.u32le()), previous: try reader.bytes32(),
      merkleRoot: try reader.bytes32(), time: try reader.u32le(), bits: try reader.u32le(),
      nonce: try reader.u32le())
  }

  /// The block's hash in wire byte order.
  public var hash: Bytes32 {
    withUnsafeTemporaryAllocation(byteCount: BlockHeader.byteCount, alignment: 8) { memory in
      memory.storeBytes(of: version.littleEndian, toByteOffset: 0, as: Int32.self)
      previous.store(into: memory, at: 4)
      merkleRoot.store(into: memory, at: 36)
      memory.storeBytes(of: time.littleEndian, toByteOffset: 68, as: UInt32.self)
      memory.storeBytes(of: bits.littleEndian, toByteOffset: 72, as: UInt32.self)
      memory.storeBytes(of: nonce.littleEndian, toByteOffset: 76, as: UInt32.self)
      return Sha256.double(UnsafeRawBufferPointer(memory))
    }
  }
}
