import Foundation
import MarketSimulator
import Testing

/// One side breaks the rules in every way that the simulator has: the other loses at most what its
/// contract says.
struct HostileMarketTests {
  static let seeds = HonestMarketTests.seeds

  @Test(arguments: HonestMarketTests.first...(HonestMarketTests.first + seeds - 1))
  func hostilePublishers(seed: Int) throws {
    let scenario = try MarketScenario(seed: UInt64(seed) + 1_000_000)
    try scenario.runHostilePublisher()
    HonestMarketTests.trace(scenario)
    #expect(scenario.problems.isEmpty, "seed \(seed): \(scenario.problems.joined(separator: "; "))")
  }

  @Test(arguments: HonestMarketTests.first...(HonestMarketTests.first + seeds - 1))
  func hostileProviders(seed: Int) throws {
    let scenario = try MarketScenario(seed: UInt64(seed) + 2_000_000)
    try scenario.runHostileProvider()
    HonestMarketTests.trace(scenario)
    #expect(scenario.problems.isEmpty, "seed \(seed): \(scenario.problems.joined(separator: "; "))")
  }
}
