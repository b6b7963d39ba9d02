import Bitcoin
import Bytes
import Market

/// Checks whether an announcement and its offer suit this provider. The first failed rule gives the
/// refusal.
enum Matching {
  enum Fit: Equatable {
    case fits
    /// Close to fitting: call the publisher to report the refusal.
    case nearly(Refusal)
    case never(Refusal)
  }

  /// The host nearly fits if it has at least one part in this many of the requested memory.
  private static let nearlyFactor: UInt32 = 4

  /// Decides whether to call the publisher.
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
          "asks for " + announcement.isolation.text + " isolation; this host has "
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

  /// The first limit that a share exceeds; nil if it fits an empty host.
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

  /// Returns why the offer is not bid for; nil if it is.
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
        "pays at most \(offer.priceCeilingSatPerHour) sat an hour; this provider asks "
          + "\(worstSat) sat")
    }
    if !RiskRule.suits(headroomSat: terms.headroomSat, maxLossSat: terms.maxLossSat) {
      return Refusal(
        .risk,
        "the share can use \(terms.headroomSat) sat between two samples; the limit is a quarter of "
          + "the loss limit of \(terms.maxLossSat) sat")
    }
    let publisherLossSat = Amount.dustSat + terms.maxLossSat
    if publisherLossSat > offer.publisherMaxLossSat {
      return Refusal(
        .risk,
        "loss limit \(offer.publisherMaxLossSat) sat; a first payment of \(Amount.dustSat) sat and "
          + "this provider's credit of \(terms.maxLossSat) sat need \(publisherLossSat) sat")
    }
    return nil
  }

  private static func channelRefusal(_ offer: Offer, _ context: AgentContext) -> Refusal? {
    let configuration = context.configuration
    if offer.closeMarginBlocks < configuration.closeMarginBlocks {
      return Refusal(
        .channel,
        "closes its channel \(offer.closeMarginBlocks) blocks before the expiry; at least "
          + "\(configuration.closeMarginBlocks) are needed")
    }
    let needed = offer.closeMarginBlocks + configuration.minChannelBlocks
    if offer.channelBlocks < needed {
      return Refusal(
        .channel,
        "its channel lasts \(offer.channelBlocks) blocks; at least \(needed) are needed")
    }
    let topSatPerKvB = UInt64(offer.feeLadderSatPerKvB.last ?? 0)
    let wantedSatPerKvB = LadderRule.wantedTopSatPerKvB(context.feeRateSatPerKvB)
    if topSatPerKvB < wantedSatPerKvB {
      return Refusal(
        .channel,
        "its closing fees reach \(topSatPerKvB) sat/kvB; this provider needs \(wantedSatPerKvB)")
    }
    return nil
  }
}

/// The required top rate of a channel's fee ladder.
enum LadderRule {
  /// The minimum for a contract: 20 sat/vB.
  static let leastTopSatPerKvB: UInt64 = 20_000

  /// Four times the estimate, at least ``leastTopSatPerKvB``, at most the ladder's maximum.
  static func wantedTopSatPerKvB(_ estimateSatPerKvB: UInt64) -> UInt64 {
    let (fourfold, overflow) = estimateSatPerKvB.multipliedReportingOverflow(by: 4)
    return min(10_000_000, max(leastTopSatPerKvB, overflow ? UInt64.max : fourfold))
  }
}
