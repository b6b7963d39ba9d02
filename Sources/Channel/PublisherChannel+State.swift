import Bitcoin
import Bytes
import Crypto

/// The publisher's state on disk: version, fields in fixed order, SHA-256 of all before it.
extension PublisherChannel {
  private static let version: UInt8 = 1
  /// No wallet makes a funding larger than what nodes relay.
  private static let maxFundingBytes = 100_000
  static let stateTag = "zennet/channel/publisher"

  /// The state as it has to be on disk. Holds no secret.
  public func encodedState() -> [UInt8] {
    var writer = ByteWriter(reserving: 1024)
    writer.u8(PublisherChannel.version)
    writer.u64le(revision)
    terms.encode(to: &writer)
    encode(funding, to: &writer)
    writer.lengthPrefixed(fundingTransaction?.bytes() ?? [])
    encode(fundingHeight, to: &writer)
    writer.u8(last == nil ? 0 : 1)
    if let last { last.encode(to: &writer) }
    encode(spend, spendHeight, to: &writer)
    return sealed(writer.bytes, PublisherChannel.stateTag)
  }

  /// A channel as it was stored. A funding that is in no block is broadcast again, and the last
  /// payment is sent again: both are harmless where they arrived before.
  ///
  /// Throws `damagedState` or `malformed` for bytes that this class has not written, `wrongSecret`
  /// for another channel's key.
  public init(restoring state: [UInt8], secret: Bytes32) throws(ChannelError) {
    var reader = try unsealed(state, PublisherChannel.stateTag)
    let head = try decoding { () throws(BytesError) in
      if try reader.u8() != PublisherChannel.version { throw BytesError.invalid(offset: 0) }
      return try reader.u64le()
    }
    let terms = try ChannelTerms.decode(&reader)
    try checkSecret(secret, terms.publisherKey)
    self.init(restored: terms, secret: secret)
    revision = head
    storedRevision = head
    let raw: [UInt8]
    do { raw = try readRest(&reader) } catch { throw ChannelError.malformed(error) }
    if !raw.isEmpty {
      do { fundingTransaction = try Transaction.decode(raw) } catch {
        throw ChannelError.damagedState
      }
    }
    if let last {
      guard let funding else { throw ChannelError.damagedState }
      try last.verify(terms, funding: funding)
    }
    if spend != nil { return }
    if let fundingTransaction, fundingHeight == nil { emit(.broadcast(fundingTransaction)) }
    resend()
  }

  /// The last payment in what ``encodedState()`` wrote, nil before the first: for who lists channels and needs no
  /// secret for it. Throws as ``init(restoring:secret:)`` does.
  public static func lastPayment(in state: [UInt8]) throws(ChannelError) -> ChannelPayment? {
    var reader = try unsealed(state, stateTag)
    try decoding { () throws(BytesError) in
      if try reader.u8() != version { throw BytesError.invalid(offset: 0) }
      _ = try reader.u64le()
    }
    _ = try ChannelTerms.decode(&reader)
    return try decoding { () throws(BytesError) in
      _ = try decodeOutPoint(&reader)
      _ = try reader.lengthPrefixed(limit: maxFundingBytes)
      _ = try decodeHeight(&reader)
      return try decodeFlag(&reader) ? try ChannelPayment.decode(&reader) : nil
    }
  }

  /// The raw funding transaction is returned, not decoded.
  private mutating func readRest(_ reader: inout ByteReader) throws(BytesError) -> [UInt8] {
    watch.outPoint = try decodeOutPoint(&reader)
    let raw = try reader.lengthPrefixed(limit: PublisherChannel.maxFundingBytes)
    watch.height = try decodeHeight(&reader)
    if try decodeFlag(&reader) { last = try ChannelPayment.decode(&reader) }
    (watch.spend, watch.spendHeight) = try decodeSpend(&reader)
    try reader.finish()
    return raw
  }
}
