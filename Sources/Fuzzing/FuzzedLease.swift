import Bitcoin
import Bytes
import Channel
import Crypto
import Market

/// What an honest publisher keeps of a lease.
struct FuzzedLease {
  let contract: Contract
  var terms: [ChannelTerms]
  var fundings: [Transaction] = []
  var payments: [(sequence: UInt64, amountSat: UInt64)] = []
  var nextKey: [UInt8] = []
  var lastTask: UInt32 = 0
  var lines: UInt32 = 0
  var chain = Bytes32.zero

  init(contract: Contract, terms: [ChannelTerms]) {
    self.contract = contract
    self.terms = terms
  }

  static func secret(_ number: Int) -> Bytes32 { Sha256.hash([30, UInt8(number)]) }

  static func terms(
    number: Int, providerKey: [UInt8], payoutScript: [UInt8], expiryHeight: UInt32
  ) -> ChannelTerms {
    ChannelTerms(
      providerKey: providerKey,
      publisherKey: (try? Secp256k1.publicKey(of: secret(number))) ?? [],
      expiryHeight: expiryHeight, closeMarginBlocks: Samples.offer.closeMarginBlocks,
      capacitySat: 100_000, reserveSat: 8000,
      feeLadderSatPerKvB: Samples.offer.feeLadderSatPerKvB, payoutScript: payoutScript,
      returnKey: (try? Secp256k1.publicKey(of: Sha256.hash([31, UInt8(number)]))) ?? [])
  }

  /// Makes the funding of the newest channel, if there is none yet.
  mutating func fundNewest(seed: UInt8) {
    let number = terms.count - 1
    if fundings.count != number { return }
    let input = TransactionInput(
      previous: OutPoint(txid: Sha256.hash([32, seed]), index: UInt32(number)),
      witness: [[UInt8](repeating: 1, count: 64)])
    let output = TransactionOutput(
      amountSat: terms[number].capacitySat, scriptPubKey: ChannelScript.scriptPubKey(terms[number]))
    fundings.append(Transaction(inputs: [input], outputs: [output]))
    payments.append((0, 0))
  }
}
