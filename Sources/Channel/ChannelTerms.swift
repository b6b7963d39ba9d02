import Bitcoin
import Bytes
import Crypto

/// What both sides of a payment channel agree on before it is funded. Together with the funding
/// output point, the terms determine every transaction that can spend the channel.
public struct ChannelTerms: Equatable, Sendable {
  /// Compressed public keys, 33 bytes. The provider's key is used for this channel only.
  public var providerKey: [UInt8]
  public var publisherKey: [UInt8]
  /// From this height on the publisher can take the channel back (BIP65).
  public var expiryHeight: UInt32
  /// The provider closes the channel this many blocks before it expires.
  public var closeMarginBlocks: UInt32
  /// The amount of the funding output.
  public var capacitySat: UInt64
  /// The part of the capacity reserved for the fee of the close. What the fee leaves of it goes
  /// back to the publisher.
  public var reserveSat: UInt64
  /// Fee rates of the closes that each payment signs, in sat per 1000 virtual bytes, strictly
  /// ascending.
  public var feeLadderSatPerKvB: [UInt32]
  /// The owner's output script in the close: P2WPKH, P2WSH or P2TR.
  public var payoutScript: [UInt8]
  /// The compressed public key that receives the rest in the close, under ``ReturnScript``.
  public var returnKey: [UInt8]

  public static let version: UInt8 = 2
  public static let maxRungs = 8
  /// The lowest relay fee rate of any network: 0.1 sat/vB.
  public static let leastFeeRateSatPerKvB: UInt32 = 100
  public static let maxFeeRateSatPerKvB: UInt32 = 10_000_000
  /// Lock times from this value on are times, not heights (BIP65).
  public static let heightLimit: UInt32 = 500_000_000
  /// Upper limit of an encoding's size.
  public static let maxBytes = 256
  /// Largest funding transaction, bytes: both sides store it with the channel.
  public static let maxFundingBytes = 10_000

  public init(
    providerKey: [UInt8], publisherKey: [UInt8], expiryHeight: UInt32, closeMarginBlocks: UInt32,
    capacitySat: UInt64, reserveSat: UInt64, feeLadderSatPerKvB: [UInt32], payoutScript: [UInt8],
    returnKey: [UInt8]
  ) {
    self.providerKey = providerKey
    self.publisherKey = publisherKey
    self.expiryHeight = expiryHeight
    self.closeMarginBlocks = closeMarginBlocks
    self.capacitySat = capacitySat
    self.reserveSat = reserveSat
    self.feeLadderSatPerKvB = feeLadderSatPerKvB
    self.payoutScript = payoutScript
    self.returnKey = returnKey
  }

  // MARK: Derived values

  public var lock: ChannelLock {
    ChannelLock(
      providerKey: providerKey, publisherKey: publisherKey, expiryHeight: expiryHeight)
  }

  /// The P2WSH output script of the publisher's output in a close.
  public var returnScript: [UInt8] { ReturnScript.scriptPubKey(returnKey: returnKey) }

  /// The largest cumulative amount that can be paid.
  public var maxPayableSat: UInt64 { capacitySat - min(reserveSat, capacitySat) }

  /// From this height on the channel must be closed, and the provider starts no more work.
  public var closeHeight: UInt32 { expiryHeight - min(closeMarginBlocks, expiryHeight) }

  /// The rate of the highest rung.
  public var topRateSatPerKvB: UInt32 { feeLadderSatPerKvB.last ?? 0 }

  /// Whether the ladder is too low for current fees: twice the estimate is above its top. The
  /// provider then asks for a channel with a higher ladder, or closes.
  public func needsHigherLadder(estimateSatPerKvB: UInt64) -> Bool {
    estimateSatPerKvB > UInt64(topRateSatPerKvB) / 2
  }

  // MARK: Rules

