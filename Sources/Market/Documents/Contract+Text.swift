import Bitcoin
import Bytes
import Channel

extension Contract {
  public var json: String {
    var text = JsonText()
    text.beginObject()
    text.field("contract", id.hex)
    text.field("offer_digest", offerDigest.hex)
    text.field("bid_digest", bidDigest.hex)
    text.field("publisher", publisher.hex)
    text.field("provider", provider.hex)
    text.field("worker_index", UInt64(workerIndex))
    share.write(to: &text)
    rates.write(to: &text)
    text.field("provider_key", Hex.encode(terms.providerKey))
    text.field("publisher_key", Hex.encode(terms.publisherKey))
    text.field("return_key", Hex.encode(terms.returnKey))
    text.field("channel_expiry_height", UInt64(terms.expiryHeight))
    text.field("close_margin_blocks", UInt64(terms.closeMarginBlocks))
    text.field("capacity_sat", terms.capacitySat)
    text.field("reserve_sat", terms.reserveSat)
    text.key("fee_ladder_sat_per_kvb")
    text.beginArray()
    for rate in terms.feeLadderSatPerKvB { text.value(UInt64(rate)) }
    text.endArray()
    text.field("payout_script", Hex.encode(terms.payoutScript))
    text.field("provider_max_loss_sat", providerMaxLossSat)
    text.field("publisher_max_loss_sat", publisherMaxLossSat)
    text.field("first_payment_sat", firstPaymentSat)
    text.field("price_ceiling_sat_per_hour", priceCeilingSatPerHour)
    text.field("disk_kib_per_hour", traffic.diskKiB)
    text.field("network_kib_per_hour", traffic.networkKiB)
    text.field("payout_interval_ms", UInt64(payoutIntervalMs))
    text.field("stop_grace_ms", UInt64(stopGraceMs))
    text.field("hold_ms", UInt64(holdMs))
    text.field("notice_ms", UInt64(noticeMs))
    text.field("funding_depth", UInt64(fundingDepth))
    Debt.write(debt, to: &text)
    text.endObject()
    return text.string
  }

  /// For people, one fact a line.
  public var lines: [String] {
    [
      "contract        " + id.hex, "publisher       " + publisher.hex,
      "provider        " + provider.hex, "worker          \(workerIndex)",
      "share           " + share.text,
      "channel         \(terms.capacitySat) sat until height \(terms.expiryHeight), of which "
        + "\(terms.reserveSat) sat are for closing fees",
      "provider risks  \(providerMaxLossSat) sat",
      "publisher risks \(publisherMaxLossSat) sat; a channel's first payment is at least "
        + "\(firstPaymentSat) sat",
      "payout interval \(payoutIntervalMs) ms",
    ] + rates.lines
  }
}
