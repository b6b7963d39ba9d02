import Bitcoin
import Bytes
import Market

/// Whether an announcement, and then its offer, suits this machine and its owner. One rule a line,
/// in the order in which people would ask; the first that fails is the answer.
enum Matching {
  enum Fit: Equatable {
    case fits
    /// Not quite: the publisher is told.
    case nearly(Refusal)
    case never(Refusal)
  }

  /// A machine nearly fits where it has this part of what is asked.
  private static let nearlyFactor: UInt32 = 4

  /// Whether to call.
  static func judge(_ announcement: Announcement, _ context: AgentContext) -> Fit {
    do { try announcement.check(atHeight: context.tipHeight) } catch {
      return .never(Refusal(.unacceptable, error.message))
    }
    if !context.allowsPrivate && !AddressRule.isPublic(announcement.endpoint.host) {
      return .never(
        Refusal(
          .unacceptable,
          "its endpoint " + announcement.endpoint.text
            + " is not public; [network] lan = yes allows private ones"))
    }
    let machine = context.machine
    if announcement.processors.isDisjoint(with: machine.processors) {
      return .never(
        Refusal(
          .processors,
          "has no program for this processor (" + machine.processors.text + ")"))
    }
    if announcement.isolation.rawValue > machine.isolation.rawValue {
      return .never(
        Refusal(
          .isolation,
          "asks for " + announcement.isolation.text + " isolation; this machine has "
            + machine.isolation.text))
    }
    let memoryMiB = context.limits.memoryMiB
    if announcement.ramMiB > memoryMiB {
      let refusal = Refusal(
        .memory, "asks for \(announcement.ramMiB) MiB of RAM; leases get at most \(memoryMiB) MiB")
      return announcement.ramMiB / nearlyFactor <= memoryMiB ? .nearly(refusal) : .never(refusal)
    }
    return .fits
  }

  /// What a share asks beyond what leases get of this machine; nil where it fits an empty one.
  static func excess(_ share: ShareLimits, _ limits: ShareLimits) -> Refusal? {
    if share.memoryMiB > limits.memoryMiB {
      return Refusal(
        .memory,
        "asks for \(share.memoryMiB) MiB of RAM; leases get at most \(limits.memoryMiB) MiB")
    }
    if share.milliCpus > limits.milliCpus {
      return Refusal(
        .processors,
        "asks for \(share.milliCpus) thousandths of a processor; leases get at most "
          + "\(limits.milliCpus)")
    }
    if share.pids > limits.pids {
      return Refusal(
        .processes, "asks for \(share.pids) processes; leases get at most \(limits.pids)")
    }
    if share.diskMiB > limits.diskMiB {
      return Refusal(
        .disk, "asks for \(share.diskMiB) MiB of disk; leases get at most \(limits.diskMiB) MiB")
    }
    return nil
  }

  /// Nil when the offer may be bid for.
  static func refusal(
    of offer: Offer, _ terms: BidTerms, _ context: AgentContext
  ) -> Refusal? {
    if let refusal = excess(offer.share, context.limits) { return refusal }
    if let refusal = channelRefusal(offer, context) { return refusal }
    guard let worstSat = terms.worstHourlySat else {
      return Refusal(.price, "its disk and network traffic cannot be priced")
    }
    if worstSat > offer.priceCeilingSatPerHour {
      return Refusal(
        .price,
        "pays at most \(offer.priceCeilingSatPerHour) sat an hour; this machine asks "
          + "\(worstSat) sat")
    }
    if !RiskRule.suits(headroomSat: terms.headroomSat, maxLossSat: terms.maxLossSat) {
      return Refusal(
        .risk,
        "this machine risks \(terms.maxLossSat) sat; the share can use \(terms.headroomSat) sat's "
          + "worth between two samples, and a quarter of the risk is the limit")
    }
    let publisherLossSat = Amount.dustSat + terms.maxLossSat
    if publisherLossSat > offer.publisherMaxLossSat {
      return Refusal(
        .risk,
        "risks \(offer.publisherMaxLossSat) sat; a first payment of \(Amount.dustSat) sat and "
          + "this machine's \(terms.maxLossSat) sat of credit need \(publisherLossSat) sat")
    }
    return nil
  }

  private static func channelRefusal(_ offer: Offer, _ context: AgentContext) -> Refusal? {
    let configuration = context.configuration
    if offer.closeMarginBlocks < configuration.closeMarginBlocks {
      return Refusal(
        .channel,
        "closes its channel \(offer.closeMarginBlocks) blocks before the expiry; this owner wants "
          + "at least \(configuration.closeMarginBlocks)")
    }
    let needed = offer.closeMarginBlocks + configuration.minChannelBlocks
    if offer.channelBlocks < needed {
      return Refusal(
        .channel,
        "its channel lives \(offer.channelBlocks) blocks; at least \(needed) are needed")
    }
    let topSatPerKvB = UInt64(offer.feeLadderSatPerKvB.last ?? 0)
    let wantedSatPerKvB = LadderRule.wantedTopSatPerKvB(context.feeRateSatPerKvB)
    if topSatPerKvB < wantedSatPerKvB {
      return Refusal(
        .channel,
        "its closing fees reach \(topSatPerKvB) sat/kvB; this machine wants \(wantedSatPerKvB)")
    }
    return nil
  }
}

/// How high a channel's fee ladder has to reach.
enum LadderRule {
  /// At a contract, whatever the fees of the day: 20 sat/vB.
  static let leastTopSatPerKvB: UInt64 = 20_000

  /// Four times the estimate, at least ``leastTopSatPerKvB``, at most what a ladder can hold.
  static func wantedTopSatPerKvB(_ estimateSatPerKvB: UInt64) -> UInt64 {
    let (fourfold, overflow) = estimateSatPerKvB.multipliedReportingOverflow(by: 4)
    return min(10_000_000, max(leastTopSatPerKvB, overflow ? UInt64.max : fourfold))
  }
}
