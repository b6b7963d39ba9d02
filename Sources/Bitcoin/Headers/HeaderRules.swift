import Bytes

/// The branch on which a header is checked: its parent's height, and the headers up to it.
public struct HeaderContext {
  /// The height of the parent; the checked header is one above.
  public let parentHeight: UInt32
  /// The time of the header at a height of at most `parentHeight` on the parent's branch; nil if
  /// that header is not kept, or not known yet.
  public let time: (UInt32) -> UInt32?
  /// The same header's difficulty. The rules need nothing else of earlier headers.
  public let bits: (UInt32) -> UInt32?

  public init(
    parentHeight: UInt32, time: @escaping (UInt32) -> UInt32?, bits: @escaping (UInt32) -> UInt32?
  ) {
    self.parentHeight = parentHeight
    self.time = time
    self.bits = bits
  }
}

/// The consensus rules for headers (Bitcoin Core's `pow.cpp` and `ContextualCheckBlockHeader`), as
/// functions without state.
///
/// A chain that starts at a checkpoint must start at a multiple of ``retargetInterval``, and keep
/// the headers from the last such multiple on and the last eleven; then every rule can be checked.
public enum HeaderRules {
  /// Blocks between two changes of difficulty.
  public static let retargetInterval: UInt32 = 2016
  static let targetSpacingSeconds: UInt32 = 10 * 60
  /// The most by which a header's time may be ahead of the local clock.
  public static let futureLimitSeconds: UInt64 = 2 * 60 * 60
  /// BIP94: the first block of a period may be at most ten minutes older than its parent.
  static let maxTimewarpSeconds: UInt32 = 600
  static let medianSpan: UInt32 = 11

  /// Checks every rule except the future limit, which a valid header meets later: see
  /// ``isFromFuture(_:nowSeconds:)``. The caller has found the parent by hash, and may pass the
  /// header's own hash if it is known.
  public static func check(
    _ header: BlockHeader, hash: Bytes32? = nil, context: HeaderContext, network: Network
  ) throws(BitcoinError) {
    if header.bits != (try requiredBits(time: header.time, context: context, network: network)) {
      throw BitcoinError.invalid("a header's difficulty is not the required one")
    }
    try checkWork(header, hash: hash, network: network)
    if let median = medianTimePast(context), header.time <= median {
      throw BitcoinError.invalid("a header's time is not after the median of those before it")
    }
    let height = context.parentHeight + 1
    if network.rules == .testnet4 && height % network.retargetInterval == 0,
      let parentTime = context.time(context.parentHeight),
      UInt64(header.time) + UInt64(maxTimewarpSeconds) < UInt64(parentTime)
    {
      throw BitcoinError.invalid("a period's first header is much older than its parent")
    }
    if header.version < network.minimumVersion(atHeight: height) {
      throw BitcoinError.invalid("a header's version is no longer valid at its height")
    }
  }

  /// Checks that the hash meets the header's target, and that the network's limit allows that
  /// target. ``requiredBits(time:context:network:)`` checks that it is the required one.
  public static func checkWork(
    _ header: BlockHeader, hash: Bytes32? = nil, network: Network
  ) throws(BitcoinError) {
    guard let target = Target(bits: header.bits), let limit = Target(bits: network.powLimitBits),
      target <= limit
    else { throw BitcoinError.invalid("a header's target is outside the network's limit") }
    if !target.isMet(by: hash ?? header.hash) {
      throw BitcoinError.invalid("a header's hash does not meet its target")
    }
  }

  /// True for a header more than two hours ahead of the local clock: to be requested again later.
  public static func isFromFuture(_ header: BlockHeader, nowSeconds: UInt64) -> Bool {
    UInt64(header.time) > nowSeconds + futureLimitSeconds
  }

