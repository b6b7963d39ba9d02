/// A byte string in the form of an ECDSA signature with its hash type byte (BIP66).
struct DerSignature {
  /// The number s, big-endian, without leading zeros.
  private let scalar: [UInt8]

  /// Nil for anything else.
  init?(_ item: [UInt8]) {
    guard (9...73).contains(item.count), item[0] == 0x30, Int(item[1]) == item.count - 3 else {
      return nil
    }
    let rLength = Int(item[3])
    guard item[2] == 0x02, rLength > 0, rLength + 5 < item.count, item[4 + rLength] == 0x02 else {
      return nil
    }
    let sLength = Int(item[5 + rLength])
    guard sLength > 0, rLength + sLength + 7 == item.count else { return nil }
    let start = 6 + rLength
    scalar = Array(item[start..<(start + sLength)].drop { $0 == 0 })
  }

  /// Half the order of the curve, rounded down.
  private static let half: [UInt8] =
    [0x7f] + [UInt8](repeating: 0xff, count: 15) + [
      0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20,
      0xa0,
    ]

  var hasLowS: Bool {
    if scalar.count != DerSignature.half.count { return scalar.count < DerSignature.half.count }
    return !DerSignature.half.lexicographicallyPrecedes(scalar)
  }
}
