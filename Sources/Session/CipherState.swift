import Bytes
import Crypto

/// One direction of an encrypted connection: a key and a counter (Noise specification, 5.1). After
/// every `rekeyInterval` messages the key is replaced by one that does not lead back to it (11.3),
/// so that a machine that is seized cannot decrypt what it received hours before.
public struct CipherState: Sendable {
  private var key: Bytes32
  private let rekeyInterval: UInt64

  /// How many messages have been sealed or opened; the nonce of the next one.
  public private(set) var counter: UInt64

  /// The largest nonce is reserved for rekeying.
  public static let counterLimit = UInt64.max

  /// `counter` other than 0 serves tests of the limit only.
  public init(key: Bytes32, rekeyInterval: UInt64, counter: UInt64 = 0) {
    precondition(rekeyInterval > 0)
    self.key = key
    self.rekeyInterval = rekeyInterval
    self.counter = counter
  }

  /// Replaces `bytes[offset...]` by ciphertext and tag. Throws `nonceExhausted`.
  public mutating func seal(_ bytes: inout [UInt8], from offset: Int) throws(SessionError) {
    if counter == CipherState.counterLimit { throw SessionError.nonceExhausted }
    ChaChaPoly.sealTail(of: &bytes, from: offset, key: key, counter: counter)
    advance()
  }

  /// Replaces ciphertext and tag at `bytes[range]` by plaintext, which is 16 bytes shorter. Throws
  /// `notAuthentic` or `nonceExhausted`; after that the connection is of no use.
  public mutating func open(_ bytes: inout [UInt8], range: Range<Int>) throws(SessionError) {
    if counter == CipherState.counterLimit { throw SessionError.nonceExhausted }
    do {
      try ChaChaPoly.openInPlace(&bytes, range: range, key: key, counter: counter)
    } catch {
      throw SessionError.notAuthentic
    }
    advance()
  }

  private mutating func advance() {
    counter += 1
    if counter % rekeyInterval == 0 { rekey() }
  }

  /// k = first 32 bytes of ENCRYPT(k, 2^64 - 1, "", 32 zero bytes).
  private mutating func rekey() {
    let zeros = [UInt8](repeating: 0, count: 32)
    key = Bytes32(ChaChaPoly.seal(zeros, key: key, counter: UInt64.max, associated: []))
  }
}
