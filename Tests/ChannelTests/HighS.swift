import Bytes

/// Makes the other valid form of an ECDSA signature, which nodes do not relay.
enum HighS {
  private static let order = Hex.decode(
    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")!

  /// A DER signature with `order − s` for `s`.
  static func negated(_ der: [UInt8]) -> [UInt8] {
    let rLength = Int(der[3])
    let r = Array(der[2..<(4 + rLength)])
    var s = Array(der[(6 + rLength)...])
    while s.count > 32 { s.removeFirst() }
    while s.count < 32 { s.insert(0, at: 0) }
    var result = [UInt8](repeating: 0, count: 32)
    var borrow = 0
    for index in (0..<32).reversed() {
      let value = Int(order[index]) - Int(s[index]) - borrow
      borrow = value < 0 ? 1 : 0
      result[index] = UInt8(truncatingIfNeeded: value)
    }
    if result[0] & 0x80 != 0 { result.insert(0, at: 0) }
    let body = r + [2, UInt8(result.count)] + result
    return [0x30, UInt8(body.count)] + body
  }
}
