import Bytes
import CZstd
import Crypto

/// Compresses a text of random words and decompresses it.
struct CompressionKernel {
  static let textBytes = 131_072
  static let level: Int32 = 1

  let text: [UInt8]

  /// Words of different frequencies, as in natural languages.
  init(_ seed: KernelSeed, round: UInt32) {
    var numbers = seed.numbers(round)
    var words: [[UInt8]] = []
    for _ in 0..<256 {
      var word: [UInt8] = []
      for _ in 0..<(2 + numbers.below(8)) { word.append(0x61 + UInt8(numbers.below(26))) }
      word.append(0x20)
      words.append(word)
    }
    var text: [UInt8] = []
    text.reserveCapacity(CompressionKernel.textBytes + 16)
    while text.count < CompressionKernel.textBytes {
      // Small numbers are likelier.
      let rank = numbers.below(256) * numbers.below(256) / 256
      text.append(contentsOf: words[Int(rank)])
    }
    text.removeLast(text.count - CompressionKernel.textBytes)
    self.text = text
  }

  /// Nil if the library fails.
  func compress() -> [UInt8]? {
    let bound = ZSTD_compressBound(text.count)
    var packed = [UInt8](repeating: 0, count: bound)
    let size = ZSTD_compress(&packed, bound, text, text.count, CompressionKernel.level)
    if ZSTD_isError(size) != 0 || size > bound { return nil }
    packed.removeLast(bound - size)
    return packed
  }

  func decompress(_ packed: [UInt8]) -> [UInt8]? {
    var unpacked = [UInt8](repeating: 0, count: text.count)
    let size = ZSTD_decompress(&unpacked, unpacked.count, packed, packed.count)
    return ZSTD_isError(size) != 0 || size != text.count ? nil : unpacked
  }

  /// The text's checksum: its compressed form differs between versions of the library.
  var checksum: UInt64 {
    let digest = Sha256.hash(text)
    var checksum: UInt64 = 0
    for index in 0..<8 { checksum = checksum << 8 | UInt64(digest[index]) }
    return checksum
  }
}
