import Bytes
import Crypto

/// The running hash and key of a Noise handshake (Noise specification, 5.2).
struct SymmetricState {
  private var chainingKey: Bytes32
  private var key: Bytes32?
  private var counter: UInt64 = 0

  /// Commits to everything that was sent so far.
  private(set) var hash: Bytes32

  /// `protocolName` has exactly 32 bytes here, which the specification takes as they are.
  init(protocolName: StaticString) {
    precondition(protocolName.utf8CodeUnitCount == 32)
    var name: [UInt8] = []
    for index in 0..<32 { name.append(protocolName.utf8Start[index]) }
    hash = Bytes32(name)
    chainingKey = hash
  }

  mutating func mixHash(_ data: [UInt8]) {
    hash = Sha256.hash(hash.array + data)
  }

  mutating func mixKey(_ input: Bytes32) {
    let (first, second, _) = Hmac.noiseHkdf(chainingKey: chainingKey, input: input.array)
    chainingKey = first
    key = second
    counter = 0
  }

  /// Before the first key the specification sends plaintext; XK never does, as every message starts
  /// with a key agreement.
  mutating func encryptAndHash(_ plaintext: [UInt8]) -> [UInt8] {
    guard let key else {
      mixHash(plaintext)
      return plaintext
    }
    let sealed = ChaChaPoly.seal(plaintext, key: key, counter: counter, associated: hash.array)
    counter += 1
    mixHash(sealed)
    return sealed
  }

  mutating func decryptAndHash(_ sealed: [UInt8]) throws(SessionError) -> [UInt8] {
    guard let key else {
      mixHash(sealed)
      return sealed
    }
    let plaintext: [UInt8]
    do {
      plaintext = try ChaChaPoly.open(sealed, key: key, counter: counter, associated: hash.array)
    } catch {
      throw SessionError.handshakeFailed
    }
    counter += 1
    mixHash(sealed)
    return plaintext
  }

  /// The keys of the two directions, the initiator's first.
  func split() -> (initiator: Bytes32, responder: Bytes32) {
    let (first, second, _) = Hmac.noiseHkdf(chainingKey: chainingKey, input: [])
    return (first, second)
  }
}
