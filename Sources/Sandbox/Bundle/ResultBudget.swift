/// The remaining bytes of a results archive. A part is reserved for the names of entries that do not fit;
/// further ones are only counted.
struct ResultBudget {
  /// The two zero blocks at the end of an archive.
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

  /// Takes the bytes of an entry, its header and its content padded to whole blocks. Returns whether it fits.
  mutating func takes(header: Int, size: UInt64) -> Bool {
    let (padded, overflow) = size.addingReportingOverflow(511)
    let (all, more) = (padded & ~511).addingReportingOverflow(UInt64(header))
    if overflow || more || all > left { return false }
    left -= all
    return true
  }

  /// Takes the bytes of the name of an entry that did not fit. Returns whether the name fits.
  mutating func takesName(header: Int) -> Bool {
    if UInt64(header) <= namesLeft {
      namesLeft -= UInt64(header)
      return true
    }
    return takes(header: header, size: 0)
  }
}
