import Bitcoin
import Bytes

/// The provider's stored state of a channel. Holds no secret.
struct ProviderState: Sendable {
  let terms: ChannelTerms
  var stage: Stage

  enum Stage: Sendable {
    /// The publisher has not sent a funding transaction.
    case unfunded
    case funded(Funded)
  }

  struct Funded: Sendable {
    let funding: FundingDocument
    let closes: ChannelCloses
    var coins = ChannelCoins.unconfirmed
    var received: Received?
    var settlement = Settlement.open
  }

  struct Received: Equatable, Sendable {
    /// The payment with the highest amount, which a close collects.
    var best: ChannelPayment
    /// Payments received since the channel was made, without duplicates.
    var count: UInt64
  }

  /// The stages of the channel's end. Only an open channel takes payments.
  enum Settlement: Equatable, Sendable {
    case open
    /// The publisher has the provider's signatures over a close, and may send it.
    case released
    /// The provider has made the close at this rung of the ladder.
    case closing(rung: Int)
  }

  func funded() throws(ChannelError) -> Funded {
    guard case .funded(let funded) = stage else {
      throw ChannelError.wrongPhase("the publisher has not sent a funding transaction")
    }
    return funded
  }

  // MARK: Encoding

  private static let tag = "zennet/channel/provider"

  func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 1536)
    writer.u8(SealedState.version)
    terms.encode(to: &writer)
    switch stage {
    case .unfunded: writer.u8(0)
    case .funded(let funded):
      writer.u8(1)
      funded.funding.encode(to: &writer)
      funded.coins.encode(to: &writer)
      switch funded.settlement {
      case .open: writer.u8(0)
      case .released: writer.u8(1)
      case .closing(let rung): writer.u8(2 + UInt8(truncatingIfNeeded: rung))
      }
      writer.u8(funded.received == nil ? 0 : 1)
      if let received = funded.received {
        writer.u64le(received.count)
        received.best.encode(to: &writer)
      }
    }
    return SealedState.seal(writer.bytes, ProviderState.tag)
  }

  /// Throws `damagedState`, `unknownVersion` or `malformed` for bytes that ``encode()`` has not
  /// written, `wrongSignature` for a payment that cannot be collected.
  static func decode(_ bytes: [UInt8]) throws(ChannelError) -> ProviderState {
    var reader = try SealedState.open(bytes, tag)
    let terms = try ChannelTerms.decode(&reader)
    var state = ProviderState(terms: terms, stage: .unfunded)
    if try decoding({ () throws(BytesError) in try shortLength(&reader, limit: 1) }) == 1 {
      let funding = try FundingDocument.decode(&reader, terms)
      var funded = Funded(
        funding: funding, closes: try ChannelCloses(terms, funding: funding.outPoint))
      try decoding { () throws(BytesError) in try readRest(&reader, &funded) }
      try funded.received?.best.verify(funded.closes)
      if case .closing = funded.settlement, funded.received == nil {
        throw ChannelError.damagedState
      }
      state.stage = .funded(funded)
    }
    try decoding { () throws(BytesError) in try reader.finish() }
    return state
  }

  private static func readRest(
    _ reader: inout ByteReader, _ funded: inout Funded
  ) throws(BytesError) {
    funded.coins = try ChannelCoins.decode(&reader)
    let settlement = try shortLength(&reader, limit: 1 + funded.closes.rungs.count)
    switch settlement {
    case 0: funded.settlement = .open
    case 1: funded.settlement = .released
    default: funded.settlement = .closing(rung: settlement - 2)
    }
    if try shortLength(&reader, limit: 1) == 1 {
      let count = try reader.u64le()
      funded.received = Received(best: try ChannelPayment.decode(&reader), count: count)
    }
  }
}
