import Bytes

/// What goes wrong on a ``SimulatedNetwork``, as probabilities from 0 to 1.
public struct FaultOptions: Sendable {
  public var minDelayMs: UInt64 = 5
  public var maxDelayMs: UInt64 = 60
  /// A dial fails.
  public var dialFailure = 0.0
  /// A packet is the last of its connection: both ends lose it.
  public var disconnect = 0.0
  /// From this packet on a connection swallows everything, and nobody is told.
  public var blackHole = 0.0
  /// A packet arrives in two pieces.
  public var split = 0.2

  public init() {}

  /// A line that makes trouble, seeded.
  public static func rough(_ random: inout SimulatorRandom) -> FaultOptions {
    var faults = FaultOptions()
    faults.maxDelayMs = 20 + random.below(2_000)
    faults.dialFailure = Double(random.below(30)) / 100
    faults.disconnect = Double(random.below(20)) / 1_000
    faults.blackHole = Double(random.below(10)) / 1_000
    return faults
  }
}

/// What happens by chance in a simulation: a seed repeats it.
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
