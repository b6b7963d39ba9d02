import Bitcoin
import Bundles
import Bytes
import Crypto
import Hiring
import Host
import Market

/// A run to start or to resume.
public struct RunRequest {
  /// The offer; its fee ladder and loss limit are set once the chain's fees are known.
  public var offer: Offer
  public var options: RunOptions
  /// The largest prepaid balance, in sat, beside the costs of opening and closing channels.
  public var maxLossSat: UInt64
  /// The announced address, if it differs from the listening address.
  public var announce: String?
  /// The tasks' common bundles; `options.tasks.bundles` holds their digests.
  public var bundles: [[UInt8]] = []
  /// The checked sizes of the base; for a map only.
  public var base = CheckedBundle()
  /// Forward this program's standard input to the tasks.
  public var forwardsInput = false
  /// Whether a map's arguments can be read from the beginning.
  public var readsArguments = true
  /// The run to resume; nil for a new one.
  public var former: PoolRecord?

  public init(offer: Offer, options: RunOptions, maxLossSat: UInt64) {
    self.offer = offer
    self.options = options
    self.maxLossSat = maxLossSat
  }

  /// Resumes `record` with its stored options. Arguments from a pipe cannot be read again.
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

  /// Sets the common bundles and their references.
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
