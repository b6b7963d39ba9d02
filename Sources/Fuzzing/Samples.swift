import Bitcoin
import Bytes
import Channel
import Crypto
import Market

/// Well-formed things from which seeds are made. Nothing in here is random.
enum Samples {
  static let publisherSecret = Sha256.hash(Array("publisher".utf8))
  static let providerSecret = Sha256.hash(Array("provider".utf8))
  static let publisher = Ed25519.KeyPair(seed: publisherSecret)
  static let provider = Ed25519.KeyPair(seed: providerSecret)
  static let publisherKey = try! Secp256k1.publicKey(of: publisherSecret)
  static let providerKey = try! Secp256k1.publicKey(of: providerSecret)
  static let payoutScript = Script.p2tr(outputKey: Sha256.hash([1]))
  static let changeScript = Script.p2tr(outputKey: Sha256.hash([2]))
  static let funding = OutPoint(txid: Sha256.hash([3]), index: 1)

  static let offer = Offer(
    network: Network.regtest.identity, title: Array("a title".utf8),
    arguments: [Array("/bin/sh".utf8), Array("-c".utf8), Array("true".utf8)],
    environment: [Array("A=b".utf8)],
    limits: ResourceLimits(memoryMiB: 64, milliCpus: 1000, pids: 32, diskMiB: 16, wallMs: 60_000),
    priceCeilingSatPerHour: 6000, payoutIntervalMs: 500, providerMaxLossSat: 20,
    publisherMaxLossSat: 2000, openingPaymentSat: 1000, graceMs: 5000, channelBlocks: 144,
    maxBundleBytes: 1 << 20, maxResultBytes: 1 << 20)

  static let bid: Bid = {
    var bid = Bid(
      offerDigest: offer.digest, provider: .zero, reportDigest: Sha256.hash([6]),
      rates: RateVector(cpuPsatPerMs: 1_000_000, wallPsatPerMs: 5), payoutScript: payoutScript,
      providerKey: providerKey)
    bid.sign(provider)
    return bid
  }()

  static let contract = Contract(
    offer: offer, bid: bid, publisher: publisher.publicKey, workerIndex: 0,
    bundleDigest: Sha256.hash([7]), bundleBytes: 1000, publisherKey: publisherKey,
    changeScript: changeScript, expiryHeight: 1000, capacitySat: 100_000)

  static let signedContract = SignedContract(
    contract: contract, publisherSignature: contract.sign(publisher),
    providerSignature: contract.sign(provider))

  static let receipt = Receipt(
    contract: contract.id, usage: UsageVector(cpuMs: 5, wallMs: 9, frozenMs: 1), owedSat: 7,
    paidSat: 1000, payments: 1, exitKind: .exited, exitStatus: 0, resultDigest: .zero,
    startedUnixSeconds: 1, endedUnixSeconds: 2)

  static let payment = try! ChannelPayment.sign(
    contract.terms, funding: funding, sequence: 1, amountSat: 20_000, secret: publisherSecret)

  static let announcement = offer.announcement(
    publisher: publisher.publicKey, endpoint: Endpoint(text: "192.0.2.7:4500")!, expiryHeight: 400)

  /// A spend with a witness, which announces.
  static let transaction = Transaction(
    inputs: [
      TransactionInput(
        previous: funding, scriptSig: [0x51], sequence: 0,
        witness: [[1, 2, 3], [], Script.number(1000)]),
      TransactionInput(previous: OutPoint(txid: Sha256.hash([8]), index: 0)),
    ],
    outputs: announcement.outputs + [
      TransactionOutput(amountSat: 5000, scriptPubKey: payoutScript)
    ], lockTime: 99)

  static let close = ClosingTransaction.build(
    contract.terms, funding: funding, amountSat: 20_000, rung: 0)!
}
