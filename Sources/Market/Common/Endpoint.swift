import Bitcoin
import Bytes

/// Where a publisher listens: an IPv4 or IPv6 address or a host name, and a TCP port.
public struct Endpoint: Equatable, Sendable {
  public static let maxHostBytes = 64

  /// Lower-case ASCII, without brackets: `192.0.2.1`, `2001:db8::1`, `work.example.org`.
  public var host: [UInt8]
  public var port: UInt16

  /// Nil where the host or the port cannot be one.
  public init?(host: [UInt8], port: UInt16) {
    if port == 0 || !Endpoint.isHost(host) { return nil }
    self.host = host
    self.port = port
  }

  /// Reads `host:port`; an IPv6 address stands in brackets.
  public init?(text: String) {
    let bytes = Array(text.utf8)
    guard let colon = bytes.lastIndex(of: 0x3a), colon + 1 < bytes.count else { return nil }
    var port = 0
    for byte in bytes[(colon + 1)...] {
      if byte < 0x30 || byte > 0x39 || port > 65_535 { return nil }
      port = port * 10 + Int(byte - 0x30)
    }
    if port > 65_535 || bytes[colon + 1] == 0x30 { return nil }
    var host = Array(bytes[..<colon])
    let isBracketed = host.first == 0x5b && host.last == 0x5d && host.count > 2
    if isBracketed { host = Array(host[1..<(host.count - 1)]) }
    if host.contains(0x3a) != isBracketed { return nil }
    self.init(host: host, port: UInt16(port))
  }

  public var hostText: String { String(decoding: host, as: UTF8.self) }

  /// `host:port`, with brackets around an IPv6 address.
  public var text: String {
    isIPv6 ? "[" + hostText + "]:" + String(port) : hostText + ":" + String(port)
  }

  public var isIPv6: Bool { host.contains(0x3a) }

  /// Only characters that an address or a name has: no shell, resolver or log is surprised.
  private static func isHost(_ host: [UInt8]) -> Bool {
    if host.isEmpty || host.count > maxHostBytes { return false }
    if host.contains(0x3a) {
      for byte in host where !(isDigit(byte) || (byte >= 0x61 && byte <= 0x66)) {
        if byte != 0x3a && byte != 0x2e { return false }
      }
      return true
    }
    for byte in host where !(isDigit(byte) || (byte >= 0x61 && byte <= 0x7a)) {
      if byte != 0x2d && byte != 0x2e { return false }
    }
    let edges: [UInt8] = [host[0], host[host.count - 1]]
    return !edges.contains(0x2d) && !edges.contains(0x2e)
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
}
