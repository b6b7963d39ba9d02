/// Hexadecimal text.
public enum Hex {
  private static let digits: StaticString = "0123456789abcdef"

  /// Two lower-case digits for each byte.
  public static func encode(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 2)
    let start = digits.utf8Start
    for byte in bytes {
      text.append(start[Int(byte >> 4)])
      text.append(start[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Nil for an odd number of digits or any other character. Accepts both cases.
  public static func decode(_ text: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    var high: UInt8?
    for character in text.utf8 {
      guard let value = value(character) else { return nil }
      if let first = high {
        bytes.append(first << 4 | value)
        high = nil
      } else {
        high = value
      }
    }
    return high == nil ? bytes : nil
  }

  /// The bytes of a constant in one or more pieces; its digits must be valid, which a test
  /// verifies.
  public static func constant(_ pieces: StaticString...) -> [UInt8] {
    var bytes: [UInt8] = []
    for piece in pieces {
      for index in 0..<(piece.utf8CodeUnitCount / 2) {
        let high = value(piece.utf8Start[2 * index]) ?? 0
        bytes.append(high << 4 | (value(piece.utf8Start[2 * index + 1]) ?? 0))
      }
    }
    return bytes
  }

  private static func value(_ character: UInt8) -> UInt8? {
    switch character {
    case 0x30...0x39: return character - 0x30
    case 0x41...0x46: return character - 0x41 + 10
    case 0x61...0x66: return character - 0x61 + 10
    default: return nil
    }
  }
}
