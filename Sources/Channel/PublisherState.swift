import Bitcoin
import Bytes

/// The publisher's stored state of a channel. Holds no secret.
struct PublisherState: Sendable {
  let terms: ChannelTerms
  var stage: Stage

  enum Stage: Sendable {
    /// The wallet has made no funding transaction.
    case unfunded
    case funded(Funded)
  }

  struct Funded: Sendable {
    let funding: FundingDocument
    let closes: ChannelCloses
    var coins = ChannelCoins.unconfirmed
    /// The last payment that was signed.
    var last: ChannelPayment?
    var settlement = Settlement.open
  }

  /// The stages of the channel's end. Only an open channel pays.
  enum Settlement: Equatable, Sendable {
    case open
    /// The publisher holds the provider's signatures over the close.
    case released(CloseSignatures)
    /// The publisher has made the close at this rung of the ladder.
    case closing(CloseSignatures, rung: Int)

    var signatures: CloseSignatures? {
      switch self {
      case .open: return nil
      case .released(let signatures), .closing(let signatures, _): return signatures
      }
    }
  }

  func funded() throws(ChannelError) -> Funded {
    guard case .funded(let funded) = stage else {
      throw ChannelError.wrongPhase("the channel is not funded")
    }
    return funded
  }

  // MARK: Encoding

  private static let tag = "zennet/channel/publisher"

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
      writer.u8(funded.last == nil ? 0 : 1)
      if let last = funded.last { last.encode(to: &writer) }
      switch funded.settlement {
      case .open: writer.u8(0)
      case .released(let signatures):
        writer.u8(1)
        signatures.encode(to: &writer)
      case .closing(let signatures, let rung):
        writer.u8(2 + UInt8(truncatingIfNeeded: rung))
        signatures.encode(to: &writer)
      }
    }
    return SealedState.seal(writer.bytes, PublisherState.tag)
  }

  /// Throws `damagedState`, `unknownVersion` or `malformed` for bytes that ``encode()`` has not
  /// written, `wrongSignature` for an invalid signature.
  static func decode(_ bytes: [UInt8]) throws(ChannelError) -> PublisherState {
    var reader = try SealedState.open(bytes, tag)
    let terms = try ChannelTerms.decode(&reader)
    var state = PublisherState(terms: terms, stage: .unfunded)
    if try decoding({ () throws(BytesError) in try shortLength(&reader, limit: 1) }) == 1 {
      let funding = try FundingDocument.decode(&reader, terms)
      var funded = Funded(
        funding: funding, closes: try ChannelCloses(terms, funding: funding.outPoint))
      try decoding { () throws(BytesError) in try readRest(&reader, &funded) }
      try funded.last?.verify(funded.closes)
      try funded.settlement.signatures?.verify(funded.closes)
      if case .closing(let signatures, let rung) = funded.settlement,
        signatures.signatures[rung].isEmpty
      {
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
    if try shortLength(&reader, limit: 1) == 1 {
      funded.last = try ChannelPayment.decode(&reader)
    }
    let settlement = try shortLength(&reader, limit: 1 + funded.closes.rungs.count)
    if settlement == 0 { return }
    let signatures = try CloseSignatures.decode(&reader)
    funded.settlement =
      settlement == 1 ? .released(signatures) : .closing(signatures, rung: settlement - 2)
  }
}
