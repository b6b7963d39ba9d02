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
  static let returnKey = try! Secp256k1.publicKey(of: Sha256.hash([2]))
  static let funding = OutPoint(txid: Sha256.hash([3]), index: 1)

  static let offer = Offer(
    network: Network.regtest.identity, title: Array("a title".utf8),
    share: ShareLimits(memoryMiB: 64, milliCpus: 1000, pids: 32, diskMiB: 16),
    priceCeilingSatPerHour: 6000, traffic: HourlyTraffic(diskKiB: 1 << 20, networkKiB: 1 << 22),
    payoutIntervalMs: 500, publisherMaxLossSat: 9000, channelBlocks: 144, closeMarginBlocks: 24,
    feeLadderSatPerKvB: [1000, 5000, 25_000])

  static let bid = Bid(
    offerDigest: offer.digest, provider: provider.publicKey, reportDigest: Sha256.hash([6]),
    rates: RateVector(cpuPsatPerMs: 1_000_000, reservedPsatPerMs: 5), maxLossSat: 20,
    firstPaymentSat: 330, payoutScript: payoutScript, providerKey: providerKey)

  static let terms = ChannelTerms(
    providerKey: providerKey, publisherKey: publisherKey, expiryHeight: 1000,
    closeMarginBlocks: offer.closeMarginBlocks, capacitySat: 100_000, reserveSat: 8000,
    feeLadderSatPerKvB: offer.feeLadderSatPerKvB, payoutScript: payoutScript,
    returnKey: returnKey)

  static let contract = Contract(
    offer: offer, bid: bid, publisher: publisher.publicKey, workerIndex: 0, terms: terms)

  static let signedContract = Signed(
    contract, publisherSignature: contract.sign(publisher),
    providerSignature: contract.sign(provider))

  static let order = TaskOrder(
    number: 1, bundles: [BundleRef(digest: Sha256.hash([7]), sizeBytes: 1000)],
    arguments: [Array("/bin/sh".utf8), Array("-c".utf8), Array("true".utf8)],
    environment: [Array("A=b".utf8)],
    limits: TaskLimits(memoryMiB: 64, milliCpus: 1000, pids: 32, diskMiB: 16, wallMs: 60_000),
    maxResultBytes: 1 << 20)

  static let line = TaskLine(
    number: 1, kind: .exited, status: 0, usage: UsageVector(cpuMs: 5, wallMs: 9, frozenMs: 1),
    startedUnixSeconds: 1)

  static let statement: Statement = {
    let usage = LeaseUsage(tasks: line.usage, reservedMs: 9)
    return Statement(
      contract: contract.id, lines: 1, lastTask: 1, chain: line.chain(after: .zero), usage: usage,
      owedSat: contract.owedSat(usage)!, paid: [.init(channel: 0, amountSat: 330)], isFinal: true)
  }()

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
