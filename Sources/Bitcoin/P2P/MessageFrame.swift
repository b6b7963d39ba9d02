import Bytes
import Crypto

/// The 24-byte header of each message: magic, command, length, checksum.
public enum MessageFrame {
  public static let headerBytes = 24
  /// Bitcoin Core's limit for one payload.
  public static let maxPayloadBytes = 4_000_000

  /// A whole message for the wire. `magic` is the network's four bytes in wire order.
  public static func encode(_ message: PeerMessage, magic: [UInt8]) -> [UInt8] {
    var body = ByteWriter(reserving: 64)
    message.encodePayload(to: &body)
    let checksum = Sha256.double(body.bytes)
    var writer = ByteWriter(reserving: headerBytes + body.count)
    writer.append(magic)
    let command = message.command
    for index in 0..<12 {
      writer.u8(index < command.utf8CodeUnitCount ? command.utf8Start[index] : 0)
    }
    writer.u32le(UInt32(body.count))
    for index in 0..<4 { writer.u8(checksum[index]) }
    writer.append(body.bytes)
    return writer.bytes
  }
}

/// Splits a stream of bytes into messages. After an error the stream is out of sync and the
/// connection must be closed.
public struct MessageFramer {
  private let magic: [UInt8]
  /// The largest accepted payload, in bytes. May be changed between messages.
  public var maxPayloadBytes: Int
  private let keepsBlockWitnesses: Bool
  private var buffer: [UInt8] = []
  /// Bytes of `buffer` already returned; they are dropped occasionally, not after each message.
  private var start = 0

  /// Without `keepsBlockWitnesses` the witnesses of blocks are skipped.
  public init(
    magic: [UInt8], maxPayloadBytes: Int = MessageFrame.maxPayloadBytes,
    keepsBlockWitnesses: Bool = true
  ) {
    precondition(magic.count == 4)
    self.keepsBlockWitnesses = keepsBlockWitnesses
    self.magic = magic
    self.maxPayloadBytes = maxPayloadBytes
  }

  /// Bytes of an incomplete message.
  public var bufferedBytes: Int { buffer.count - start }

  public mutating func append(_ bytes: [UInt8]) {
    if start == buffer.count {
      // Free the memory of a large message.
      buffer.removeAll(keepingCapacity: buffer.capacity <= 131_072)
      start = 0
    } else if start > 65_536 {
      buffer.removeFirst(start)
      start = 0
    }
    buffer.append(contentsOf: bytes)
  }

  /// The next whole message, or nil until more bytes arrive.
  public mutating func next() throws(BitcoinError) -> PeerMessage? {
    if bufferedBytes < MessageFrame.headerBytes { return nil }
    for index in 0..<4 where buffer[start + index] != magic[index] {
      throw BitcoinError.invalid("the peer is on another network: its magic differs")
    }
    var reader = ByteReader(buffer, range: (start + 4)..<(start + MessageFrame.headerBytes))
    let (command, length, checksum) = try decoding {
      () throws(BytesError) -> ([UInt8], UInt32, [UInt8]) in
      (try reader.take(12), try reader.u32le(), try reader.take(4))
    }
    if length > UInt32(maxPayloadBytes) {
      throw BitcoinError.malformed(
        .tooLarge(offset: 16, value: UInt64(length), limit: UInt64(maxPayloadBytes)))
    }
    let total = MessageFrame.headerBytes + Int(length)
    if bufferedBytes < total { return nil }
    let payload = Array(buffer[(start + MessageFrame.headerBytes)..<(start + total)])
    start += total
    if start == buffer.count {
      // Free a block's memory: otherwise each peer would keep it.
      buffer.removeAll(keepingCapacity: buffer.capacity <= 16_384)
      start = 0
    }
    let digest = Sha256.double(payload)
    for index in 0..<4 where digest[index] != checksum[index] {
      throw BitcoinError.invalid("a message's checksum does not match its payload")
    }
    return try PeerMessage.decode(
      command: try MessageFramer.trim(command), payload: payload,
      keepsBlockWitnesses: keepsBlockWitnesses)
  }

  /// The command without its padding, which must be all zeros.
  private static func trim(_ field: [UInt8]) throws(BitcoinError) -> [UInt8] {
    var length = 0
    while length < field.count && field[length] != 0 { length += 1 }
    for index in length..<field.count where field[index] != 0 {
      throw BitcoinError.invalid("a message's command has bytes after its padding")
    }
    return Array(field[0..<length])
  }
}
