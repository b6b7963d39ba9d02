import Session

/// What a task or an exec session printed and the publisher may not have yet: the bytes to be sent, and before them
/// those that were sent last and could be asked for again after a broken connection.
struct OutputBuffer {
  /// Unsent bytes above which the program has to wait, as on a full pipe.
  static let unsentBytes = 65_536
  /// Bytes kept behind what was sent: as much as the publisher may have had under way.
  static let historyBytes = 65_536

  private let historyBytes: Int

  init(historyBytes: Int = OutputBuffer.historyBytes) { self.historyBytes = historyBytes }

  /// Where it goes to; nil while no publisher listens.
  var stream: StreamId?
  private var bytes: [UInt8] = []
  /// The place in the whole output of `bytes[0]`, and of the next byte to be sent.
  private(set) var startOffset: UInt64 = 0
  private(set) var sentOffset: UInt64 = 0
  private(set) var isEnded = false

  var endOffset: UInt64 { startOffset + UInt64(bytes.count) }
  var unsent: Int { Int(endOffset - sentOffset) }
  /// How much more may be appended now.
  var room: Int { isEnded ? 0 : max(0, OutputBuffer.unsentBytes - unsent) }

  /// Bytes that are held.
  var heldBytes: Int { bytes.count }

  mutating func append(_ more: [UInt8]) { bytes.append(contentsOf: more) }
  mutating func end() { isEnded = true }

  /// Nothing more comes, and all of it was sent.
  var isDone: Bool { isEnded && stream != nil && unsent == 0 }

  /// The next bytes to send, at most `limit`.
  func next(limit: Int) -> [UInt8] {
    let from = Int(sentOffset - startOffset)
    return Array(bytes[from..<min(bytes.count, from + limit)])
  }

  mutating func sent(_ count: Int) {
    sentOffset += UInt64(count)
    let behind = Int(sentOffset - startOffset)
    // Trimmed in large steps, so that a byte is moved about once.
    if behind >= historyBytes + OutputBuffer.historyBytes || (historyBytes == 0 && unsent == 0) {
      let drop = behind - historyBytes
      bytes.removeFirst(drop)
      startOffset += UInt64(drop)
    }
  }

  /// The publisher has everything before `offset`. What is no longer held, or never was, is not
  /// made up: sending goes on at the nearest byte that exists.
  mutating func resume(at offset: UInt64, on stream: StreamId) {
    self.stream = stream
    sentOffset = min(max(offset, startOffset), endOffset)
  }
}
