import Testing

@testable import Crypto

@Suite struct CryptoErrorTests {
  @Test func messages() {
    #expect(CryptoError.invalidKey.message == "not a valid key")
    #expect(CryptoError.notAuthentic.message == "authentication failed")
    #expect(
      CryptoError.wrongLength(expected: 32, actual: 5).message == "32 bytes were expected, not 5")
  }

  @Test func libraryStartsMoreThanOnce() {
    #expect(CryptoLibrary.start())
    #expect(CryptoLibrary.start())
  }
}
