import Bitcoin
import Bytes

/// Which hosts an agent may call on a public network: no private, loopback or link-local addresses.
public enum AddressRule {
  /// Whether `host` is a public address, or a name that may resolve to one. Check the resolved
  /// address again.
  public static func isPublic(_ host: [UInt8]) -> Bool {
    if host.contains(0x3a) { return isPublicIPv6(host) }
    if looksNumeric(host) {
      guard let address = ipv4(host[...]) else { return false }
      return isPublicIPv4(address)
    }
    return !isLocalName(host)
  }

  // MARK: IPv4

  private static func isPublicIPv4(_ address: [UInt8]) -> Bool {
    let (first, second, third) = (address[0], address[1], address[2])
    switch first {
    case 0, 10, 127: return false
    case 100: return !(64...127).contains(second)
    case 169: return second != 254
    case 172: return !(16...31).contains(second)
    case 192: return second != 168 && !(second == 0 && (third == 0 || third == 2))
    case 198: return !(18...19).contains(second) && !(second == 51 && third == 100)
    case 203: return !(second == 0 && third == 113)
    default: return first < 224
    }
  }

  /// Whether the last label is numeric. Resolvers treat `127.1` and `0x7f000001` as addresses.
  private static func looksNumeric(_ host: [UInt8]) -> Bool {
    let last = host.lastIndex(of: 0x2e).map { Array(host[($0 + 1)...]) } ?? host
    guard let first = last.first, isDigit(first) else { return false }
    return last.allSatisfy { isDigit($0) } || (last.count > 1 && last[0] == 0x30 && last[1] == 0x78)
  }

  /// Four decimal numbers without leading zeros; nil for anything else.
  private static func ipv4(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    var parts: [UInt8] = []
    var value = 0
    var digits = 0
    for byte in Array(text) + [0x2e] {
      if byte == 0x2e {
        if digits == 0 || parts.count == 4 { return nil }
        parts.append(UInt8(value))
        value = 0
        digits = 0
      } else {
        if !isDigit(byte) || (digits > 0 && value == 0) { return nil }
        value = value * 10 + Int(byte - 0x30)
        digits += 1
        if value > 255 { return nil }
      }
    }
    return parts.count == 4 ? parts : nil
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

  // MARK: IPv6

  private static func isPublicIPv6(_ host: [UInt8]) -> Bool {
    guard let groups = ipv6(host) else { return false }
    // Addresses that embed IPv4 ones: mapped, translated (64:ff9b::/96), 6to4.
    let low = [
      UInt8(groups[6] >> 8), UInt8(groups[6] & 255), UInt8(groups[7] >> 8), UInt8(groups[7] & 255),
    ]
    if groups[0..<5].allSatisfy({ $0 == 0 }) { return groups[5] == 0xffff && isPublicIPv4(low) }
    if groups[0] == 0x64 && groups[1] == 0xff9b { return isPublicIPv4(low) }
    if groups[0] == 0x2002 {
      return isPublicIPv4([
        UInt8(groups[1] >> 8), UInt8(groups[1] & 255), UInt8(groups[2] >> 8),
        UInt8(groups[2] & 255),
      ])
    }
    // Global unicast, except the documentation prefix.
    return groups[0] & 0xe000 == 0x2000 && !(groups[0] == 0x2001 && groups[1] == 0xdb8)
  }

  /// Parses an IPv6 address into its eight groups; nil if invalid.
  private static func ipv6(_ text: [UInt8]) -> [UInt16]? {
    var head: [UInt16] = []
    var tail: [UInt16]?
    var index = 0
    if text.count >= 2 && text[0] == 0x3a {
      if text[1] != 0x3a { return nil }
      tail = []
      index = 2
    }
    while index < text.count {
      let end = text[index...].firstIndex(of: 0x3a) ?? text.count
      let part = text[index..<end]
      var groups: [UInt16] = []
      if part.contains(0x2e) {
        guard end == text.count, let address = ipv4(part) else { return nil }
        groups = [
          UInt16(address[0]) << 8 | UInt16(address[1]),
          UInt16(address[2]) << 8 | UInt16(address[3]),
        ]
      } else {
        guard let group = hexadecimal(part) else { return nil }
        groups = [group]
      }
      if tail == nil { head += groups } else { tail? += groups }
      if end == text.count { break }
      index = end + 1
      if index == text.count { return nil }
      if text[index] == 0x3a {
        if tail != nil { return nil }
        tail = []
        index += 1
      }
    }
    guard let tail else { return head.count == 8 ? head : nil }
    let missing = 8 - head.count - tail.count
    if missing < 1 { return nil }
    return head + [UInt16](repeating: 0, count: missing) + tail
  }

  private static func hexadecimal(_ text: ArraySlice<UInt8>) -> UInt16? {
    if text.isEmpty || text.count > 4 { return nil }
    var value: UInt16 = 0
    for byte in text {
      switch byte {
      case 0x30...0x39: value = value << 4 | UInt16(byte - 0x30)
      case 0x61...0x66: value = value << 4 | UInt16(byte - 0x57)
      default: return nil
      }
    }
    return value
  }

  // MARK: Names

  /// `localhost`, single labels, and suffixes used only in private networks.
  private static func isLocalName(_ host: [UInt8]) -> Bool {
    if !host.contains(0x2e) { return true }
    let last = host.lastIndex(of: 0x2e).map { Array(host[($0 + 1)...]) } ?? host
    let names: [StaticString] = ["localhost", "local", "internal", "lan", "home", "arpa"]
    for name in names where last.isAscii(name) { return true }
    return false
  }
}
