import Bytes
import Capability
import Crypto
import Market

/// What a publisher asks of a capability report that comes with a bid.
enum ReportCheck {
  /// Nil when the report is the one that the bid names, is signed by the machine that bids, and says
  /// that the machine is as large and as well walled as the offer asks; else why not.
  static func refusal(of body: [UInt8], _ bid: Bid, _ offer: Offer) -> String? {
    if Sha256.hash(body) != bid.reportDigest {
      return "the report is not the one that the bid names"
    }
    let report: CapabilityReport
    do throws(CapabilityError) {
      report = try CapabilityReport.decode(body)
      try report.verify()
    } catch { return "report: " + error.message }
    if report.identity != bid.provider { return "the report is another machine's" }
    if report.memoryMiB < offer.limits.memoryMiB {
      return "the machine has \(report.memoryMiB) MiB of RAM"
    }
    if UInt32(report.processors) * 1000 < offer.limits.milliCpus {
      return "the machine has \(report.processors) processors"
    }
    let own = ProcessorSet(architecture: report.architecture)
    if !offer.processors.isEmpty && own.isDisjoint(with: offer.processors) {
      return "the machine is of another kind: " + report.architecture
    }
    if report.isolation < offer.isolation.rawValue { return "the machine's isolation is too weak" }
    return nil
  }
}