  /// Throws `terms` naming the first field that breaks a rule.
  public func check() throws(ChannelError) {
    try ChannelTerms.checkKey(providerKey, "provider key")
    try ChannelTerms.checkKey(publisherKey, "publisher key")
    if expiryHeight == 0 || expiryHeight >= ChannelTerms.heightLimit {
      throw ChannelError.terms(field: "expiry height", problem: "not a block height")
    }
    if closeMarginBlocks == 0 || closeMarginBlocks >= expiryHeight {
      throw ChannelError.terms(
        field: "close margin", problem: "not between 1 and the expiry height")
    }
    try checkLadder()
    if !ChannelScript.isPayable(payoutScript) {
      throw ChannelError.terms(
        field: "payout script", problem: "not a standard segwit output script")
    }
    try ChannelTerms.checkKey(returnKey, "return key")
    if payoutScript == returnScript {
      throw ChannelError.terms(
        field: "payout script", problem: "the same as the publisher's return script")
    }
    try checkAmounts()
  }

  private static func checkKey(_ key: [UInt8], _ field: StaticReason) throws(ChannelError) {
    if !Secp256k1.isValidPublicKey(key) {
      throw ChannelError.terms(field: field, problem: "not a compressed public key")
    }
  }

  private func checkLadder() throws(ChannelError) {
    if feeLadderSatPerKvB.isEmpty || feeLadderSatPerKvB.count > ChannelTerms.maxRungs {
      throw ChannelError.terms(field: "fee ladder", problem: "needs 1 to 8 rungs")
    }
    var last: UInt32 = 0
    for rate in feeLadderSatPerKvB {
      if rate <= last {
        throw ChannelError.terms(field: "fee ladder", problem: "the rungs do not ascend")
      }
      if rate < ChannelTerms.leastFeeRateSatPerKvB {
        throw ChannelError.terms(field: "fee ladder", problem: "below 0.1 sat/vB")
      }
      if rate > ChannelTerms.maxFeeRateSatPerKvB {
        throw ChannelError.terms(field: "fee ladder", problem: "above 10,000 sat/vB")
      }
      last = rate
    }
  }

  private func checkAmounts() throws(ChannelError) {
    if capacitySat > Amount.maxSat {
      throw ChannelError.terms(field: "capacity", problem: "more coins than exist")
    }
    if reserveSat < ClosingTransaction.feeSat(self, rung: feeLadderSatPerKvB.count - 1) {
      throw ChannelError.terms(
        field: "reserve", problem: "below the fee of the highest rung of the ladder")
    }
    if maxPayableSat < Amount.dustSat {
      throw ChannelError.terms(
        field: "capacity", problem: "less than 330 sat above the reserve")
    }
  }

  // MARK: Encoding: fixed order, little-endian, lengths as one byte

  public func encode(to writer: inout ByteWriter) {
    writer.u8(ChannelTerms.version)
    writer.append(providerKey)
    writer.append(publisherKey)
    writer.u32le(expiryHeight)
    writer.u32le(closeMarginBlocks)
    writer.u64le(capacitySat)
    writer.u64le(reserveSat)
    writer.u8(UInt8(truncatingIfNeeded: feeLadderSatPerKvB.count))
    for rate in feeLadderSatPerKvB { writer.u32le(rate) }
    writer.u8(UInt8(truncatingIfNeeded: payoutScript.count))
    writer.append(payoutScript)
    writer.append(returnKey)
  }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 224)
    encode(to: &writer)
    return writer.bytes
  }

  /// Decodes and checks. Reads only the bytes of the terms.
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
    let closeMarginBlocks = try reader.u32le()
    let capacitySat = try reader.u64le()
    let reserveSat = try reader.u64le()
    let rungs = try shortLength(&reader, limit: maxRungs)
    var ladder: [UInt32] = []
    for _ in 0..<rungs { ladder.append(try reader.u32le()) }
    let payoutScript = try reader.take(try shortLength(&reader, limit: 34))
    return ChannelTerms(
      providerKey: providerKey, publisherKey: publisherKey, expiryHeight: expiryHeight,
      closeMarginBlocks: closeMarginBlocks, capacitySat: capacitySat, reserveSat: reserveSat,
      feeLadderSatPerKvB: ladder, payoutScript: payoutScript, returnKey: try reader.take(33))
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
