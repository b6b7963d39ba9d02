import Bytes

/// The branch on which a header is judged: its parent's height, and the headers up to it.
public struct HeaderContext {
  /// The height of the parent; the header judged stands one above.
  public let parentHeight: UInt32
  /// The time of the header at a height of at most `parentHeight` on the parent's branch; nil where
  /// it is no longer, or not yet, known.
  public let time: (UInt32) -> UInt32?
  /// The same header's difficulty. No rule asks for more of what stands before a header.
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
/// A chain that starts at a checkpoint must start at a multiple of ``retargetInterval`` and keep
/// the headers from the last such multiple on, and the eleven last ones; then every rule can be
/// decided.
public enum HeaderRules {
  /// Blocks between two changes of difficulty.
  public static let retargetInterval: UInt32 = 2016
  static let targetSpacingSeconds: UInt32 = 10 * 60
  /// A header's time may be ahead of ours by two hours.
  public static let futureLimitSeconds: UInt64 = 2 * 60 * 60
  /// BIP94: the first block of a period may be older than its parent by ten minutes at most.
  static let maxTimewarpSeconds: UInt32 = 600
  static let medianSpan: UInt32 = 11

  /// Every rule but the future limit, which is not the header's fault and passes with time: see
  /// ``isFromFuture(_:nowSeconds:)``. The caller has found the parent by hash, and may give the
  /// header's own hash where it is known already.
  public static func check(
    _ header: BlockHeader, hash: Bytes32? = nil, context: HeaderContext, network: Network
  ) throws(BitcoinError) {
    if header.bits != (try requiredBits(time: header.time, context: context, network: network)) {
      throw BitcoinError.invalid("a header's difficulty is not what the rules ask for")
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

  /// The hash meets the target that the header states, which the network's limit allows. Whether
  /// it is the target asked for is ``requiredBits(time:context:network:)``'s matter.
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

  /// True for a header that is more than two hours ahead of us: to be asked for again later.
  public static func isFromFuture(_ header: BlockHeader, nowSeconds: UInt64) -> Bool {
    UInt64(header.time) > nowSeconds + futureLimitSeconds
  }

  /// The compact target that the header after `context.parentHeight` must state. `time` is that
  /// header's own, which the test networks' minimum difficulty depends on.
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
    // The test networks' rule: after twenty minutes without a block anyone may make an easy one.
    if UInt64(time) > UInt64(parentTime) + UInt64(2 * targetSpacingSeconds) {
      return network.powLimitBits
    }
    return try lastRealBits(parentBits: parentBits, context: context, network: network)
  }

  /// The target of the last block of this period that was not an easy one.
  private static func lastRealBits(
    parentBits: UInt32, context: HeaderContext, network: Network
  ) throws(BitcoinError) -> UInt32 {
    // On regtest all blocks are easy, and no answer but this is possible.
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
    // BIP94 starts from the period's first block, which can never be an easy one.
    let base = network.rules == .testnet4 ? firstBits : parentBits
    return try nextBits(
      base: base, firstTime: firstTime, lastTime: parentTime, powLimitBits: network.powLimitBits,
      interval: network.retargetInterval)
  }

  /// The retarget's arithmetic: `base` scaled by how long a period took, four times at most either
  /// way, and never easier than the limit.
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
    // The quotient of the product, in parts: the product itself may have more than 256 bits where
    // the limit is above 2^233, which it is in models only.
    let quotient = target.value / timespan
    let rest = target.value &- quotient &* timespan
    let scaled = Target(quotient &* actual &+ (rest &* actual) / timespan)
    return min(scaled, limit).bits
  }

  /// The median time of the last eleven headers up to the parent, fewer near the genesis block. Nil
  /// where one of them is not known: just after a checkpoint, which is trusted anyway.
  public static func medianTimePast(_ context: HeaderContext) -> UInt32? {
    let count = Int(min(UInt32(medianSpan), context.parentHeight + 1))
    var times = InlineArray<11, UInt32>(repeating: 0)
    for index in 0..<count {
      guard let time = context.time(context.parentHeight - UInt32(count - 1 - index)) else {
        return nil
      }
      // Oldest first they are nearly in order, which is what this sort is fastest with.
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
    BitcoinError.invalid("a header before this one is needed and is not known")
  }
}
