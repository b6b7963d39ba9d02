import Bytes

/// A window of the input that all tasks read: the bytes that some tasks still need, and a history
/// for retransmission after a reconnection.
struct PoolInput {
  /// Unsent bytes at which reading of this program's input pauses.
  static let unsentBytes = 65_536
  /// Kept for retransmission: one stream window.
  static let historyBytes = 65_536

  private(set) var bytes: [UInt8] = []
  /// The offset of `bytes[0]` in the input.
  private(set) var startOffset: UInt64 = 0
  private(set) var isEnded = false

  var endOffset: UInt64 { startOffset + UInt64(bytes.count) }

  /// How many bytes may be appended, if the slowest reader was sent all bytes before `sentOffset`.
  func room(sentOffset: UInt64) -> Int {
    isEnded ? 0 : max(0, PoolInput.unsentBytes - Int(endOffset - min(sentOffset, endOffset)))
  }

  mutating func append(_ more: [UInt8]) { if !isEnded { bytes.append(contentsOf: more) } }
  mutating func end() { isEnded = true }

  /// At most 16 KiB at `offset`.
  func piece(from offset: UInt64) -> [UInt8] { Array(bytes[place(of: offset)...].prefix(16_384)) }

  private func place(of offset: UInt64) -> Int {
    Int(min(max(offset, startOffset), endOffset) - startOffset)
  }

  /// Drops old bytes; every reader was sent all bytes before `sentOffset`.
  mutating func trim(sentOffset: UInt64) {
    let behind = place(of: sentOffset)
    // In large steps, so that each byte is moved about once.
    if behind >= 2 * PoolInput.historyBytes {
      let drop = behind - PoolInput.historyBytes
      bytes.removeFirst(drop)
      startOffset += UInt64(drop)
    }
  }
}
