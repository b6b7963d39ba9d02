import Bytes

/// The same seed gives the same test, everywhere and for ever.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var numbers: SeededNumbers

  public init(seed: UInt64) { numbers = SeededNumbers(seed) }

  public mutating func next() -> UInt64 { numbers.next() }

  public mutating func bytes(_ count: Int) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(count)
    for _ in 0..<count { result.append(UInt8(truncatingIfNeeded: next() >> 24)) }
    return result
  }

  public mutating func bytes32() -> Bytes32 { Bytes32(bytes(32)) }

  /// A number of `range`.
  public mutating func int(_ range: ClosedRange<Int>) -> Int {
    Int.random(in: range, using: &self)
  }

  /// True once in `times`, on average.
  public mutating func once(in times: Int) -> Bool { int(1...times) == 1 }
}
