/// Names of files that jobs made, which may be any bytes, as names of this machine's files.
enum LocalName {
  /// UTF-8 stays; every byte that is not becomes `%` and two digits, so that two names do not become one.
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
