/// Parses numeric addresses (RFC 4291, section 2.2, without embedded IPv4 and zones).
struct AddressParser {
  private let text: [UInt8]
  private var offset = 0

  init(_ text: [UInt8]) { self.text = text }

  private var next: UInt8? { offset < text.count ? text[offset] : nil }

  private mutating func skip(_ character: UInt8) -> Bool {
    if next != character { return false }
    offset += 1
    return true
  }

  /// A decimal number without leading zeros, at most `limit`.
  private mutating func decimal(limit: UInt32) -> UInt32? {
    let start = offset
    var value: UInt32 = 0
    while let digit = next, digit >= 0x30 && digit <= 0x39, offset - start < 5 {
      value = value * 10 + UInt32(digit - 0x30)
      offset += 1
    }
    let length = offset - start
    if length == 0 || value > limit || (length > 1 && text[start] == 0x30) { return nil }
    return value
  }

  /// One to four hexadecimal digits.
  private mutating func group() -> UInt16? {
    let start = offset
    var value: UInt16 = 0
    while let digit = next, offset - start < 4 {
      let worth: UInt8
      switch digit {
      case 0x30...0x39: worth = digit - 0x30
      case 0x41...0x46: worth = digit - 0x41 + 10
      case 0x61...0x66: worth = digit - 0x61 + 10
      default: return offset > start ? value : nil
      }
      value = value << 4 | UInt16(worth)
      offset += 1
    }
    return offset > start ? value : nil
  }

  mutating func address(defaultPort: UInt16) -> (ip: [UInt8], port: UInt16)? {
    let ip: [UInt8]
    if skip(0x5b) {
      guard let six = ipv6(), skip(0x5d) else { return nil }
      ip = six
    } else {
      guard let four = ipv4() else { return nil }
      ip = four
    }
    var port = defaultPort
    if skip(0x3a) {
      guard let number = decimal(limit: 65_535) else { return nil }
      port = UInt16(number)
    }
    return offset == text.count ? (ip, port) : nil
  }

  private mutating func ipv4() -> [UInt8]? {
    var ip: [UInt8] = []
    for index in 0..<4 {
      if index > 0 && !skip(0x2e) { return nil }
      guard let part = decimal(limit: 255) else { return nil }
      ip.append(UInt8(part))
    }
    return ip
  }

  private mutating func ipv6() -> [UInt8]? {
    var head: [UInt16] = []
    var tail: [UInt16] = []
    var hasGap = false
    if skip(0x3a) {
      if !skip(0x3a) { return nil }
      hasGap = true
    }
    while let character = next, character != 0x5d {
      guard let value = group(), head.count + tail.count < 8 else { return nil }
      if hasGap { tail.append(value) } else { head.append(value) }
      if next == 0x5d { break }
      if !skip(0x3a) { return nil }
      if next == 0x3a {
        if hasGap { return nil }
        offset += 1
        hasGap = true
      } else if next == 0x5d {
        return nil
      }
    }
    let missing = 8 - head.count - tail.count
    if hasGap ? missing < 1 : missing != 0 { return nil }
    let groups = head + [UInt16](repeating: 0, count: missing) + tail
    var ip: [UInt8] = []
    for value in groups {
      ip.append(UInt8(value >> 8))
      ip.append(UInt8(value & 255))
    }
    return ip
  }
}
