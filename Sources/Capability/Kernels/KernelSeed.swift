import Bytes
import Crypto

extension SeededNumbers {
  /// A number below `bound`, which must not be 0. The bias is negligible for bounds far below 2^64.
  mutating func below(_ bound: UInt32) -> UInt32 { UInt32(next() >> 32) % bound }
}

/// The seed of one kernel; differs for each identity and block.
struct KernelSeed {
  private let words: UInt64

  init(_ seed: Bytes32, _ kernel: Kernel) {
    let digest = Sha256.tagged("zennet/kernel", seed.array + [kernel.rawValue])
    var words: UInt64 = 0
    for index in 0..<8 { words = words << 8 | UInt64(digest[index]) }
    self.words = words
  }

  /// The numbers of one round.
  func numbers(_ round: UInt32) -> SeededNumbers {
    SeededNumbers(words ^ (UInt64(round) &+ 1) &* 0xd6e8_feb8_6659_fd93)
  }
}
