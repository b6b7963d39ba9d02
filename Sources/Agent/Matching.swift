import Bitcoin
import Bytes
import Market

/// Whether an announcement, and then its offer, suits this machine and its owner. One rule a line,
/// in the order in which people would ask; the first that fails is the answer.
enum Matching {
  /// Nil when this machine should call the publisher, else why not.
  static func refusal(of announcement: Announcement, _ context: AgentContext) -> String? {
    do { try announcement.check(atHeight: context.tipHeight) } catch { return error.message }
    let machine = context.machine
    let configuration = context.configuration
    if announcement.processors.isDisjoint(with: machine.processors) {
      return "has no program for this processor (" + machine.processors.text + ")"
    }
    if announcement.isolation.rawValue > machine.isolation.rawValue {
      return "asks for " + announcement.isolation.text + " isolation; this machine has "
        + machine.isolation.text
    }
    let memoryMiB = min(configuration.memoryMiB, machine.memoryMiB)
    if announcement.ramMiB > memoryMiB {
      return "asks for \(announcement.ramMiB) MiB of RAM; jobs get at most \(memoryMiB) MiB"
    }
    return nil
  }

  /// Nil when the offer may be bid for. `rates` are what this machine asks for it.
  static func refusal(of offer: Offer, _ rates: RateVector, _ context: AgentContext) -> String? {
    let configuration = context.configuration
    if offer.limits.milliCpus > min(configuration.milliCpus, context.machine.milliCpus) {
      return "asks for more processor than jobs get"
    }
    if offer.limits.diskMiB > configuration.diskMiB { return "asks for more disk than jobs get" }
    if offer.limits.pids > configuration.pids { return "asks for more processes than jobs get" }
    if offer.maxBundleBytes > UInt64(configuration.maxBundleMiB) << 20 {
      return "its bundle may be larger than this machine takes"
    }
    if offer.maxResultBytes > UInt64(configuration.diskMiB) << 20 {
      return "its results may be larger than this machine keeps"
    }
    if offer.providerMaxLossSat > configuration.maxLossSat {
      return "asks this machine to risk \(offer.providerMaxLossSat) sat; its owner allows "
        + "\(configuration.maxLossSat) sat"
    }
    if offer.fundingDepth < configuration.fundingDepth {
      return "would start before its funding has the confirmations that the owner wants"
    }
    let needed = configuration.closeMarginBlocks + configuration.minChannelBlocks
    if offer.channelBlocks < needed {
      return "its channel lives \(offer.channelBlocks) blocks; at least \(needed) are needed"
    }
    guard let hourlySat = Price.hourlySat(rates, offer.limits),
      hourlySat <= offer.priceCeilingSatPerHour
    else {
      return "pays at most \(offer.priceCeilingSatPerHour) sat an hour, less than this machine asks"
    }
    let leastSat = FreezeRule.headroomSat(rates, limits: offer.limits, lookMs: Job.leastLookMs)
    if leastSat > offer.providerMaxLossSat {
      return "puts \(offer.providerMaxLossSat) sat at risk; its job may use \(leastSat) sat's "
        + "worth from one look at it to the next, and would stand still"
    }
    return nil
  }
}
