import Bitcoin
import Bytes

extension Announcement {
  /// One JSON object. Digests and identities are hexadecimal, in byte order.
  public var json: String {
    var text = JsonText()
    text.beginObject()
    text.field("digest", digest.hex)
    text.field("publisher", publisher.hex)
    text.field("endpoint", endpoint.text)
    text.field("workers", UInt64(workers))
    text.key("processors")
    text.beginArray()
    for name in processors.names { text.value(name) }
    text.endArray()
    text.field("ram_mib", UInt64(ramMiB))
    text.field("isolation", isolation.text)
    text.field("price_ceiling_sat_per_hour", priceCeilingSatPerHour)
    text.field("payout_interval_ms", UInt64(payoutIntervalMs))
    text.field("expiry_height", UInt64(expiryHeight))
    text.field("offer_digest", offerDigest.hex)
    text.endObject()
    return text.string
  }

  /// For people, one fact a line.
  public var lines: [String] {
    [
      "publisher       \(publisher.hex)",
      "endpoint        \(endpoint.text)",
      "workers         \(workers)",
      "processors      \(processors.text)",
      "RAM             \(ramMiB) MiB",
      "isolation       \(isolation.text)",
      "price ceiling   \(priceCeilingSatPerHour) sat/hour",
      "payout interval \(payoutIntervalMs) ms",
      "expires         at height \(expiryHeight)",
      "offer           \(offerDigest.hex)",
    ]
  }
}
