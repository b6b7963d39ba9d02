import Bitcoin
import Bytes
import Channel
import Crypto

/// A further channel of a lease, signed by both like the contract. Channels are filled in order of
/// expiry, at most ``Limits/maxChannels`` a lease.
public struct TopUp: SignedBody {
  public var contract: Bytes32
  /// From 1; the contract's own channel is number 0.
  public var number: UInt8
  public var terms: ChannelTerms

  public static let name: StaticReason = "top-up"
  public static let tag = "zennet/top-up"
  static let version: UInt8 = 1

  public init(contract: Bytes32, number: UInt8, terms: ChannelTerms) {
    self.contract = contract
    self.number = number
    self.terms = terms
  }

  /// Throws `differs` or `unacceptable` unless it continues `lease`, whose channels so far have `former`
  /// terms in order, and carries the provider's key for this channel.
  public func check(
    against lease: Contract, former: [ChannelTerms], providerKey: [UInt8]
  ) throws(MarketError) {
    if contract != lease.id { throw MarketError.differs(field: "contract") }
    if Int(number) != former.count { throw MarketError.differs(field: "channel number") }
    if terms.providerKey != providerKey { throw MarketError.differs(field: "provider key") }
    if terms.payoutScript != lease.terms.payoutScript {
      throw MarketError.differs(field: "payout script")
    }
    if terms.closeMarginBlocks != lease.terms.closeMarginBlocks {
      throw MarketError.differs(field: "close margin")
    }
    if terms.maxPayableSat < lease.firstPaymentSat {
      throw MarketError.unacceptable(field: "capacity", problem: "below the first payment")
    }
    for earlier in former {
      if terms.publisherKey == earlier.publisherKey || terms.returnKey == earlier.returnKey {
        throw MarketError.unacceptable(field: "publisher key", problem: "used before")
      }
    }
    guard let last = former.last else { return }
    if terms.expiryHeight < last.expiryHeight {
      throw MarketError.unacceptable(field: "expiry height", problem: "before the last channel's")
    }
    if (terms.feeLadderSatPerKvB.last ?? 0) < (last.feeLadderSatPerKvB.last ?? 0) {
      throw MarketError.unacceptable(field: "fee ladder", problem: "below the last channel's")
    }
  }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 320)
    writer.u8(TopUp.version)
    writer.append(contract)
    writer.u8(number)
    terms.encode(to: &writer)
    return writer.bytes
  }

  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> TopUp {
    var reader = DocumentReader(bytes)
    try reader.version(version)
    let topUp = TopUp(
      contract: try reader.bytes32("contract"),
      number: try reader.u8("channel number", 1...UInt8(Limits.maxChannels - 1)),
      terms: try reader.terms())
    try reader.finish()
    return topUp
  }
}
