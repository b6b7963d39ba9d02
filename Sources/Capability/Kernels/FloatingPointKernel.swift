import Bytes

/// Four chains of `x = a·x + c mod p` in Double, with p below 2^26: every intermediate value is a
/// whole number below 2^53, so the result is the same on every host, independent of rounding and
/// extended precision. The end of each chain is checked by integer arithmetic in logarithmic time.
struct FloatingPointKernel {
  static let steps: UInt32 = 1 << 16
  /// Multiply, add, multiply, convert, multiply, subtract: six operations per step, in four chains.
  static let operations = UInt64(steps) * 4 * 6

  /// The largest prime below 2^26.
  static let modulus: UInt32 = 67_108_859

  private let multiplier: UInt32
  private let increment: UInt32
  private var chains: [UInt32] = []

  init(_ seed: KernelSeed, round: UInt32) {
    var numbers = seed.numbers(round)
    multiplier = 2 + numbers.below(FloatingPointKernel.modulus - 2)
    increment = 1 + numbers.below(FloatingPointKernel.modulus - 1)
    for _ in 0..<4 { chains.append(numbers.below(FloatingPointKernel.modulus)) }
  }

  @inline(__always)
  private static func step(_ x: Double, _ a: Double, _ c: Double, _ inverse: Double) -> Double {
    let modulus = Double(FloatingPointKernel.modulus)
    let product = a * x + c
    // The quotient may be off by one, because the inverse is rounded; the remainder shows it.
    let remainder = product - Double(Int32(product * inverse)) * modulus
    if remainder < 0 { return remainder + modulus }
    return remainder >= modulus ? remainder - modulus : remainder
  }

  /// The timed part.
  @inline(never)
  func run() -> [UInt32] {
    var (x0, x1) = (Double(chains[0]), Double(chains[1]))
    var (x2, x3) = (Double(chains[2]), Double(chains[3]))
    let a = Double(multiplier)
    let c = Double(increment)
    let inverse = 1 / Double(FloatingPointKernel.modulus)
    for _ in 0..<FloatingPointKernel.steps {
      x0 = FloatingPointKernel.step(x0, a, c, inverse)
      x1 = FloatingPointKernel.step(x1, a, c, inverse)
      x2 = FloatingPointKernel.step(x2, a, c, inverse)
      x3 = FloatingPointKernel.step(x3, a, c, inverse)
    }
    return [UInt32(x0), UInt32(x1), UInt32(x2), UInt32(x3)]
  }

  func isRight(_ found: [UInt32]) -> Bool {
    let jump = AffineJump(
      multiplier: UInt64(multiplier), increment: UInt64(increment),
      steps: UInt64(FloatingPointKernel.steps), modulus: UInt64(FloatingPointKernel.modulus))
    for index in 0..<4 where UInt64(found[index]) != jump.apply(UInt64(chains[index])) {
      return false
    }
    return true
  }

  static func checksum(_ found: [UInt32]) -> UInt64 {
    var checksum: UInt64 = 0
    for value in found { checksum = Rounds.fold(checksum, UInt64(value)) }
    return checksum
  }
}
