import Bytes

/// Checksummed text of five-bit groups (BIP173), and its corrected form (BIP350).
enum Bech32 {
  enum Variant: UInt32 {
    case bech32 = 1
    case bech32m = 0x2bc8_30a3
  }

  private static let alphabet: StaticString = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
  private static let checksumLength = 6
  private static let maxLength = 90
  private static let separator: UInt8 = 0x31

  private static func step(_ checksum: UInt32, _ value: UInt8) -> UInt32 {
    let top = checksum >> 25
    var next = (checksum & 0x1ff_ffff) << 5 ^ UInt32(value)
    if top & 1 != 0 { next ^= 0x3b6a_57b2 }
    if top & 2 != 0 { next ^= 0x2650_8e6d }
    if top & 4 != 0 { next ^= 0x1ea1_19fa }
    if top & 8 != 0 { next ^= 0x3d42_33dd }
    if top & 16 != 0 { next ^= 0x2a14_62b3 }
    return next
  }

  private static func start(_ hrp: [UInt8]) -> UInt32 {
    var checksum: UInt32 = 1
    for character in hrp { checksum = step(checksum, character >> 5) }
    checksum = step(checksum, 0)
    for character in hrp { checksum = step(checksum, character & 31) }
    return checksum
  }

  /// `groups` are five-bit values; `hrp` is lower-case ASCII.
  static func encode(hrp: [UInt8], groups: [UInt8], variant: Variant) -> [UInt8] {
    var checksum = start(hrp)
    for group in groups { checksum = step(checksum, group) }
    for _ in 0..<checksumLength { checksum = step(checksum, 0) }
    checksum ^= variant.rawValue
    var text = hrp + [separator]
    for group in groups { text.append(alphabet.utf8Start[Int(group)]) }
    for index in 0..<checksumLength {
      let group = checksum >> UInt32(5 * (checksumLength - 1 - index)) & 31
      text.append(alphabet.utf8Start[Int(group)])
    }
    return text
  }

  /// The parts of a text with a valid checksum. Errors give the character's position, counted from
  /// 0.
  static func decode(
    _ text: [UInt8]
  ) throws(BitcoinError) -> (hrp: [UInt8], groups: [UInt8], variant: Variant) {
    if text.count > maxLength { throw BitcoinError.address(at: maxLength, "too long") }
    let lower = try lowered(text)
    guard let split = lower.lastIndex(of: separator), split > 0 else {
      throw BitcoinError.address(at: 0, "an address has a prefix, a 1, and its data")
    }
    if lower.count - split - 1 < checksumLength {
      throw BitcoinError.address(at: lower.count, "too short")
    }
    let hrp = Array(lower[0..<split])
    var groups: [UInt8] = []
    var checksum = start(hrp)
    for index in (split + 1)..<lower.count {
      guard let group = value(lower[index]) else {
        throw BitcoinError.address(at: index, "character not allowed in addresses")
      }
      groups.append(group)
      checksum = step(checksum, group)
    }
    guard let variant = Variant(rawValue: checksum) else {
      throw BitcoinError.address(at: text.count - checksumLength, "the checksum does not match")
    }
    groups.removeLast(checksumLength)
    return (hrp, groups, variant)
  }

  private static func lowered(_ text: [UInt8]) throws(BitcoinError) -> [UInt8] {
    var lower: [UInt8] = []
    var hasLower = false
    var hasUpper = false
    for (index, character) in text.enumerated() {
      if character < 33 || character > 126 {
        throw BitcoinError.address(at: index, "character not allowed in addresses")
      }
      let isUpper = character >= 0x41 && character <= 0x5a
      if isUpper { hasUpper = true }
      if character >= 0x61 && character <= 0x7a { hasLower = true }
      if hasUpper && hasLower {
        throw BitcoinError.address(at: index, "upper and lower case are mixed")
      }
      lower.append(isUpper ? character + 0x20 : character)
    }
    return lower
  }

  private static func value(_ character: UInt8) -> UInt8? {
    for index in 0..<32 where alphabet.utf8Start[index] == character { return UInt8(index) }
    return nil
  }

  /// Regroups bytes into five-bit groups; the last one is padded with zeros.
  static func groups(_ bytes: [UInt8]) -> [UInt8] {
    var groups: [UInt8] = []
    var buffer: UInt32 = 0
    var bits: UInt32 = 0
    for byte in bytes {
      buffer = (buffer << 8 | UInt32(byte)) & 0xfff
      bits += 8
      while bits >= 5 {
        bits -= 5
        groups.append(UInt8(buffer >> bits & 31))
      }
    }
    if bits > 0 { groups.append(UInt8(buffer << (5 - bits) & 31)) }
    return groups
  }

  /// The inverse; nil if the padding is a whole group or not zero.
  static func bytes<Groups: Collection>(_ groups: Groups) -> [UInt8]?
  where Groups.Element == UInt8 {
    var bytes: [UInt8] = []
    var buffer: UInt32 = 0
    var bits: UInt32 = 0
    for group in groups {
      buffer = (buffer << 5 | UInt32(group)) & 0xfff
      bits += 5
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(buffer >> bits & 0xff))
      }
    }
    let padding = buffer & ((1 << bits) - 1)
    return bits >= 5 || padding != 0 ? nil : bytes
  }
}
