import Bytes
import Crypto
import TestSupport
import Testing

@testable import Wallet

struct PhraseTests {
  @Test func theWordListIsTheStandards() {
    #expect(PhraseWords.list.count == 2048)
    #expect(PhraseWords.list == PhraseWords.list.sorted())
    #expect(PhraseWords.places.count == 2048)
    let text = PhraseWords.list.map { $0 + "\n" }.joined()
    #expect(
      Sha256.hash(Array(text.utf8)).hex
        == "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda")
    // Four letters tell every word.
    #expect(Set(PhraseWords.list.map { $0.prefix(4) }).count == 2048)
  }

  /// BIP39's published vectors; their passphrase is TREZOR. Entropy, words, seed.
  private static let vectors: [(String, String, String)] = [
    (
      "00000000000000000000000000000000",
      "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
      "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf14"
        + "1630c7a3c4ab7c81b2f001698e7463b04"
    ),
    (
      "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
      "legal winner thank year wave sausage worth useful legal winner thank yellow",
      "2e8905819b8723fe2c1d161860e5ee1830318dbf49a83bd451cfb8440c28bd6fa457fe1296106559a3c80937a1c106"
        + "9be3a3a5bd381ee6260e8d9739fce1f607"
    ),
    (
      "6d9be1ee6ebd27a258115aad99b7317b9c8d28b6d76431c3",
      "horn tenant knee talent sponsor spell gate clip pulse soap slush warm silver nephew swap uncle "
        + "crack brave",
      "fd579828af3da1d32544ce4db5c73d53fc8acc4ddb1e3b251a31179cdb71e853c56d2fcb11aed39898ce6c34b10b53"
        + "82772db8796e52837b54468aeb312cfc3d"
    ),
    (
      "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
      "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing "
        + "screen patrol group space point ten exist slush involve unfold",
      "01f5bced59dec48e362f2c45b5de68b9fd6c92c6634f44d6d40aab69056506f0e35524a518034ddc1192e1dacd32c1"
        + "ed3eaa3c3b131c88ed8e7e54c49a5d0998"
    ),
  ]

  @Test func publishedVectors() throws {
    for (entropy, words, seed) in PhraseTests.vectors {
      let phrase = try Phrase(entropy: try #require(Hex.decode(entropy)))
      #expect(phrase.text == words)
      #expect(Hex.encode(phrase.seed(passphrase: "TREZOR")) == seed)
      #expect(try Phrase(words) == phrase)
      #expect(try Phrase("  " + words.uppercased().replacing(" ", with: "\n\t ")) == phrase)
    }
  }

  /// BIP39 asks for the decomposed compatibility form of a passphrase (NFKD).
  @Test func passphrasesAreNormalised() throws {
    let phrase = try Phrase(entropy: [UInt8](repeating: 1, count: 16))
    #expect(phrase.seed(passphrase: "\u{e9}\u{fb01}") == phrase.seed(passphrase: "e\u{301}fi"))
    #expect(phrase.seed(passphrase: "a") != phrase.seed(passphrase: "A"))
  }

  @Test func everyLengthRoundTrips() throws {
    var random = SeededGenerator(seed: 39)
    for length in [16, 20, 24, 28, 32] {
      for _ in 0..<50 {
        let phrase = try Phrase(entropy: random.bytes(length))
        #expect(phrase.words.count == length * 3 / 4)
        #expect(try Phrase(phrase.text).entropy == phrase.entropy)
      }
    }
    for length in [0, 15, 17, 33, 64] {
      #expect(throws: WalletError.entropyLength(length)) {
        try Phrase(entropy: [UInt8](repeating: 0, count: length))
      }
    }
  }

  @Test func mistakesAreNamed() throws {
    var words = [String](repeating: "abandon", count: 11) + ["about"]
    #expect(throws: WalletError.phrase(.wordCount(11))) {
      try Phrase(words.dropLast().joined(separator: " "))
    }
    words[6] = "abandom"
    #expect(throws: WalletError.phrase(.unknownWord(position: 6, word: "abandom"))) {
      try Phrase(words.joined(separator: " "))
    }
    words[6] = "zoo"
    #expect(throws: WalletError.phrase(.checksum)) { try Phrase(words.joined(separator: " ")) }
    #expect(throws: WalletError.phrase(.wordCount(0))) { try Phrase("") }
    let message = WalletError.phrase(.unknownWord(position: 6, word: "abandom")).message
    #expect(message == "word 7, \"abandom\", is not in the list")
  }
}
