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
    if !offer.processors.isEmpty && !runs(report.architecture, offer.processors) {
      return "the machine is of another kind: " + report.architecture
    }
    if report.isolation < offer.isolation.rawValue { return "the machine's isolation is too weak" }
    return nil
  }

  /// Whether a machine of this kind has programs among those of the offer; newer ones run older ones'.
  private static func runs(_ architecture: String, _ processors: ProcessorSet) -> Bool {
    let own: ProcessorSet
    switch architecture {
    case "x86_64": own = [.x86_64, .i686]
    case "i386", "i486", "i586", "i686": own = .i686
    case "aarch64": own = .aarch64
    case "armv7l", "armv8l": own = [.armv7, .armv6]
    case "armv6l": own = .armv6
    case "riscv64": own = .riscv64
    default: own = []
    }
    return !own.isDisjoint(with: processors)
  }
}
