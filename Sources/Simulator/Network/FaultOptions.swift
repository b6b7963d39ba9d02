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

/// SplitMix64: a seed repeats it.
public struct SimulatorRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }

  /// A number below `bound`; 0 for a bound of 0.
  public mutating func below(_ bound: UInt64) -> UInt64 {
    bound == 0 ? 0 : next().multipliedFullWidth(by: bound).high
  }

  public mutating func chance(_ probability: Double) -> Bool {
    probability > 0 && Double(next() >> 11) / 9_007_199_254_740_992 < probability
  }

  public mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 24) }
  }
}
