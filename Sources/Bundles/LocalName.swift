/// Converts file names made by tasks, which may be any bytes, to names on this host.
enum LocalName {
  /// Keeps UTF-8; every other byte becomes `%` and two digits, so that different names stay
  /// different.
  static func text(_ bytes: some Collection<UInt8>) -> String {
    if let name = String(validating: bytes, as: UTF8.self) { return name }
    var text = ""
    for byte in bytes {
      if byte < 0x80 {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        text += "%" + digits
      }
    }
    return text
  }
}
