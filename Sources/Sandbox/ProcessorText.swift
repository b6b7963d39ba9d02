/// What `/proc/cpuinfo` says. On ARM boards its last lines have a number that no other board has, by which two
/// publishers would know this one: `Serial`.
enum ProcessorText {
  /// What jobs read there; empty: what the machine says. Found out with the kernel's features.
  #if hasFeature(Embedded) && !arch(arm) && !arch(arm64)
    // Other processors' agents need not carry what covers it.
    static var shown: String { "" }
  #else
    nonisolated(unsafe) static var shown = ""
  #endif

  /// `text` without that line; empty where there is none, or no number in it.
  static func withoutSerial(_ text: [UInt8]) -> String {
    var kept: [UInt8] = []
    var isMarked = false
    // Empty lines are between processors.
    var start = 0
    for end in text.indices where text[end] == 0x0a || end == text.count - 1 {
      let line = text[start...end]
      start = end + 1
      if Text.equal(line.prefix(6), "Serial") {
        isMarked = isMarked || line.dropFirst(6).contains { $0 > 0x30 && $0 != 0x3a }
      } else {
        kept += line
      }
    }
    return isMarked ? String(decoding: kept, as: UTF8.self) : ""
  }
}
