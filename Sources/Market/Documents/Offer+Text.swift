import Bitcoin
import Bytes

extension Offer {
  /// One JSON object. The network is its identity: the genesis hash as people write it,
  /// or on a signet the hash of that and the challenge, in the same byte order.
  public var json: String {
    var text = JsonText()
    text.beginObject()
    text.field("digest", digest.hex)
    text.field("network", network.reversed.hex)
    text.field("title", title)
    share.write(to: &text)
    text.field("isolation", isolation.text)
    text.key("processors")
    text.beginArray()
    for name in processors.names { text.value(name) }
    text.endArray()
    text.field("workers", UInt64(workers))
    text.field("price_ceiling_sat_per_hour", priceCeilingSatPerHour)
    text.field("disk_kib_per_hour", traffic.diskKiB)
    text.field("network_kib_per_hour", traffic.networkKiB)
    text.field("payout_interval_ms", UInt64(payoutIntervalMs))
    text.field("publisher_max_loss_sat", publisherMaxLossSat)
    text.field("stop_grace_ms", UInt64(stopGraceMs))
    text.field("hold_ms", UInt64(holdMs))
    text.field("notice_ms", UInt64(noticeMs))
    text.field("channel_blocks", UInt64(channelBlocks))
    text.field("close_margin_blocks", UInt64(closeMarginBlocks))
    text.field("funding_depth", UInt64(fundingDepth))
    text.key("fee_ladder_sat_per_kvb")
    text.beginArray()
    for rate in feeLadderSatPerKvB { text.value(UInt64(rate)) }
    text.endArray()
    text.endObject()
    return text.string
  }

  /// For people, one fact a line.
  public var lines: [String] {
    [
      "title           " + TextRules.shown(title),
      "share           " + share.text,
      "processors      " + processors.text,
      "isolation       " + isolation.text,
      "workers         \(workers)",
      "price ceiling   \(priceCeilingSatPerHour) sat/hour",
      "payout interval \(payoutIntervalMs) ms",
      "publisher risks \(publisherMaxLossSat) sat",
      "channel         \(channelBlocks) blocks, closed \(closeMarginBlocks) blocks before its end",
      "offer           " + digest.hex,
    ]
  }
}
