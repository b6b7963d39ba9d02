import Bitcoin
import Bundles
import Bytes
import Crypto
import Hiring
import Host
import Market

/// What a program is to run, or to take up.
public struct RunRequest {
  /// Its fee ladder and the publisher's loss are made when the chain's fees are known.
  public var offer: Offer
  public var options: RunOptions
  /// How far paid may pass owed, in sat, beside what channels cost to open and to close.
  public var maxLossSat: UInt64
  /// What workers dial, where it is not the listening address.
  public var announce: String?
  /// The files that tasks have in common, of which `options.tasks.bundles` has the digests.
  public var bundles: [[UInt8]] = []
  /// The same as they were checked; of a map at most one.
  public var base = CheckedBundle()
  /// This program's standard input becomes the tasks'.
  public var forwardsInput = false
  /// Whether a map's arguments can be read, from the first one on.
  public var readsArguments = true
  /// A run to be taken up.
  public var former: PoolRecord?

  public init(offer: Offer, options: RunOptions, maxLossSat: UInt64) {
    self.offer = offer
    self.options = options
    self.maxLossSat = maxLossSat
  }

  /// Takes up `record` as its folder has it. Arguments that came from a pipe cannot be read again.
  public static func resuming(
    _ record: PoolRecord, in folder: RunFolder
  ) throws(RunError) -> RunRequest {
    let options = try folder.options(of: record.id)
    var request = RunRequest(offer: record.plan.offer, options: options, maxLossSat: 0)
    request.former = record
    if let path = options.map?.arguments {
      request.readsArguments = (try? Files.status(path))?.kind == .file
    }
    return request
  }

  /// Names the bundles of the tasks by their digests.
  public mutating func setBundles(_ bundles: [[UInt8]]) {
    self.bundles = bundles
    options.tasks.bundles = bundles.map {
      KeptBundle(BundleRef(digest: Sha256.hash($0), sizeBytes: UInt64($0.count)))
    }
  }

  /// The plan of a new pool.
  func plan(_ endpoint: Market.Endpoint, feeRateSatPerKvB: UInt64) -> PoolPlan {
    var offer = offer
    offer.feeLadderSatPerKvB = RunLimits.feeLadder(feeRateSatPerKvB: feeRateSatPerKvB)
    var plan = PoolPlan(offer: offer, endpoint: endpoint)
    options.apply(to: &plan)
    plan.offer.publisherMaxLossSat = maxLossSat + Amount.dustSat + plan.reserveSat
    return plan
  }
}
