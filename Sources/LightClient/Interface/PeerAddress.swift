/// Where a peer listens: an IPv4 or IPv6 address and a TCP port.
public struct PeerAddress: Equatable, Sendable {
  /// 4 bytes for IPv4, 16 for IPv6.
  public let ip: [UInt8]
  public let port: UInt16

  /// Nil unless `ip` has 4 or 16 bytes and the port is not zero.
  public init?(ip: [UInt8], port: UInt16) {
    if (ip.count != 4 && ip.count != 16) || port == 0 { return nil }
    self.ip = ip
    self.port = port
  }

  /// Parses `a.b.c.d`, `a.b.c.d:port`, `[v6]:port` or `[v6]` in ASCII. Nil for anything else; the
  /// driver resolves names.
  public init?(text: [UInt8], defaultPort: UInt16) {
    var parser = AddressParser(text)
    guard let (ip, port) = parser.address(defaultPort: defaultPort) else { return nil }
    self.init(ip: ip, port: port)
  }

  public init?(text: String, defaultPort: UInt16) {
    self.init(text: Array(text.utf8), defaultPort: defaultPort)
  }

  /// False for loopback, private and link-local addresses: addresses from gossip must be public.
  public var isPublic: Bool {
    if ip.count == 4 {
      switch ip[0] {
      case 0, 10, 127: return false
      case 100: return ip[1] & 0xc0 != 64
      case 169: return ip[1] != 254
      case 172: return ip[1] & 0xf0 != 16
      case 192: return ip[1] != 168
      default: return ip[0] < 224
      }
    }
    // Global unicast is 2000::/3.
    return ip[0] & 0xe0 == 0x20
  }

  /// The network group, whose addresses one operator probably controls: /16 of IPv4, /32 of IPv6.
  var group: UInt32 {
    if ip.count == 4 { return UInt32(ip[0]) << 8 | UInt32(ip[1]) }
    return UInt32(ip[0]) << 24 | UInt32(ip[1]) << 16 | UInt32(ip[2]) << 8 | UInt32(ip[3])
  }

  /// The usual notation, with the port.
  public var text: String {
    if ip.count == 4 {
      return String(ip[0]) + "." + String(ip[1]) + "." + String(ip[2]) + "." + String(ip[3]) + ":"
        + String(port)
    }
    var text = "["
    for index in 0..<8 {
      if index > 0 { text += ":" }
      text += String(UInt32(ip[2 * index]) << 8 | UInt32(ip[2 * index + 1]), radix: 16)
    }
    return text + "]:" + String(port)
  }
}
