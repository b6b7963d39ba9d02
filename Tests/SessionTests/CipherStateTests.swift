import Bytes
import Crypto
import Testing

@testable import Session

@Suite struct CipherStateTests {
  private let key = Bytes32([UInt8](repeating: 5, count: 32))

  @Test func rekeyFollowsTheSpecification() throws {
    var cipher = CipherState(key: key, rekeyInterval: 2)
    for _ in 0..<2 {
      var bytes: [UInt8] = [1, 2, 3]
      try cipher.seal(&bytes, from: 0)
    }
    // k = first 32 bytes of ENCRYPT(k, 2^64 - 1, "", zeros[32]); the counter goes on.
    let zeros = [UInt8](repeating: 0, count: 32)
    let sealed = ChaChaPoly.seal(zeros, key: key, counter: UInt64.max, associated: [])
    var bytes: [UInt8] = [4, 5, 6]
    try cipher.seal(&bytes, from: 0)
    #expect(
      bytes
        == ChaChaPoly.seal([4, 5, 6], key: Bytes32(sealed), counter: 2, associated: []))
  }

  @Test func endsThatDisagreeOnTheIntervalPartWays() throws {
    var sender = CipherState(key: key, rekeyInterval: 2)
    var receiver = CipherState(key: key, rekeyInterval: 3)
    for number in 0..<3 {
      var bytes: [UInt8] = [1]
      try sender.seal(&bytes, from: 0)
      if number < 2 {
        try receiver.open(&bytes, range: 0..<bytes.count)
      } else {
        #expect(throws: SessionError.notAuthentic) {
          try receiver.open(&bytes, range: 0..<bytes.count)
        }
      }
    }
  }

  @Test func theLastCounterIsNeverUsed() throws {
    var cipher = CipherState(key: key, rekeyInterval: 1 << 16, counter: UInt64.max - 1)
    var bytes: [UInt8] = [1]
    try cipher.seal(&bytes, from: 0)
    #expect(throws: SessionError.nonceExhausted) { try cipher.seal(&bytes, from: 0) }
    #expect(throws: SessionError.nonceExhausted) {
      try cipher.open(&bytes, range: 0..<bytes.count)
    }
  }

  @Test func onlyTheTailIsSealed() throws {
    var cipher = CipherState(key: key, rekeyInterval: 100)
    var bytes: [UInt8] = [9, 9, 1, 2]
    try cipher.seal(&bytes, from: 2)
    #expect(bytes[0..<2] == [9, 9])
    #expect(bytes.count == 4 + 16)
    var other = CipherState(key: key, rekeyInterval: 100)
    try other.open(&bytes, range: 2..<bytes.count)
    #expect(bytes[0..<4] == [9, 9, 1, 2])
  }
}
