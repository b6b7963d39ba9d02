import Bytes

/// The first byte of a frame's plaintext.
enum FrameType: UInt8 {
  /// Ed25519 public key, signature over the handshake. The first frame of each end, and only that.
  case identity = 0
  /// The last or only part of a control message.
  case control = 1
  /// A part of a control message that goes on.
  case controlPart = 2
  /// Kind, key, send offset, receive offset, credit for the other end.
  case open = 3
  case data = 4
  /// No more data from this end.
  case end = 5
  /// The stream is given up in both directions.
  case reset = 6
  /// More credit for the other end.
  case credit = 7
  case ping = 8
  case pong = 9
  /// One byte: 0, or why.
  case close = 10
}

/// A frame on the wire: 2 bytes of length, big-endian, then that many bytes of ciphertext and tag. Its
/// plaintext: type (1 byte), stream (4 bytes, little-endian like every number inside, 0 for what
/// belongs to no stream), payload.
enum Frame {
  static let headerLength = 5
  static let tagLength = 16
  static let maximumPayload = 65535 - headerLength - tagLength
  static let openLength = 53
  static let identityLength = 96

  /// Appends a frame to `output` and seals it where it stands. `payload` appends the payload.
  static func put(
    _ type: FrameType, stream: UInt32, into output: inout [UInt8], cipher: inout CipherState,
    payload: (inout [UInt8]) -> Void
  ) throws(SessionError) {
    let start = output.count
    output.append(0)
    output.append(0)
    output.append(type.rawValue)
    for shift in [UInt32(0), 8, 16, 24] {
      output.append(UInt8(truncatingIfNeeded: stream >> shift))
    }
    payload(&output)
    try cipher.seal(&output, from: start + 2)
    let length = output.count - start - 2
    precondition(length <= 65535)
    output[start] = UInt8(length >> 8)
    output[start + 1] = UInt8(length & 0xff)
  }
}

extension StreamOpening {
  /// The payload of an `open` frame.
  func encoded(window: Int) -> [UInt8] {
    var writer = ByteWriter(reserving: Frame.openLength)
    writer.u8(kind.rawValue)
    writer.append(key)
    writer.u64le(sendOffset)
    writer.u64le(receiveOffset)
    writer.u32le(UInt32(window))
    return writer.bytes
  }

  /// Nil for anything that ``encoded(window:)`` does not write.
  static func decode(_ payload: [UInt8]) -> (opening: StreamOpening, window: UInt32)? {
    var reader = ByteReader(payload)
    do {
      guard let kind = StreamKind(rawValue: try reader.u8()) else { return nil }
      let key = try reader.bytes32()
      let sendOffset = try reader.u64le()
      let receiveOffset = try reader.u64le()
      let window = try reader.u32le()
      try reader.finish()
      let opening = StreamOpening(
        kind: kind, key: key, sendOffset: sendOffset, receiveOffset: receiveOffset)
      return (opening, window)
    } catch {
      return nil
    }
  }
}
