import Bytes

/// Faults of a ``SimulatedNetwork``, as probabilities from 0 to 1.
public struct FaultOptions: Sendable {
  public var minDelayMs: UInt64 = 5
  public var maxDelayMs: UInt64 = 60
  /// A dial fails.
  public var dialFailure = 0.0
  /// A packet is the last of its connection: both ends lose the connection.
  public var disconnect = 0.0
  /// From this packet on a connection silently drops everything.
  public var blackHole = 0.0
  /// A packet arrives in two pieces.
  public var split = 0.2

  public init() {}

  /// Random faults of an unreliable connection.
  public static func rough(_ random: inout SimulatorRandom) -> FaultOptions {
    var faults = FaultOptions()
    faults.maxDelayMs = 20 + random.below(2_000)
    faults.dialFailure = Double(random.below(30)) / 100
    faults.disconnect = Double(random.below(20)) / 1_000
    faults.blackHole = Double(random.below(10)) / 1_000
    return faults
  }
}

/// The random numbers of a simulation, repeatable from a seed.
public struct SimulatorRandom: RandomNumberGenerator, Sendable {
  private var numbers: SeededNumbers

  public init(seed: UInt64) { numbers = SeededNumbers(seed) }

  public mutating func next() -> UInt64 { numbers.next() }

  /// A number below `bound`; 0 for a bound of 0.
  public mutating func below(_ bound: UInt64) -> UInt64 {
    bound == 0 ? 0 : numbers.next(below: bound)
  }

  public mutating func chance(_ probability: Double) -> Bool {
    probability > 0 && Double(next() >> 11) / 9_007_199_254_740_992 < probability
  }

  public mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 24) }
  }
}
