import Bitcoin
import Bytes
import Channel
import Crypto

/// Fields that several documents have.
extension DocumentReader {
  /// UTF-8 without control characters.
  mutating func plainText(
    _ field: StaticReason, _ range: ClosedRange<Int>
  ) throws(MarketError) -> [UInt8] {
    let start = offset
    let text = try bytes(field, range)
    if !TextRules.isPlain(text) { throw refuse(field, at: start, "not plain text") }
    return text
  }

  /// Texts of at most 4 KiB without zero bytes.
  mutating func strings(
    _ field: StaticReason, _ range: ClosedRange<Int>
  ) throws(MarketError) -> [[UInt8]] {
    let count = try count(field, range)
    var strings: [[UInt8]] = []
    for _ in 0..<count {
      let start = offset
      let string = try bytes(field, 0...Limits.maxArgumentBytes)
      if TextRules.hasZero(string) { throw refuse(field, at: start, "holds a zero byte") }
      strings.append(string)
    }
    return strings
  }

  /// A program with a name, and its arguments.
  mutating func arguments() throws(MarketError) -> [[UInt8]] {
    let start = offset
    let words = try strings("arguments", 1...Limits.maxArguments)
    if words[0].isEmpty { throw refuse("arguments", at: start, "the program has no name") }
    return words
  }

  /// `NAME=value`.
  mutating func environment() throws(MarketError) -> [[UInt8]] {
    let start = offset
    let variables = try strings("environment", 0...Limits.maxArguments)
    for variable in variables {
      guard let equals = variable.firstIndex(of: 0x3d), equals > 0 else {
        throw refuse("environment", at: start, "not of the form NAME=value")
      }
    }
    return variables
  }

  /// An absolute path; empty only where that is allowed.
  mutating func path(_ field: StaticReason, allowsEmpty: Bool) throws(MarketError) -> [UInt8] {
    let start = offset
    let path = try bytes(field, (allowsEmpty ? 0 : 1)...Limits.maxTextBytes)
    if !path.isEmpty && (path[0] != 0x2f || TextRules.hasZero(path)) {
      throw refuse(field, at: start, "not an absolute path")
    }
    return path
  }

  /// Fee rates of closes, strictly ascending.
  mutating func feeLadder() throws(MarketError) -> [UInt32] {
    let start = offset
    var ladder: [UInt32] = []
    let rungs = try count("fee ladder", 1...ChannelTerms.maxRungs)
    for _ in 0..<rungs {
      let rate = try u32(
        "fee ladder",
        ChannelTerms.leastFeeRateSatPerKvB...ChannelTerms.maxFeeRateSatPerKvB)
      if let last = ladder.last, rate <= last {
        throw refuse("fee ladder", at: start, "the rungs do not ascend")
      }
      ladder.append(rate)
    }
    return ladder
  }

  mutating func payoutScript() throws(MarketError) -> [UInt8] {
    let start = offset
    let script = try bytes("payout script", 22...34)
    if !ChannelScript.isPayable(script) {
      throw refuse("payout script", at: start, "not a standard segwit output script")
    }
    return script
  }

  mutating func publicKey(_ field: StaticReason) throws(MarketError) -> [UInt8] {
    let start = offset
    let key = try fixed(field, 33)
    if !Secp256k1.isValidPublicKey(key) {
      throw refuse(field, at: start, "not a compressed public key")
    }
    return key
  }

  mutating func signature() throws(MarketError) -> [UInt8] {
    try fixed("signature", Ed25519.signatureLength)
  }
}
