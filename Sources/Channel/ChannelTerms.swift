import Bitcoin
import Bytes
import Crypto

/// What both sides of a payment channel agree on before it is funded. Together with the funding
/// output point it determines every transaction that can spend the channel.
public struct ChannelTerms: Equatable, Sendable {
  /// Compressed public keys, 33 bytes. The provider's belongs to this channel alone.
  public var providerKey: [UInt8]
  public var publisherKey: [UInt8]
  /// From this height on the publisher can take the channel back (BIP65).
  public var expiryHeight: UInt32
  /// The amount of the funding output.
  public var capacitySat: UInt64
  /// Fee rates of the closing transactions that each payment signs, strictly ascending.
  public var feeLadderSatPerVb: [UInt32]
  /// Where the close pays the machine's owner: P2WPKH, P2WSH or P2TR.
  public var payoutScript: [UInt8]
  /// Where the publisher's remainder and its refund go: P2WPKH, P2WSH or P2TR.
  public var changeScript: [UInt8]

  public static let version: UInt8 = 1
  public static let maxRungs = 8
  public static let maxFeeRateSatPerVb: UInt32 = 10_000
  /// Lock times from here on are times, not heights.
  public static let heightLimit: UInt32 = 500_000_000
  /// More than any valid encoding takes.
  public static let maxBytes = 256

  public init(
    providerKey: [UInt8], publisherKey: [UInt8], expiryHeight: UInt32, capacitySat: UInt64,
    feeLadderSatPerVb: [UInt32], payoutScript: [UInt8], changeScript: [UInt8]
  ) {
    self.providerKey = providerKey
    self.publisherKey = publisherKey
    self.expiryHeight = expiryHeight
    self.capacitySat = capacitySat
    self.feeLadderSatPerVb = feeLadderSatPerVb
    self.payoutScript = payoutScript
    self.changeScript = changeScript
  }

  /// Throws `terms` naming the first field that breaks a rule.
  public func check() throws(ChannelError) {
    if !Secp256k1.isValidPublicKey(providerKey) {
      throw ChannelError.terms(field: "provider key", problem: "not a compressed public key")
    }
    if !Secp256k1.isValidPublicKey(publisherKey) {
      throw ChannelError.terms(field: "publisher key", problem: "not a compressed public key")
    }
    if expiryHeight == 0 || expiryHeight >= ChannelTerms.heightLimit {
      throw ChannelError.terms(field: "expiry height", problem: "not a block height")
    }
    if feeLadderSatPerVb.isEmpty || feeLadderSatPerVb.count > ChannelTerms.maxRungs {
      throw ChannelError.terms(field: "fee ladder", problem: "needs 1 to 8 rungs")
    }
    var last: UInt32 = 0
    for rate in feeLadderSatPerVb {
      if rate <= last {
        throw ChannelError.terms(field: "fee ladder", problem: "the rungs do not ascend from 1")
      }
      if rate > ChannelTerms.maxFeeRateSatPerVb {
        throw ChannelError.terms(field: "fee ladder", problem: "above 10,000 sat/vB")
      }
      last = rate
    }
    if !ChannelScript.isPayable(payoutScript) {
      throw ChannelError.terms(
        field: "payout script", problem: "not a standard segwit output script")
    }
    if !ChannelScript.isPayable(changeScript) {
      throw ChannelError.terms(
        field: "change script", problem: "not a standard segwit output script")
    }
    if capacitySat > Amount.maxSat {
      throw ChannelError.terms(field: "capacity", problem: "more coins than there are")
    }
    if capacitySat < ClosingTransaction.leastPayableSat(self) {
      throw ChannelError.terms(
        field: "capacity", problem: "below what the cheapest close needs")
    }
  }

  // MARK: Encoding: fixed order, little-endian, lengths as one byte

  public func encode(to writer: inout ByteWriter) {
    writer.u8(ChannelTerms.version)
    writer.append(providerKey)
    writer.append(publisherKey)
    writer.u32le(expiryHeight)
    writer.u64le(capacitySat)
    writer.u8(UInt8(truncatingIfNeeded: feeLadderSatPerVb.count))
    for rate in feeLadderSatPerVb { writer.u32le(rate) }
    writer.u8(UInt8(truncatingIfNeeded: payoutScript.count))
    writer.append(payoutScript)
    writer.u8(UInt8(truncatingIfNeeded: changeScript.count))
    writer.append(changeScript)
  }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 192)
    encode(to: &writer)
    return writer.bytes
  }

  /// Decodes and checks. Reads no further than the terms go.
  public static func decode(_ reader: inout ByteReader) throws(ChannelError) -> ChannelTerms {
    let terms: ChannelTerms
    do { terms = try read(&reader) } catch { throw ChannelError.malformed(error) }
    try terms.check()
    return terms
  }

  /// Decodes and checks a whole document.
  public static func decode(_ bytes: [UInt8]) throws(ChannelError) -> ChannelTerms {
    var reader = ByteReader(bytes)
    let terms = try decode(&reader)
    do { try reader.finish() } catch { throw ChannelError.malformed(error) }
    return terms
  }

  private static func read(_ reader: inout ByteReader) throws(BytesError) -> ChannelTerms {
    let start = reader.offset
    if try reader.u8() != version { throw BytesError.invalid(offset: start) }
    let providerKey = try reader.take(33)
    let publisherKey = try reader.take(33)
    let expiryHeight = try reader.u32le()
    let capacitySat = try reader.u64le()
    let rungs = try shortLength(&reader, limit: maxRungs)
    var ladder: [UInt32] = []
    for _ in 0..<rungs { ladder.append(try reader.u32le()) }
    let payoutScript = try reader.take(try shortLength(&reader, limit: 34))
    let changeScript = try reader.take(try shortLength(&reader, limit: 34))
    return ChannelTerms(
      providerKey: providerKey, publisherKey: publisherKey, expiryHeight: expiryHeight,
      capacitySat: capacitySat, feeLadderSatPerVb: ladder, payoutScript: payoutScript,
      changeScript: changeScript)
  }
}

/// A length or count of one byte, at most `limit`.
func shortLength(_ reader: inout ByteReader, limit: Int) throws(BytesError) -> Int {
  let start = reader.offset
  let count = Int(try reader.u8())
  if count > limit {
    throw BytesError.tooLarge(offset: start, value: UInt64(count), limit: UInt64(limit))
  }
  return count
}
