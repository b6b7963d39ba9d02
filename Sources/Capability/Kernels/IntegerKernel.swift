import Bytes

/// Four chains of `x = a·x + c mod 2^32`, each mixed into a sum by rotation and addition. Every
/// chain's end is checked in logarithmic time. The sums have no shortcut: one of them is checked by
/// computing it again in 64-bit arithmetic.
struct IntegerKernel {
  static let steps: UInt32 = 1 << 18
  /// Multiply, add, exclusive or, rotate, shift, add: six operations per step, in four chains.
  static let operations = UInt64(steps) * 4 * 6

  private var chains: [UInt32] = []
  private var sums: [UInt32] = []
  private let multiplier: UInt32
  private let increment: UInt32
  private let suspect: Int

  init(_ seed: KernelSeed, round: UInt32) {
    var numbers = seed.numbers(round)
    // A multiplier of 5 modulo 8 and an odd increment give the longest period.
    multiplier = UInt32(truncatingIfNeeded: numbers.next()) & ~7 | 5
    increment = UInt32(truncatingIfNeeded: numbers.next()) | 1
    suspect = Int(numbers.below(4))
    for _ in 0..<4 {
      chains.append(UInt32(truncatingIfNeeded: numbers.next()))
      sums.append(UInt32(truncatingIfNeeded: numbers.next()))
    }
  }

  /// The timed part.
  @inline(never)
  func run() -> (chains: [UInt32], sums: [UInt32]) {
    var (x0, x1, x2, x3) = (chains[0], chains[1], chains[2], chains[3])
    var (s0, s1, s2, s3) = (sums[0], sums[1], sums[2], sums[3])
    let a = multiplier
    let c = increment
    for _ in 0..<IntegerKernel.steps {
      x0 = x0 &* a &+ c
      x1 = x1 &* a &+ c
      x2 = x2 &* a &+ c
      x3 = x3 &* a &+ c
      s0 = ((s0 ^ x0) << 7 | (s0 ^ x0) >> 25) &+ x0 >> 3
      s1 = ((s1 ^ x1) << 7 | (s1 ^ x1) >> 25) &+ x1 >> 3
      s2 = ((s2 ^ x2) << 7 | (s2 ^ x2) >> 25) &+ x2 >> 3
      s3 = ((s3 ^ x3) << 7 | (s3 ^ x3) >> 25) &+ x3 >> 3
    }
    return ([x0, x1, x2, x3], [s0, s1, s2, s3])
  }

  /// Whether the results are right.
  func isRight(_ found: (chains: [UInt32], sums: [UInt32])) -> Bool {
    let jump = AffineJump(
      multiplier: UInt64(multiplier), increment: UInt64(increment),
      steps: UInt64(IntegerKernel.steps), modulus: 1 << 32)
    for index in 0..<4 where UInt64(found.chains[index]) != jump.apply(UInt64(chains[index])) {
      return false
    }
    return UInt64(found.sums[suspect]) == slowSum(suspect)
  }

  private func slowSum(_ index: Int) -> UInt64 {
    let modulus: UInt64 = 1 << 32
    var chain = UInt64(chains[index])
    var sum = UInt64(sums[index])
    for _ in 0..<IntegerKernel.steps {
      chain = (chain * UInt64(multiplier) + UInt64(increment)) % modulus
      let mixed = sum ^ chain
      sum = (mixed * 128 % modulus + mixed / (1 << 25) + chain / 8) % modulus
    }
    return sum
  }

  static func checksum(_ found: (chains: [UInt32], sums: [UInt32])) -> UInt64 {
    var checksum: UInt64 = 0
    for index in 0..<4 {
      checksum = Rounds.fold(
        checksum, UInt64(found.chains[index]) << 32 | UInt64(found.sums[index]))
    }
    return checksum
  }
}

/// `steps` steps of `x = a·x + c mod m` at once, by squaring. The modulus is at most 2^32.
struct AffineJump {
  private var multiplier: UInt64 = 1
  private var increment: UInt64 = 0
  private let modulus: UInt64

  init(multiplier: UInt64, increment: UInt64, steps: UInt64, modulus: UInt64) {
    self.modulus = modulus
    var squareMultiplier = multiplier % modulus
    var squareIncrement = increment % modulus
    var left = steps
    while left > 0 {
      if left & 1 == 1 {
        self.increment = (squareMultiplier * self.increment % modulus + squareIncrement) % modulus
        self.multiplier = squareMultiplier * self.multiplier % modulus
      }
      squareIncrement = (squareMultiplier * squareIncrement % modulus + squareIncrement) % modulus
      squareMultiplier = squareMultiplier * squareMultiplier % modulus
      left >>= 1
    }
  }

  func apply(_ value: UInt64) -> UInt64 {
    (multiplier * (value % modulus) % modulus + increment) % modulus
  }
}
