import Session

/// A window of a task's or exec session's output: unsent bytes, and a history for retransmission
/// after a reconnection.
struct OutputBuffer {
  /// Unsent bytes at which the program blocks, as on a full pipe.
  static let unsentBytes = 65_536
  /// Sent bytes that are kept: one stream window.
  static let historyBytes = 65_536

  private let historyBytes: Int

  init(historyBytes: Int = OutputBuffer.historyBytes) { self.historyBytes = historyBytes }

  /// The stream that carries it; nil while none is open.
  var stream: StreamId?
  private var bytes: [UInt8] = []
  /// The offsets of `bytes[0]` and of the next byte to send.
  private(set) var startOffset: UInt64 = 0
  private(set) var sentOffset: UInt64 = 0
  private(set) var isEnded = false

  var endOffset: UInt64 { startOffset + UInt64(bytes.count) }
  var unsent: Int { Int(endOffset - sentOffset) }
  /// How many bytes may be appended.
  var room: Int { isEnded ? 0 : max(0, OutputBuffer.unsentBytes - unsent) }

  /// The number of bytes kept.
  var heldBytes: Int { bytes.count }

  mutating func append(_ more: [UInt8]) { bytes.append(contentsOf: more) }
  mutating func end() { isEnded = true }

  /// Whether the output ended and all of it was sent.
  var isDone: Bool { isEnded && stream != nil && unsent == 0 }

  /// The next bytes to send, at most `limit`.
  func next(limit: Int) -> [UInt8] {
    let from = Int(sentOffset - startOffset)
    return Array(bytes[from..<min(bytes.count, from + limit)])
  }

  mutating func sent(_ count: Int) {
    sentOffset += UInt64(count)
    let behind = Int(sentOffset - startOffset)
    // Trimmed in large steps, so that each byte is moved about once.
    if behind >= historyBytes + OutputBuffer.historyBytes || (historyBytes == 0 && unsent == 0) {
      let drop = behind - historyBytes
      bytes.removeFirst(drop)
      startOffset += UInt64(drop)
    }
  }

  /// The publisher has all bytes before `offset`. Sending resumes at the nearest byte that is kept.
  mutating func resume(at offset: UInt64, on stream: StreamId) {
    self.stream = stream
    sentOffset = min(max(offset, startOffset), endOffset)
  }
}
