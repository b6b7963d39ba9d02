import Bitcoin
import Bytes

/// What bytes may stand in texts that others wrote and people read.
enum TextRules {
  /// UTF-8 without control characters.
  static func isPlain(_ bytes: [UInt8]) -> Bool {
    for byte in bytes where byte < 0x20 || byte == 0x7f { return false }
    // Decoding repairs what is not UTF-8; what needed no repair comes out as it went in. The C1
    // controls (U+0080 to U+009F) begin with c2.
    for index in bytes.indices.dropLast()
    where bytes[index] == 0xc2 && bytes[index + 1] < 0xa0 { return false }
    return Array(String(decoding: bytes, as: UTF8.self).utf8) == bytes
  }

  static func hasZero(_ bytes: [UInt8]) -> Bool { bytes.contains(0) }

  /// For people: whatever the bytes are.
  static func shown(_ bytes: [UInt8]) -> String {
    var safe: [UInt8] = []
    for byte in bytes { safe.append(byte < 0x20 || byte == 0x7f ? 0x3f : byte) }
    return String(decoding: safe, as: UTF8.self)
  }
}
