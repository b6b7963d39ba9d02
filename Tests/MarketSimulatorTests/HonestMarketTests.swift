import Foundation
import MarketSimulator
import Testing

/// Honest providers and publishers on bad lines, killed at any moment: the books agree to the sat, every
/// task ends once, and nobody loses more than was agreed. `ZENNET_SEEDS` sets the number of runs.
struct HonestMarketTests {
  static let seeds = Int(ProcessInfo.processInfo.environment["ZENNET_SEEDS"] ?? "") ?? 10

  /// The first seed: to look at one story alone.
  static let first = Int(ProcessInfo.processInfo.environment["ZENNET_FIRST_SEED"] ?? "") ?? 1

  @Test(arguments: first...(first + seeds - 1))
  func booksAgree(seed: Int) throws {
    let scenario = try MarketScenario(seed: UInt64(seed))
    try scenario.runHonest()
    HonestMarketTests.trace(scenario)
    #expect(scenario.problems.isEmpty, "seed \(seed): \(scenario.problems.joined(separator: "; "))")
  }

  /// With `ZENNET_TRACE` set: what every participant logged.
  static func trace(_ scenario: MarketScenario) {
    if ProcessInfo.processInfo.environment["ZENNET_TRACE"] != nil {
      print(scenario.transcript.joined(separator: "\n"))
    }
  }
}
