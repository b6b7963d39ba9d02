/// How much of an archive's limit is left. A part of it is kept for the names of what finds no place, so that
/// these are said; beyond that they are counted.
struct ResultBudget {
  /// The end of an archive.
  static let endBytes: UInt64 = 1024
  private static let mostNamesBytes: UInt64 = 1 << 20

  private var left: UInt64
  private var namesLeft: UInt64

  /// - Parameter limitBytes: of the whole archive.
  init(limitBytes: UInt64) {
    let whole = limitBytes - min(limitBytes, ResultBudget.endBytes)
    // Whole blocks.
    namesLeft = min(whole / 8, ResultBudget.mostNamesBytes) & ~511
    left = whole - namesLeft
  }

  /// Whether an entry has a place: its header and its content, which is padded to whole blocks.
  mutating func takes(header: Int, size: UInt64) -> Bool {
    let (padded, overflow) = size.addingReportingOverflow(511)
    let (all, more) = (padded & ~511).addingReportingOverflow(UInt64(header))
    if overflow || more || all > left { return false }
    left -= all
    return true
  }

  /// Whether the name of an entry without place has one.
  mutating func takesName(header: Int) -> Bool {
    if UInt64(header) <= namesLeft {
      namesLeft -= UInt64(header)
      return true
    }
    return takes(header: header, size: 0)
  }
}
