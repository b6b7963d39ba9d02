import Bitcoin
import Bytes

/// Chains whose blocks lie about their time, or about the difficulty that follows from it. Chains
/// that break rules get more work than the honest one; the others are valid for a miner to make.
extension LightClientWorld {
  private static let hour: UInt32 = 3_600
  private static let mostBlocks = 80

  /// A branch that forks from the chain of `tip`; nil if the network does not allow the lie.
  public func branch(_ lie: Lie, from tip: Bytes32) -> Bytes32? {
    let chain = tree.chain(to: tip)
    let depth = Int(random.below(4))
    if chain.count <= 20 + depth { return nil }
    let fork = chain[chain.count - 1 - depth]
    switch lie {
    case .timeAtMedian:
      return heavier(mine(on: fork, time: median(fork), isForbidden: true), than: tip)
    case .timeAtFutureEdge:
      // Not before the branch is the best one: otherwise it would be ignored.
      let edge = now + 2 * LightClientWorld.hour - 5 + UInt32(random.below(20))
      return mine(on: tip, time: edge)
    case .timeWarp: return retargets ? warp(fork, beyond: tip) : nil
    case .timeWarpAtEdge: return lateEnd(fork, stepBack: 601, beyond: tip)
    case .periodEndsInFuture: return lateEnd(fork, stepBack: 600, beyond: tip)
    case .retargetIgnored: return wrongRetarget(fork, beyond: tip) { $0.bits }
    case .retargetOffByOne:
      return wrongRetarget(fork, beyond: tip) { self.offByOne(after: $0) }
    default: return nil
    }
  }

  private var now: UInt32 { UInt32(network.unixSeconds) }
  private var retargets: Bool { tree.network.rules != .regtest }
  private var interval: UInt32 { tree.network.retargetInterval }

  private func median(_ tip: Bytes32) -> UInt32 {
    HeaderRules.medianTimePast(tree.context(of: tip)) ?? 0
  }

  private func isFirstOfPeriod(after tip: Bytes32) -> Bool {
    (tree.entry(tip).height + 1) % interval == 0
  }

  private func isLastOfPeriod(after tip: Bytes32) -> Bool {
    (tree.entry(tip).height + 2) % interval == 0
  }

  /// Blocks with the earliest valid times, until the branch has more work than `tip`.
  private func heavier(_ start: Bytes32, than tip: Bytes32) -> Bytes32 {
    var branch = start
    for _ in 0..<LightClientWorld.mostBlocks where tree.entry(branch).work <= tree.entry(tip).work {
      branch = mine(on: branch, time: early(after: branch))
    }
    return branch
  }

  /// The earliest time that the rules allow, BIP94 included.
  private func early(after tip: Bytes32) -> UInt32 {
    let least = median(tip) + 1
    return isFirstOfPeriod(after: tip)
      ? max(least, tree.entry(tip).block.header.time - 600) : least
  }

  /// Every block one second above the median, the last of each period almost two hours ahead.
  private func warp(_ fork: Bytes32, beyond tip: Bytes32) -> Bytes32 {
    var branch = fork
    let count = Int(interval) + Int(random.below(3 * UInt64(interval)))
    for _ in 0..<count {
      let header = tree.entry(branch).block.header
      var time = median(branch) + 1
      if isLastOfPeriod(after: branch) { time = now + 2 * LightClientWorld.hour - 60 }
      let stepsBack = isFirstOfPeriod(after: branch) && time + 600 < header.time
      branch = mine(
        on: branch, time: time, isForbidden: stepsBack && tree.network.rules == .testnet4)
    }
    if !forbidden.contains(branch) { return branch }
    return heavier(branch, than: tip)
  }

  /// The period's last block is in the future, the next one `stepBack` seconds older than it.
  private func lateEnd(_ fork: Bytes32, stepBack: UInt32, beyond tip: Bytes32) -> Bytes32? {
    if !retargets { return nil }
    var branch = fork
    while !isLastOfPeriod(after: branch) {
      branch = mine(on: branch, time: median(branch) + 1 + UInt32(random.below(300)))
    }
    let late = now + 2 * LightClientWorld.hour - 60
    branch = mine(on: branch, time: late)
    let breaks = stepBack > 600 && tree.network.rules == .testnet4
    branch = mine(on: branch, time: late - stepBack, isForbidden: breaks)
    return breaks
      ? heavier(branch, than: tip)
      : mine(on: branch, time: early(after: branch))
  }

  private func wrongRetarget(
    _ fork: Bytes32, beyond tip: Bytes32, _ bits: (BlockHeader) -> UInt32
  ) -> Bytes32? {
    if !retargets { return nil }
    var branch = fork
    while !isFirstOfPeriod(after: branch) {
      branch = mine(on: branch, time: tree.entry(branch).block.header.time + 300)
    }
    let context = tree.context(of: branch)
    let time = tree.entry(branch).block.header.time + 300
    guard
      let right = try? HeaderRules.requiredBits(
        time: time, context: context, network: tree.network)
    else { return nil }
    let wrong = bits(tree.entry(branch).block.header)
    if wrong == right { return nil }
    return heavier(mine(on: branch, time: time, bits: wrong, isForbidden: true), than: tip)
  }

  /// The target that would result if a period included the last block of the previous one.
  private func offByOne(after parent: BlockHeader) -> UInt32 {
    let context = tree.context(of: parent.hash)
    let first = context.parentHeight + 1 - interval
    let shifted = HeaderContext(
      parentHeight: context.parentHeight,
      time: { context.time($0 == first ? $0 - 1 : $0) }, bits: context.bits)
    let bits = try? HeaderRules.requiredBits(
      time: parent.time + 300, context: shifted, network: tree.network)
    return bits ?? parent.bits
  }
}
