import Bytes

/// A frame on a run's control socket: length (4 bytes, little-endian, of the rest), kind (1 byte),
/// payload.
package enum ControlFrame: Equatable, Sendable {
  // From clients such as `zennet exec`.
  /// A ``ControlRequest`` as JSON; the first frame.
  case request([UInt8])
  case input([UInt8])
  case inputEnded
  case resize(rows: UInt16, columns: UInt16)
  case signal(UInt8)

  // From `zennet run`.
  /// JSON; the last frame.
  case answer([UInt8])
  case output(isError: Bool, [UInt8])
  /// An exec session's end, as a shell's exit status; the last frame.
  case ended(status: UInt8, text: [UInt8])
  /// The reason for a failure; the last frame.
  case failed([UInt8])

  static let longest = 1 << 20

  private enum Kind {
    static let request: UInt8 = 1
    static let input: UInt8 = 2
    static let inputEnded: UInt8 = 3
    static let resize: UInt8 = 4
    static let signal: UInt8 = 5
    static let answer: UInt8 = 16
    static let output: UInt8 = 17
    static let error: UInt8 = 18
    static let ended: UInt8 = 19
    static let failed: UInt8 = 20
  }

  package func encode() -> [UInt8] {
    switch self {
    case .request(let json): return ControlFrame.frame(Kind.request, json)
    case .input(let bytes): return ControlFrame.frame(Kind.input, bytes)
    case .inputEnded: return ControlFrame.frame(Kind.inputEnded, [])
    case .resize(let rows, let columns):
      var writer = ByteWriter()
      writer.u16le(rows)
      writer.u16le(columns)
      return ControlFrame.frame(Kind.resize, writer.bytes)
    case .signal(let number): return ControlFrame.frame(Kind.signal, [number])
    case .answer(let json): return ControlFrame.frame(Kind.answer, json)
    case .output(let isError, let bytes):
      return ControlFrame.frame(isError ? Kind.error : Kind.output, bytes)
    case .ended(let status, let text): return ControlFrame.frame(Kind.ended, [status] + text)
    case .failed(let text): return ControlFrame.frame(Kind.failed, text)
    }
  }

  private static func frame(_ kind: UInt8, _ payload: [UInt8]) -> [UInt8] {
    var writer = ByteWriter(reserving: payload.count + 5)
    writer.u32le(UInt32(payload.count + 1))
    writer.u8(kind)
    writer.append(payload)
    return writer.bytes
  }

  /// Nil for an unknown kind or a payload that does not fit it.
  fileprivate init?(kind: UInt8, _ payload: [UInt8]) {
    switch kind {
    case Kind.request: self = .request(payload)
    case Kind.input: self = .input(payload)
    case Kind.inputEnded where payload.isEmpty: self = .inputEnded
    case Kind.resize where payload.count == 4:
      self = .resize(
        rows: UInt16(payload[0]) | UInt16(payload[1]) << 8,
        columns: UInt16(payload[2]) | UInt16(payload[3]) << 8)
    case Kind.signal where payload.count == 1: self = .signal(payload[0])
    case Kind.answer: self = .answer(payload)
    case Kind.output: self = .output(isError: false, payload)
    case Kind.error: self = .output(isError: true, payload)
    case Kind.ended where !payload.isEmpty:
      self = .ended(status: payload[0], text: Array(payload[1...]))
    case Kind.failed: self = .failed(payload)
    default: return nil
    }
  }
}

/// Decodes frames from the bytes of a control socket.
package struct ControlFrames {
  private var bytes: [UInt8] = []
  /// The input is invalid: no further frames are returned.
  package private(set) var isBroken = false

  package init() {}

  package mutating func append(_ more: [UInt8]) { bytes.append(contentsOf: more) }

  package mutating func next() -> ControlFrame? {
    if isBroken || bytes.count < 5 { return nil }
    var length = 0
    for index in 0..<4 { length |= Int(bytes[index]) << (8 * index) }
    if length < 1 || length > ControlFrame.longest {
      isBroken = true
      return nil
    }
    if bytes.count < 4 + length { return nil }
    let frame = ControlFrame(kind: bytes[4], Array(bytes[5..<(4 + length)]))
    bytes.removeFirst(4 + length)
    if frame == nil { isBroken = true }
    return frame
  }
}
