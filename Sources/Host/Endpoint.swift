import CHost

/// An address to listen on or to connect to.
public enum Endpoint: Equatable, Sendable {
  /// A host name or a numeric address, and a port.
  case tcp(host: String, port: UInt16)
  /// The path of a Unix stream socket.
  case unix(path: String)

  /// Parses `host:port`, `[v6]:port` or `unix:path`.
  public init(parsing text: String) throws(HostError) {
    let bytes = Array(text.utf8)
    let prefix: [UInt8] = [0x75, 0x6e, 0x69, 0x78, 0x3a]  // "unix:"
    if bytes.count > prefix.count && Array(bytes[0..<prefix.count]) == prefix {
      self = .unix(path: String(decoding: bytes[prefix.count...], as: UTF8.self))
      return
    }
    guard let colon = bytes.lastIndex(of: 0x3a), colon > 0,
      let port = Endpoint.port(bytes[(colon + 1)...])
    else { throw .badAddress(text: text) }
    var host = bytes[0..<colon]
    if host.first == 0x5b && host.last == 0x5d {
      host = host.dropFirst().dropLast()
    } else if host.contains(0x3a) {
      throw .badAddress(text: text)
    }
    if host.isEmpty || host.contains(0) || host.contains(0x5b) || host.contains(0x5d) {
      throw .badAddress(text: text)
    }
    self = .tcp(host: String(decoding: host, as: UTF8.self), port: port)
  }

  private static func port(_ digits: ArraySlice<UInt8>) -> UInt16? {
    if digits.isEmpty || digits.count > 5 { return nil }
    var value: UInt32 = 0
    for digit in digits {
      if digit < 0x30 || digit > 0x39 { return nil }
      value = value * 10 + UInt32(digit - 0x30)
    }
    return value > 65535 ? nil : UInt16(value)
  }

  public var description: String {
    switch self {
    case .tcp(let host, let port):
      return host.utf8.contains(0x3a) ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): return "unix:\(path)"
    }
  }
}

/// A socket's numeric address.
public struct SocketAddress: Equatable, Sendable {
  /// CHost's layout: family, zero, port (2), address (16).
  let bytes: [UInt8]

  init(raw: [UInt8]) { bytes = raw }

  /// From a numeric IPv4 or IPv6 address; nil for a name.
  public init?(host: String, port: UInt16) {
    guard let text = host.terminated else { return nil }
    var bytes = [UInt8](repeating: 0, count: HOST_ADDRESS_BYTES)
    if host_address_parse(text, &bytes) < 0 { return nil }
    bytes[2] = UInt8(truncatingIfNeeded: port >> 8)
    bytes[3] = UInt8(truncatingIfNeeded: port)
    self.bytes = bytes
  }

  public var isLocal: Bool { bytes[0] == 0 }
  public var port: UInt16 { UInt16(bytes[2]) << 8 | UInt16(bytes[3]) }

  /// Sixteen bytes; an IPv4 address is mapped into IPv6 (RFC 4291, 2.5.5.2), as in Bitcoin's
  /// protocol.
  public var ipv6Bytes: [UInt8] {
    if bytes[0] == 6 { return Array(bytes[4..<20]) }
    if bytes[0] == 4 {
      return [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] + Array(bytes[4..<8])
    }
    return [UInt8](repeating: 0, count: 16)
  }

  /// The address without the port.
  public var host: String {
    var text = [CChar](repeating: 0, count: 64)
    if isLocal || host_address_text(bytes, &text, UInt32(text.count)) < 0 { return "unix" }
    return String(terminated: text)
  }

  public var description: String {
    isLocal ? "unix" : Endpoint.tcp(host: host, port: port).description
  }
}
