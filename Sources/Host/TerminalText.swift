/// Filters an untrusted program's output for a terminal, so that it can neither control the terminal
/// nor make a line read as another. These become `?`: ECMA-48's control characters in their 7-bit form
/// (C0, DEL) and in the 8-bit one (C1), as one byte or as UTF-8; bytes that are not UTF-8, which
/// terminals treat in different ways; and bidirectional control characters. Line ends and tabs stay.
public struct TerminalText {
  /// The beginning of a character that the next piece may complete.
  private var held: [UInt8] = []

  public init() {}

  public mutating func clean(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    for byte in bytes { take(byte, &output) }
    return output
  }

  /// What is left where nothing follows.
  public mutating func finish() -> [UInt8] {
    defer { held = [] }
    return held.isEmpty ? [] : [TerminalText.mark]
  }

  /// One line of what a stranger said: no line end and no tab stays either.
  public static func line(_ text: String) -> [UInt8] {
    var cleaner = TerminalText()
    let one = cleaner.clean(text.utf8.lazy.map { $0 < 0x20 ? mark : $0 })
    return one + cleaner.finish()
  }

  private static let mark: UInt8 = 0x3f

  private mutating func take(_ byte: UInt8, _ output: inout [UInt8]) {
    if held.isEmpty {
      switch byte {
      case 0x0a, 0x09, 0x20..<0x7f: output.append(byte)
      case 0xc2...0xf4: held = [byte]
      default: output.append(TerminalText.mark)
      }
      return
    }
    guard TerminalText.follows(held, byte) else {
      held = []
      output.append(TerminalText.mark)
      return take(byte, &output)
    }
    held.append(byte)
    if held.count < TerminalText.length(held[0]) { return }
    if TerminalText.isCommand(held) { output.append(TerminalText.mark) } else { output += held }
    held.removeAll(keepingCapacity: true)
  }

  private static func length(_ lead: UInt8) -> Int { lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4 }

  /// The Unicode Standard, table 3-7: well-formed UTF-8.
  private static func follows(_ held: [UInt8], _ byte: UInt8) -> Bool {
    if byte < 0x80 || byte > 0xbf { return false }
    if held.count > 1 { return true }
    switch held[0] {
    case 0xe0: return byte >= 0xa0
    case 0xed: return byte < 0xa0
    case 0xf0: return byte >= 0x90
    case 0xf4: return byte < 0x90
    default: return true
    }
  }

  /// C1; ALM, LRM, RLM, embeddings, overrides, isolates (UAX #9); separators of lines and paragraphs.
  private static func isCommand(_ character: [UInt8]) -> Bool {
    switch character.count {
    case 2:
      return (character[0] == 0xc2 && character[1] < 0xa0)
        || (character[0] == 0xd8 && character[1] == 0x9c)
    case 3:
      if character[0] != 0xe2 { return false }
      switch (character[1], character[2]) {
      case (0x80, 0x8e...0x8f), (0x80, 0xa8...0xae), (0x81, 0xa6...0xa9): return true
      default: return false
      }
    default: return false
    }
  }
}
