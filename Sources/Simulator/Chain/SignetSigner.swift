import Bitcoin
import Bytes
import Crypto

/// The only signer of a simulated signet (BIP325) with minimal proof of work: its challenge is
/// `<key> OP_CHECKSIG`.
public struct SignetSigner {
  public let network: Network
  private let secret: Bytes32
  private let challenge: [UInt8]

  /// The signer of a network with the rules of `rules` and signatures.
  public init(secret: UInt8 = 7, rules: Network = .regtest) {
    self.secret = Bytes32([UInt8](repeating: secret, count: 32))
    guard let key = try? Secp256k1.publicKey(of: self.secret) else {
      preconditionFailure("a repeated byte is a valid secret")
    }
    challenge = Script.push(key) + [0xac]
    var network = rules
    network.signetChallenge = challenge
    network.magic = [0x5a, 0x45, 0x4e, 0x31]
    self.network = network
  }

  /// The block's coinbase, with the solution after its witness commitment.
  public func sign(_ block: Block) -> Transaction {
    var coinbase = block.transactions[0]
    let place = coinbase.outputs.count - 1
    let commitment = coinbase.outputs[place].scriptPubKey
    coinbase.outputs[place].scriptPubKey = commitment + Script.push(SignetSolution.marker)
    let ids = [coinbase.txid] + block.transactions.dropFirst().map { $0.txid }
    let toSign = SignetSolution.toSign(
      block.header, root: MerkleTree.root(ids).root, challenge: challenge)
    let digest = Sighash.legacy(toSign, inputIndex: 0, scriptCode: challenge, hashType: 1)
    guard let der = try? Secp256k1.signEcdsa(digest: digest, secret: secret) else {
      preconditionFailure("the secret signs")
    }
    var solution = ByteWriter()
    solution.lengthPrefixed(Script.push(der + [1]))
    solution.compactSize(0)
    coinbase.outputs[place].scriptPubKey =
      commitment + Script.push(SignetSolution.marker + solution.bytes)
    return coinbase
  }
}
