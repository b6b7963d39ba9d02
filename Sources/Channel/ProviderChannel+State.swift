import Bitcoin
import Bytes
import Crypto

/// The provider's state on disk: version, fields in fixed order, SHA-256 of all before it.
extension ProviderChannel {
  private static let version: UInt8 = 1
  static let stateTag = "zennet/channel/provider"

  /// The state as it has to be on disk. Holds no secret.
  public func encodedState() -> [UInt8] {
    var writer = ByteWriter(reserving: 1024)
    writer.u8(ProviderChannel.version)
    writer.u64le(revision)
    terms.encode(to: &writer)
    writer.u64le(paymentCount)
    encode(funding, to: &writer)
    encode(fundingHeight, to: &writer)
    writer.u8(best == nil ? 0 : 1)
    if let best { best.encode(to: &writer) }
    writer.u8(closingRung == nil ? 0 : UInt8(truncatingIfNeeded: closingRung! + 1))
    encode(spend, spendHeight, to: &writer)
    return sealed(writer.bytes, ProviderChannel.stateTag)
  }

  /// A channel as it was stored. Its close, if one was made, is broadcast again; a payment that was
  /// stored and perhaps not acknowledged is acknowledged when the publisher sends it again.
  ///
  /// Throws `damagedState` or `malformed` for bytes that this class has not written, `wrongSecret`
  /// for another channel's key, `wrongSignature` for a payment that cannot be collected.
  public init(
    restoring state: [UInt8], secret: Bytes32, policy: ProviderPolicy
  ) throws(ChannelError) {
    var reader = try unsealed(state, ProviderChannel.stateTag)
    let head = try decoding { () throws(BytesError) in
      if try reader.u8() != ProviderChannel.version { throw BytesError.invalid(offset: 0) }
      return try reader.u64le()
    }
    let terms = try ChannelTerms.decode(&reader)
    try checkSecret(secret, terms.providerKey)
    self.init(restored: terms, secret: secret, policy: policy)
    revision = head
    storedRevision = head
    do { try readRest(&reader) } catch { throw ChannelError.malformed(error) }
    if let best {
      guard let funding else { throw ChannelError.damagedState }
      try best.verify(terms, funding: funding)
    }
    if spend == nil, let rung = closingRung { emit(.broadcast(try closingTransaction(rung: rung))) }
  }

  private mutating func readRest(_ reader: inout ByteReader) throws(BytesError) {
    paymentCount = try reader.u64le()
    watch.outPoint = try decodeOutPoint(&reader)
    watch.height = try decodeHeight(&reader)
    if try decodeFlag(&reader) { best = try ChannelPayment.decode(&reader) }
    let rung = try shortLength(&reader, limit: terms.feeLadderSatPerVb.count)
    closingRung = rung == 0 ? nil : rung - 1
    (watch.spend, watch.spendHeight) = try decodeSpend(&reader)
    try reader.finish()
  }
}
