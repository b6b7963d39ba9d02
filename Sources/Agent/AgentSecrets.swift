import Bytes
import Crypto

/// The keys of one provider, all derived from one seed, which is made at the first start and never
/// leaves the host.
public struct AgentSecrets {
  /// Signs reports, bids, contracts and statements; known to publishers.
  public let identity: Ed25519.KeyPair
  private let seed: Bytes32

  /// `seed` is 32 secret random bytes.
  public init(seed: Bytes32) {
    self.seed = seed
    self.identity = Ed25519.KeyPair(
      seed: Hmac.sha256(key: seed.array, Array("zennet/1 identity".utf8)))
  }

  /// The secret of one channel of a lease. `nonce` is unique per lease and kept in its record. A
  /// derivation that is not a valid scalar (probability about 2^-128) is retried with the next
  /// counter.
  public func channelSecret(_ nonce: Bytes32, number: UInt8) -> Bytes32 {
    var counter: UInt8 = 0
    while true {
      let secret = Hmac.sha256(
        key: seed.array, Array("zennet/1 channel".utf8) + nonce.array + [number, counter])
      if Secp256k1.isValidSecret(secret) { return secret }
      counter &+= 1
    }
  }
}

extension Bytes32 {
  /// The first 8 hexadecimal digits of a transaction id, for logs.
  var shortText: String { String(decoding: Array(reversed.hex.utf8).prefix(8), as: UTF8.self) }
  /// The first 8 hexadecimal digits of a contract id, for logs.
  var leaseText: String { String(decoding: Array(hex.utf8).prefix(8), as: UTF8.self) }
}
