import Bytes
import Crypto
import Foundation

/// A BIP39 phrase: random bytes as English words.
public struct Phrase: Equatable, Sendable {
  /// 16, 20, 24, 28 or 32 bytes.
  public let entropy: [UInt8]
  public let words: [String]

  /// The words separated by spaces.
  public var text: String { words.joined(separator: " ") }

  /// From secret random bytes: 16 for 12 words, 32 for 24.
  public init(entropy: [UInt8]) throws(WalletError) {
    if entropy.count < 16 || entropy.count > 32 || entropy.count % 4 != 0 {
      throw .entropyLength(entropy.count)
    }
    self.entropy = entropy
    // The checksum follows the entropy: one bit for every 32.
    let bits = Phrase.bits(entropy) + Phrase.bits(Sha256.hash(entropy).array)
    let wordCount = entropy.count * 8 * 33 / 32 / 11
    words = (0..<wordCount).map { index in
      let place = bits[(index * 11)..<(index * 11 + 11)].reduce(0) { $0 << 1 | ($1 ? 1 : 0) }
      return PhraseWords.list[place]
    }
  }

  /// Parses words: any white space between them, any case.
  public init(_ text: String) throws(WalletError) {
    let words = text.lowercased().split(whereSeparator: \.isWhitespace).map(String.init)
    if words.count < 12 || words.count > 24 || words.count % 3 != 0 {
      throw .phrase(.wordCount(words.count))
    }
    var bits: [Bool] = []
    for (position, word) in words.enumerated() {
      guard let place = PhraseWords.places[word] else {
        throw .phrase(.unknownWord(position: position, word: word))
      }
      for bit in 0..<11 { bits.append(place >> (10 - bit) & 1 == 1) }
    }
    let entropyBits = bits.count * 32 / 33
    var entropy = [UInt8](repeating: 0, count: entropyBits / 8)
    for index in 0..<entropyBits where bits[index] { entropy[index / 8] |= 0x80 >> (index % 8) }
    try self.init(entropy: entropy)
    if self.words != words { throw .phrase(.checksum) }
  }

  private static func bits(_ bytes: [UInt8]) -> [Bool] {
    bytes.flatMap { byte in (0..<8).map { byte >> (7 - $0) & 1 == 1 } }
  }

  /// 64 bytes from which all keys are derived. A passphrase selects another wallet of the same
  /// words.
  public func seed(passphrase: String = "") -> [UInt8] {
    let salt = "mnemonic" + passphrase.decomposedStringWithCompatibilityMapping
    return Hmac.pbkdf2Sha512(
      password: Array(text.utf8), salt: Array(salt.utf8), iterations: 2048)
  }
}
