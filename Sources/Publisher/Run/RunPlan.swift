import Bitcoin
import Bytes
import Channel
import Crypto
import Market

/// What a publisher wants: the offer, the files for the workers, and how to behave.
public struct RunPlan: Sendable {
  public var offer: Offer
  /// Where workers call, as announced.
  public var endpoint: Endpoint
  /// One for every worker, or one for all of them; `tar.zst`.
  public var bundles: [[UInt8]]
  /// From the first bid until the choice.
  public var bidWindowMs: UInt64 = 2_000
  /// Blocks after which the announcement is void.
  public var announcementBlocks: UInt32 = 144
  /// The amount of each channel; nil lets the bid and the time limit decide.
  public var capacitySat: UInt64?
  /// Whether the run ends only when every close is in a block.
  public var waitsForClose = true
  /// A worker that is away for longer is given up; its channel is taken back after its expiry.
  public var awayMs: UInt64 = 600_000
  /// Whether this program's own input becomes the jobs'; else theirs ends at once.
  public var forwardsInput = false
  /// For tests of the freeze: nothing is paid beyond this many payments of a channel...
  public var stopPayingAfter: UInt64?
  /// ...for this long, or for ever.
  public var payAgainAfterMs: UInt64?

  public init(offer: Offer, endpoint: Endpoint, bundles: [[UInt8]]) {
    self.offer = offer
    self.endpoint = endpoint
    self.bundles = bundles
  }

  func bundle(_ worker: UInt16) -> [UInt8] {
    bundles[bundles.count == 1 ? 0 : Int(worker) % bundles.count]
  }

  /// Enough for the whole of the job's time at full use, and what the provider may be owed.
  static func capacitySat(_ offer: Offer, hourlySat: UInt64) -> UInt64 {
    let hours = hourlySat.multipliedFullWidth(by: offer.limits.wallMs)
    let (most, _) =
      hours.high >= 3_600_000
      ? (Amount.maxSat, 0) : UInt64(3_600_000).dividingFullWidth(hours)
    let workSat = min(most, Amount.maxSat / 4)
    return workSat + workSat / 10 + offer.openingPaymentSat + offer.providerMaxLossSat + 2_000
  }

  /// The least opening payment that any provider's payout script allows, at the lowest rung.
  public static func leastOpeningSat(feeLadderSatPerVb: [UInt32]) -> UInt64 {
    let script = Script.p2tr(outputKey: .zero)
    let key = [UInt8](repeating: 2, count: 33)
    return ClosingTransaction.leastPayableSat(
      ChannelTerms(
        providerKey: key, publisherKey: key, expiryHeight: ChannelTerms.heightLimit - 1,
        capacitySat: Amount.maxSat,
        feeLadderSatPerVb: feeLadderSatPerVb, payoutScript: script, changeScript: script))
  }
}