  /// The compact target that the header after `context.parentHeight` must have. `time` is that
  /// header's own time, on which the test networks' minimum difficulty depends.
  public static func requiredBits(
    time: UInt32, context: HeaderContext, network: Network
  ) throws(BitcoinError) -> UInt32 {
    guard let parentBits = context.bits(context.parentHeight),
      let parentTime = context.time(context.parentHeight)
    else { throw missing }
    if (context.parentHeight + 1) % network.retargetInterval == 0 {
      if network.rules == .regtest { return parentBits }
      return try retarget(
        parentBits: parentBits, parentTime: parentTime, context: context, network: network)
    }
    switch network.rules {
    case .bitcoin, .signet: return parentBits
    case .regtest, .testnet4: break
    }
    // The test networks' rule: after twenty minutes without a block one of minimum difficulty is
    // valid.
    if UInt64(time) > UInt64(parentTime) + UInt64(2 * targetSpacingSeconds) {
      return network.powLimitBits
    }
    return try lastRealBits(parentBits: parentBits, context: context, network: network)
  }

  /// The target of the last block of this period that was not of minimum difficulty.
  private static func lastRealBits(
    parentBits: UInt32, context: HeaderContext, network: Network
  ) throws(BitcoinError) -> UInt32 {
    // On regtest all blocks have minimum difficulty.
    if network.rules == .regtest { return parentBits }
    var height = context.parentHeight
    var bits = parentBits
    while height % network.retargetInterval != 0 && bits == network.powLimitBits {
      height -= 1
      guard let before = context.bits(height) else { throw missing }
      bits = before
    }
    return bits
  }

  private static func retarget(
    parentBits: UInt32, parentTime: UInt32, context: HeaderContext, network: Network
  ) throws(BitcoinError) -> UInt32 {
    let first = context.parentHeight + 1 - network.retargetInterval
    guard let firstTime = context.time(first), let firstBits = context.bits(first) else {
      throw missing
    }
    // BIP94 starts from the period's first block, which never has minimum difficulty.
    let base = network.rules == .testnet4 ? firstBits : parentBits
    return try nextBits(
      base: base, firstTime: firstTime, lastTime: parentTime, powLimitBits: network.powLimitBits,
      interval: network.retargetInterval)
  }

  /// The retarget: `base` scaled by the duration of a period, by at most a factor of four, and
  /// never easier than the limit.
  static func nextBits(
    base: UInt32, firstTime: UInt32, lastTime: UInt32, powLimitBits: UInt32,
    interval: UInt32 = retargetInterval
  ) throws(BitcoinError) -> UInt32 {
    guard let target = Target(bits: base), let limit = Target(bits: powLimitBits) else {
      throw BitcoinError.invalid("a header's target is outside the network's limit")
    }
    let timespan = interval * targetSpacingSeconds
    let least = Int64(timespan / 4)
    let most = Int64(timespan) * 4
    let actual = UInt32(min(max(Int64(lastTime) - Int64(firstTime), least), most))
    // The quotient is computed in parts: the product may exceed 256 bits if the limit is above
    // 2^233, which occurs only in model networks.
    let quotient = target.value / timespan
    let rest = target.value &- quotient &* timespan
    let scaled = Target(quotient &* actual &+ (rest &* actual) / timespan)
    return min(scaled, limit).bits
  }

  /// The median time of the last eleven headers up to the parent, fewer near the genesis block. Nil
  /// if one of them is unknown: just after a checkpoint, which is trusted anyway.
  public static func medianTimePast(_ context: HeaderContext) -> UInt32? {
    let count = Int(min(UInt32(medianSpan), context.parentHeight + 1))
    var times = InlineArray<11, UInt32>(repeating: 0)
    for index in 0..<count {
      guard let time = context.time(context.parentHeight - UInt32(count - 1 - index)) else {
        return nil
      }
      // Insertion sort: from oldest to newest the times are nearly sorted.
      var place = index
      while place > 0 && times[place - 1] > time {
        times[place] = times[place - 1]
        place -= 1
      }
      times[place] = time
    }
    return times[count / 2]
  }

  private static var missing: BitcoinError {
    BitcoinError.invalid("an earlier header that this check needs is missing")
  }
}
