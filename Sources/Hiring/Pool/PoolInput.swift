import Bytes

/// What tasks read on their standard input: the bytes that not all of them have yet, and before them
/// those that could be asked for again after a broken connection.
struct PoolInput {
  /// Bytes above which the reader of this program's own input has to wait.
  static let unsentBytes = 65_536
  /// What a provider may have granted and lost: its window.
  static let historyBytes = 65_536

  private(set) var bytes: [UInt8] = []
  /// The place of `bytes[0]` in the whole input.
  private(set) var startOffset: UInt64 = 0
  private(set) var isEnded = false

  var endOffset: UInt64 { startOffset + UInt64(bytes.count) }

  /// How much more may be appended while the slowest reader was sent everything before `sentOffset`.
  func room(sentOffset: UInt64) -> Int {
    isEnded ? 0 : max(0, PoolInput.unsentBytes - Int(endOffset - min(sentOffset, endOffset)))
  }

  mutating func append(_ more: [UInt8]) { if !isEnded { bytes.append(contentsOf: more) } }
  mutating func end() { isEnded = true }

  /// At most 16 KiB from `offset` on.
  func piece(from offset: UInt64) -> [UInt8] { Array(bytes[place(of: offset)...].prefix(16_384)) }

  private func place(of offset: UInt64) -> Int {
    Int(min(max(offset, startOffset), endOffset) - startOffset)
  }

  /// Every reader was sent everything before `sentOffset`.
  mutating func trim(sentOffset: UInt64) {
    let behind = place(of: sentOffset)
    // In large steps, so that a byte is moved about once.
    if behind >= 2 * PoolInput.historyBytes {
      let drop = behind - PoolInput.historyBytes
      bytes.removeFirst(drop)
      startOffset += UInt64(drop)
    }
  }
}
