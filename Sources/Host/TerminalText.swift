/// Filters an untrusted program's output for a terminal, so that it cannot control it. ECMA-48's
/// control characters become `?`, in their 7-bit form (C0, DEL) and as UTF-8 of the 8-bit ones
/// (C1); line ends and tabs stay.
public struct TerminalText {
  /// Whether the previous piece ended with a byte that may start a C1 character.
  private var holdsLead = false

  public init() {}

  public mutating func clean(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    for byte in bytes {
      if holdsLead {
        holdsLead = false
        if byte >= 0x80 && byte < 0xa0 {
          output.append(0x3f)
          continue
        }
        output.append(0xc2)
      }
      if byte == 0xc2 {
        holdsLead = true
      } else {
        let isCommand = (byte < 0x20 && byte != 0x0a && byte != 0x09) || byte == 0x7f
        output.append(isCommand ? 0x3f : byte)
      }
    }
    return output
  }
}
