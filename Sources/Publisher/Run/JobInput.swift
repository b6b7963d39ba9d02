/// What jobs read on their standard input: the bytes not all workers have yet, and before them those
/// that could be asked for again after a broken connection.
struct JobInput {
  /// Bytes above which the reader of this program's own input has to wait.
  static let unsentBytes = 65_536
  /// What a machine may have granted and lost: its window.
  static let historyBytes = 65_536

  private(set) var bytes: [UInt8] = []
  /// The place of `bytes[0]` in the whole input.
  private(set) var startOffset: UInt64 = 0
  private(set) var isEnded: Bool

  /// Without a source every job's input ends at once.
  init(hasSource: Bool) { isEnded = !hasSource }

  var endOffset: UInt64 { startOffset + UInt64(bytes.count) }

  /// How much more may be appended while the slowest worker was sent everything before `sentOffset`.
  func room(sentOffset: UInt64) -> Int {
    isEnded ? 0 : max(0, JobInput.unsentBytes - Int(endOffset - min(sentOffset, endOffset)))
  }

  mutating func append(_ more: [UInt8]) { if !isEnded { bytes.append(contentsOf: more) } }
  mutating func end() { isEnded = true }

  func place(of offset: UInt64) -> Int {
    Int(min(max(offset, startOffset), endOffset) - startOffset)
  }

  /// Every worker was sent everything before `sentOffset`.
  mutating func trim(sentOffset: UInt64) {
    let behind = place(of: sentOffset)
    // In large steps, so that a byte is moved about once.
    if behind >= 2 * JobInput.historyBytes {
      let drop = behind - JobInput.historyBytes
      bytes.removeFirst(drop)
      startOffset += UInt64(drop)
    }
  }
}
