/// Bytes of a stranger's program on their way to a person's terminal: none of them may be a command to
/// it. ECMA-48's control characters become `?`, in their 7-bit form (C0, DEL) and as UTF-8 has the
/// 8-bit ones (C1); line ends and tabs stay.
public struct TerminalText {
  /// The last byte of the piece before, where it may be half of a C1 character.
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
