import Bytes
import TestSupport
import Testing

@testable import Capability

@Suite struct KernelTests {
  private let seed = KernelSeed(Bytes32([UInt8](repeating: 9, count: 32)), .integer)

  /// Jumping is stepping, for many moduli, the largest included.
  @Test func jumpsWhereStepsLead() {
    var random = SeededGenerator(seed: 5)
    for modulus in [2, 3, 1000, 67_108_859, 1 << 32] as [UInt64] {
      for _ in 0..<20 {
        let multiplier = random.next() % modulus
        let increment = random.next() % modulus
        var value = random.next() % modulus
        let start = value
        for steps in 0..<50 as Range<UInt64> {
          let jump = AffineJump(
            multiplier: multiplier, increment: increment, steps: steps, modulus: modulus)
          #expect(jump.apply(start) == value)
          let wide = multiplier.multipliedFullWidth(by: value)
          value = (modulus.dividingFullWidth(wide).remainder + increment) % modulus
        }
      }
    }
  }

  @Test func integersAreChecked() {
    for round in 0..<4 as Range<UInt32> {
      let kernel = IntegerKernel(seed, round: round)
      let found = kernel.run()
      #expect(kernel.isRight(found))
      for index in 0..<4 {
        var wrong = found
        wrong.chains[index] ^= 1
        #expect(!kernel.isRight(wrong))
      }
      // A loop that was left out, and one that was done for another seed.
      let other = IntegerKernel(seed, round: round + 1)
      #expect(!kernel.isRight(other.run()))
      var wrong = found
      wrong.sums = wrong.sums.map { $0 ^ 0x8000 }
      #expect(!kernel.isRight(wrong))
    }
  }

  @Test func floatingPointIsChecked() {
    for round in 0..<8 as Range<UInt32> {
      let kernel = FloatingPointKernel(seed, round: round)
      let found = kernel.run()
      #expect(kernel.isRight(found))
      #expect(found.allSatisfy { $0 < FloatingPointKernel.modulus })
      for index in 0..<4 {
        var wrong = found
        wrong[index] ^= 1
        #expect(!kernel.isRight(wrong))
      }
    }
  }

  @Test func memorySumsAreKnownBeforehand() {
    for size in [8192, 100_000, 1_048_576 + 8] {
      var kernel = MemoryBandwidthKernel(seed, sizeBytes: size)
      for addend in [0, 1, UInt64.max, 0x1234_5678_9abc_def0] {
        let sum = kernel.run(addend)
        #expect(sum == kernel.expectedSum)
      }
      #expect(kernel.movedKiB == UInt64(size / 8 * 16 / 1024))
    }
  }

  @Test func walksThroughMemoryEndWhereTheyMust() {
    for size in [4096, 65_536, 1_000_000] {
      var kernel = MemoryLatencyKernel(seed, sizeBytes: size)
      for _ in 0..<5 {
        let line = kernel.run()
        let isRight = kernel.isRight(line ^ 1)
        #expect(!isRight)
        let isRightNow = kernel.isRight(line)
        #expect(isRightNow)
      }
    }
  }

  @Test func textsPackAndUnpack() throws {
    let kernel = CompressionKernel(seed, round: 3)
    #expect(kernel.text.count == CompressionKernel.textBytes)
    let packed = try #require(kernel.compress())
    // Text, and neither noise nor zeros.
    #expect(packed.count > kernel.text.count / 10 && packed.count < kernel.text.count * 7 / 10)
    #expect(kernel.decompress(packed) == kernel.text)
    #expect(kernel.decompress(Array(packed.dropLast())) == nil)
    #expect(CompressionKernel(seed, round: 4).text != kernel.text)
    #expect(CompressionKernel(seed, round: 3).text == kernel.text)
  }

  /// The sequence of SplitMix64 from its authors' reference code, seed 1234567.
  @Test func numbersAreSplitMix() {
    var numbers = SeededNumbers(1_234_567)
    #expect(
      [numbers.next(), numbers.next(), numbers.next()] == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
      ])
  }
}
