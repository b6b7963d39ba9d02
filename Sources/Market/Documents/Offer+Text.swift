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
    text.field("argv", arguments)
    text.field("env", environment)
    text.field("workdir", workdir)
    limits.write(to: &text)
    text.field("isolation", isolation.text)
    text.key("processors")
    text.beginArray()
    for name in processors.names { text.value(name) }
    text.endArray()
    text.field("workers", UInt64(workers))
    text.field("price_ceiling_sat_per_hour", priceCeilingSatPerHour)
    text.field("payout_interval_ms", UInt64(payoutIntervalMs))
    text.field("provider_max_loss_sat", providerMaxLossSat)
    text.field("publisher_max_loss_sat", publisherMaxLossSat)
    text.field("opening_payment_sat", openingPaymentSat)
    text.field("grace_ms", UInt64(graceMs))
    text.field("channel_blocks", UInt64(channelBlocks))
    text.field("funding_depth", UInt64(fundingDepth))
    text.key("fee_ladder_sat_per_vb")
    text.beginArray()
    for rate in feeLadderSatPerVb { text.value(UInt64(rate)) }
    text.endArray()
    text.field("max_bundle_bytes", maxBundleBytes)
    text.field("max_result_bytes", maxResultBytes)
    text.endObject()
    return text.string
  }

  /// For people, one fact a line.
  public var lines: [String] {
    var program = ""
    for argument in arguments {
      program += (program.utf8.isEmpty ? "" : " ") + TextRules.shown(argument)
    }
    return [
      "title           " + TextRules.shown(title),
      "program         " + program,
      "limits          \(limits.memoryMiB) MiB, \(limits.milliCpus) milli-cpus, "
        + "\(limits.pids) processes, \(limits.diskMiB) MiB disk, \(limits.wallMs) ms",
      "processors      " + processors.text,
      "isolation       " + isolation.text,
      "workers         \(workers)",
      "price ceiling   \(priceCeilingSatPerHour) sat/hour",
      "payout interval \(payoutIntervalMs) ms, grace \(graceMs) ms",
      "provider risks  \(providerMaxLossSat) sat",
      "publisher risks \(publisherMaxLossSat) sat, of which \(openingPaymentSat) sat at the start",
      "channel         \(channelBlocks) blocks, funded \(fundingDepth) deep",
      "offer           " + digest.hex,
    ]
  }
}
