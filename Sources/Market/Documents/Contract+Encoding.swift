import Bitcoin
import Bytes
import Channel

/// Fixed order, little-endian; version byte first. The channel terms are embedded as they encode.
extension Contract {
  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 512)
    writer.u8(Contract.version)
    writer.append(offerDigest)
    writer.append(bidDigest)
    writer.append(publisher)
    writer.append(provider)
    writer.u16le(workerIndex)
    writer.append(bundleDigest)
    writer.u64le(bundleBytes)
    rates.encode(to: &writer)
    terms.encode(to: &writer)
    writer.u64le(providerMaxLossSat)
    writer.u64le(publisherMaxLossSat)
    writer.u64le(openingPaymentSat)
    writer.u32le(payoutIntervalMs)
    writer.u32le(graceMs)
    writer.u32le(fundingDepth)
    return writer.bytes
  }

  /// Throws `malformed`, `terms` or `refused`, naming the field and the byte.
  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> Contract {
    var reader = DocumentReader(bytes)
    try reader.version(version)
    let contract = Contract(
      offerDigest: try reader.bytes32("offer digest"), bidDigest: try reader.bytes32("bid digest"),
      publisher: try reader.bytes32("publisher"), provider: try reader.bytes32("provider"),
      workerIndex: try reader.u16("worker index"),
      bundleDigest: try reader.bytes32("bundle digest"),
      bundleBytes: try reader.u64("bundle size", 1...Limits.maxBundleBytes),
      rates: try RateVector.decode(&reader), terms: try reader.terms(),
      providerMaxLossSat: try reader.u64("provider's loss", Limits.amountSat),
      publisherMaxLossSat: try reader.u64("publisher's loss", Limits.amountSat),
      openingPaymentSat: try reader.u64("opening payment", Limits.amountSat),
      payoutIntervalMs: try reader.u32("payout interval", Limits.payoutIntervalMs),
      graceMs: try reader.u32("grace time", Limits.graceMs),
      fundingDepth: try reader.u32("funding depth", Limits.fundingDepth))
    try contract.checkOpening(reader)
    try reader.finish()
    return contract
  }

  /// The opening payment can be collected, is in the channel, and is not more than may be lost.
  private func checkOpening(_ reader: DocumentReader) throws(MarketError) {
    let start = reader.offset - 20
    if openingPaymentSat > publisherMaxLossSat {
      throw reader.refuse("opening payment", at: start, "above what the publisher may lose")
    }
    if openingPaymentSat > terms.capacitySat {
      throw reader.refuse("opening payment", at: start, "above the channel's capacity")
    }
    if openingPaymentSat < ClosingTransaction.leastPayableSat(terms) {
      throw reader.refuse("opening payment", at: start, "cannot be collected: too small")
    }
  }

  public var json: String {
    var text = JsonText()
    text.beginObject()
    text.field("contract", id.hex)
    text.field("offer_digest", offerDigest.hex)
    text.field("bid_digest", bidDigest.hex)
    text.field("publisher", publisher.hex)
    text.field("provider", provider.hex)
    text.field("worker_index", UInt64(workerIndex))
    text.field("bundle_digest", bundleDigest.hex)
    text.field("bundle_bytes", bundleBytes)
    rates.write(to: &text)
    text.field("provider_key", Hex.encode(terms.providerKey))
    text.field("publisher_key", Hex.encode(terms.publisherKey))
    text.field("channel_expiry_height", UInt64(terms.expiryHeight))
    text.field("capacity_sat", terms.capacitySat)
    text.key("fee_ladder_sat_per_vb")
    text.beginArray()
    for rate in terms.feeLadderSatPerVb { text.value(UInt64(rate)) }
    text.endArray()
    text.field("payout_script", Hex.encode(terms.payoutScript))
    text.field("change_script", Hex.encode(terms.changeScript))
    text.field("provider_max_loss_sat", providerMaxLossSat)
    text.field("publisher_max_loss_sat", publisherMaxLossSat)
    text.field("opening_payment_sat", openingPaymentSat)
    text.field("payout_interval_ms", UInt64(payoutIntervalMs))
    text.field("grace_ms", UInt64(graceMs))
    text.field("funding_depth", UInt64(fundingDepth))
    text.endObject()
    return text.string
  }

  /// For people, one fact a line.
  public var lines: [String] {
    [
      "contract        " + id.hex, "publisher       " + publisher.hex,
      "provider        " + provider.hex, "worker          \(workerIndex)",
      "bundle          \(bundleDigest.hex), \(bundleBytes) bytes",
      "channel         \(terms.capacitySat) sat until height \(terms.expiryHeight)",
      "provider risks  \(providerMaxLossSat) sat",
      "publisher risks \(publisherMaxLossSat) sat, of which \(openingPaymentSat) sat at the start",
      "payout interval \(payoutIntervalMs) ms, grace \(graceMs) ms",
    ] + rates.lines
  }
}
