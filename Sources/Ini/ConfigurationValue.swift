/// Parses the values of a configuration file.
public enum ConfigurationValue {
  /// A whole decimal number without sign; nil for anything else, or above 64 bits.
  public static func number(_ bytes: [UInt8]) -> UInt64? {
    if bytes.isEmpty || bytes.count > 20 { return nil }
    var value: UInt64 = 0
    for byte in bytes {
      if byte < 0x30 || byte > 0x39 { return nil }
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(UInt64(byte - 0x30))
      if overflow || carry { return nil }
      value = sum
    }
    return value
  }

  /// A decimal number with up to three digits after the point, in thousandths: `1.5` is 1500.
  public static func thousandths(_ bytes: [UInt8]) -> UInt64? {
    var whole: [UInt8] = []
    var fraction: [UInt8] = []
    var inFraction = false
    for byte in bytes {
      if byte == 0x2e {
        if inFraction { return nil }
        inFraction = true
      } else if inFraction {
        fraction.append(byte)
      } else {
        whole.append(byte)
      }
    }
    if inFraction && (fraction.isEmpty || fraction.count > 3) { return nil }
    while fraction.count < 3 { fraction.append(0x30) }
    guard let units = number(whole), let parts = number(fraction) else { return nil }
    let (product, overflow) = units.multipliedReportingOverflow(by: 1000)
    let (sum, carry) = product.addingReportingOverflow(parts)
    return overflow || carry ? nil : sum
  }

  public static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  /// `host:port`, `[v6]:port`, or a host alone, with `defaultPort`.
  public static func endpoint(_ bytes: [UInt8], defaultPort: UInt16?) -> (
    host: [UInt8], port: UInt16
  )? {
    var host = bytes
    var port = defaultPort
    var portBytes: [UInt8]?
    if bytes.first == 0x5b {
      guard let close = bytes.firstIndex(of: 0x5d) else { return nil }
      host = Array(bytes[1..<close])
      if close + 1 < bytes.count {
        if bytes[close + 1] != 0x3a { return nil }
        portBytes = Array(bytes[(close + 2)...])
      }
    } else if let colon = bytes.firstIndex(of: 0x3a) {
      // More than one colon without brackets is an IPv6 address without a port.
      if bytes[(colon + 1)...].firstIndex(of: 0x3a) == nil {
        host = Array(bytes[..<colon])
        portBytes = Array(bytes[(colon + 1)...])
      }
    }
    if let portBytes {
      guard let value = number(portBytes), value > 0, value <= 65535 else { return nil }
      port = UInt16(value)
    }
    guard let port, !host.isEmpty, host.count <= 255 else { return nil }
    for byte in host where byte <= 0x20 || byte >= 0x7f { return nil }
    return (host, port)
  }
}
