import Bitcoin
import Foundation
import LightClient
import Testing

@testable import Simulator

/// One honest node among liars, on lines that break. `ZENNET_SEEDS` says how many worlds to try,
/// `ZENNET_SEED` replays one.
@Suite struct HostilePeerTests {
  static let environment = ProcessInfo.processInfo.environment

  static var seeds: [UInt64] {
    if let one = environment["ZENNET_SEED"].flatMap({ UInt64($0) }) { return [one] }
    let count = environment["ZENNET_SEEDS"].flatMap { UInt64($0) } ?? 25
    return Array(1...max(1, count))
  }

  /// Each lie alone, all the time, beside an honest node: easy to understand when it fails.
  @Test(arguments: Lie.allCases) func withstandsOneLie(_ lie: Lie) {
    let chains: [HostileScenario.Chain] =
      Lie.aboutTime.contains(lie) ? HostileScenario.Chain.allCases : [.plain, .plainSignet]
    for (index, chain) in chains.enumerated() {
      var scenario = HostileScenario(seed: 1 + UInt64(index))
      scenario.isRough = false
      scenario.liars = [[lie]]
      scenario.rate = 1
      scenario.chain = chain
      #expect(scenario.run() == [], "lie \(lie), \(chain)")
    }
  }

  /// Each of these worlds showed a fault once. A change of ``HostileScenario`` or ``Lie`` makes other
  /// worlds of them; the faults are told in the history.
  static let seedsThatFoundFaults: [UInt64] = [57, 287, 296, 510, 684, 1338, 1659, 1978, 2097]

  @Test func withstandsRandomWorlds() {
    let isReplay = HostilePeerTests.environment["ZENNET_SEED"] != nil
    for seed in (isReplay ? [] : HostilePeerTests.seedsThatFoundFaults) + HostilePeerTests.seeds {
      let scenario = HostileScenario(seed: seed)
      let failures = scenario.run()
      #expect(
        failures == [],
        """
        replay: ZENNET_SEED=\(seed) swift test --filter HostilePeerTests.withstandsRandomWorlds
        \(scenario.description)
        """)
    }
  }
}

/// The same on a chain of which most is older than what is kept, where liars were heard first.
@Suite struct DeepWorldTests {
  /// The scan never went on after a restart; a filter that was never compared was held against the
  /// honest node.
  private static let seedsThatFoundFaults: [UInt64] = [9, 95, 270]

  @Test func withstandsDeepWorlds() {
    let isReplay = HostilePeerTests.environment["ZENNET_SEED"] != nil
    let seeds = HostilePeerTests.seeds
    let some =
      isReplay ? seeds : DeepWorldTests.seedsThatFoundFaults + seeds.prefix(seeds.count / 8)
    for seed in some {
      var scenario = HostileScenario(seed: seed)
      scenario.isDeep = true
      scenario.chain = seed % 2 == 0 ? .plain : .plainSignet
      let failures = scenario.run()
      #expect(
        failures == [],
        """
        replay: ZENNET_SEED=\(seed) swift test --filter DeepWorldTests
        \(scenario.description)
        """)
    }
  }
}

/// The measure that bounds what strangers may make a client keep.
@Suite struct HeldBytesTests {
  private struct Holder {
    var text: [UInt8] = []
    var lists: [[UInt8]] = []
    var numbers: [UInt64: UInt32] = [:]
    var maybe: [UInt8]?
  }

  @Test func everythingCounts() {
    let empty = HeldBytes.of(Holder())
    #expect(empty < 100)
    var holder = Holder()
    holder.text = [UInt8](repeating: 0, count: 70_000)
    #expect(HeldBytes.of(holder) >= 70_000)
    holder.lists = [[UInt8]](repeating: [UInt8](repeating: 0, count: 100), count: 1_000)
    #expect(HeldBytes.of(holder) >= 170_000)
    for number in 0..<1_000 { holder.numbers[UInt64(number)] = 1 }
    #expect(HeldBytes.of(holder) >= 178_000)
    holder.maybe = holder.text
    #expect(HeldBytes.of(holder) >= 248_000)
    #expect(HeldBytes.of([holder, holder]) >= 496_000)
    #expect(HeldBytes.of(holder) < 400_000)
  }
}
