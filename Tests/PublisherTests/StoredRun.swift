import Bitcoin
import Bytes
import Capability
import Channel
import Crypto
import Foundation
import Market
import Testing
import Wallet

@testable import Hiring
@testable import Publisher

/// A run as a program leaves it on the disk: a map of three tasks on one lease with a top-up, paid and closed.
final class StoredRun {
  let path = NSTemporaryDirectory() + "zennet-run-\(UUID().uuidString)"
  let folder: RunFolder
  var pool: PoolRecord
  var lease: LeaseRecord
  var progress: LeaseProgress
  var tasks: [TaskRecord] = []
  let options: RunOptions

  static let provider = Ed25519.KeyPair(seed: Sha256.hash([2]))
  static let payoutScript = Script.p2tr(outputKey: Sha256.hash([7]))
  static let limits = TaskLimits(memoryMiB: 32, milliCpus: 500, pids: 8, diskMiB: 8, wallMs: 60_000)
  static let usage = LeaseUsage(
    tasks: UsageVector(cpuMs: 4000, memoryMiBMs: 90_000, wallMs: 9000), reservedMs: 9500)

  static func offer(workers: UInt16 = 1) -> Offer {
    Offer(
      network: Network.regtest.identity, title: Array("test".utf8),
      share: ShareLimits(memoryMiB: 64, milliCpus: 1000, pids: 32, diskMiB: 16),
      workers: workers, priceCeilingSatPerHour: 1_000_000,
      traffic: HourlyTraffic(diskKiB: 1 << 20, networkKiB: 1 << 20), payoutIntervalMs: 500,
      publisherMaxLossSat: 9000, channelBlocks: 144, closeMarginBlocks: 24,
      feeLadderSatPerKvB: [1000, 5000, 20_000])
  }

  static func options(map: MapOptions?) -> RunOptions {
    var template = TaskTemplate(command: ["/bin/true"], limits: limits)
    template.bundles = [KeptBundle(BundleRef(digest: Sha256.hash([8]), sizeBytes: 70_000))]
    var options = RunOptions(
      network: "regtest", challenge: nil, peers: ["127.0.0.1:1"], listen: "127.0.0.1:0",
      tasks: template)
    options.map = map
    return options
  }

  init(map: MapOptions? = MapOptions(arguments: "/arguments")) throws {
    try WalletFolder.create(
      path: path, phrase: Phrase(entropy: [UInt8](repeating: 7, count: 16)), bornUnixSeconds: 0)
    folder = try RunFolder(path: path, network: .regtest)
    options = StoredRun.options(map: map)
    let offer = StoredRun.offer()
    let announcement = Transaction(
      inputs: [TransactionInput(previous: OutPoint(txid: Sha256.hash([1]), index: 0))],
      outputs: [TransactionOutput(amountSat: 330, scriptPubKey: StoredRun.payoutScript)])
    pool = PoolRecord(
      id: Sha256.hash([42]), plan: PoolPlan(offer: offer, endpoint: Endpoint(text: "192.0.2.1:7")!),
      announcement: announcement, announcementEndsAt: 300, startedUnixSeconds: 1_700_000_000,
      startHeight: 100)
    pool.announcementHeight = 101
    pool.isComplete = true
    pool.isFinished = true
    let keys = folder.walletFolder.keys
    let secrets = try HiringSecrets(keys: keys)
    var report = CapabilityReport(
      identity: StoredRun.provider.publicKey, blockHeight: 0, blockHash: .zero, unixSeconds: 1,
      architecture: "x86_64", processors: 2, memoryMiB: 256, isolation: 2, results: [])
    report.sign(StoredRun.provider)
    let bid = Bid(
      offerDigest: offer.digest, provider: StoredRun.provider.publicKey,
      reportDigest: Sha256.hash(report.encode()),
      rates: RateVector(cpuPsatPerMs: 1_000_000_000, reservedPsatPerMs: 100_000_000),
      maxLossSat: 100, firstPaymentSat: 330, payoutScript: StoredRun.payoutScript,
      providerKey: try Secp256k1.publicKey(of: Sha256.hash([4])))
    let contract = Contract(
      offer: offer, bid: bid, publisher: secrets.identity.publicKey, workerIndex: 0,
      terms: try StoredRun.terms(keys, index: 3, expiryHeight: 300))
    let topUp = TopUp(
      contract: contract.id, number: 1,
      terms: try StoredRun.terms(keys, index: 4, expiryHeight: 400))
    lease = LeaseRecord(
      pool: pool.id, contract: StoredRun.signed(contract, secrets.identity),
      report: report.encode(), startHeight: 101,
      channels: [
        LeaseChannelRecord(channelIndex: 3),
        LeaseChannelRecord(channelIndex: 4, topUp: StoredRun.signed(topUp, secrets.identity)),
      ])
    progress = LeaseProgress(stage: .closed)
    progress.usage = StoredRun.usage
    let statement = Statement(
      contract: contract.id, lines: 3, lastTask: 3, chain: .zero, usage: StoredRun.usage,
      owedSat: try #require(contract.owedSat(StoredRun.usage)),
      paid: [.init(channel: 0, amountSat: 1000), .init(channel: 1, amountSat: 500)],
      isFinal: true)
    progress.statement = StoredRun.signed(statement, secrets.identity)
    progress.hasReceipt = true
    for number in UInt32(1)...3 { tasks.append(task(number, contract.id)) }
    try store()
    try storeChannels(keys)
    try folder.replace(options, of: pool.id)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  private static func signed<Body: SignedBody>(
    _ body: Body, _ publisher: Ed25519.KeyPair
  ) -> Signed<Body> {
    Signed(
      body, publisherSignature: body.sign(publisher), providerSignature: body.sign(provider))
  }

  private static func terms(
    _ keys: WalletKeys, index: UInt32, expiryHeight: UInt32
  ) throws -> ChannelTerms {
    ChannelTerms(
      providerKey: try Secp256k1.publicKey(of: Sha256.hash([4])),
      publisherKey: try keys.derivedKey(.channel, index: index), expiryHeight: expiryHeight,
      closeMarginBlocks: 24, capacitySat: 60_000, reserveSat: 8000,
      feeLadderSatPerKvB: [1000, 5000, 20_000], payoutScript: payoutScript,
      returnKey: try keys.derivedKey(.closeReturn, index: index))
  }

  /// The second of them failed.
  private func task(_ number: UInt32, _ contract: Bytes32) -> TaskRecord {
    let spec = options.tasks.spec(task: number - 1, argument: "a\(number)", input: nil)
    let line = TaskLine(
      number: number, kind: .exited, status: number == 2 ? 7 : 0,
      usage: UsageVector(cpuMs: UInt64(number), wallMs: 3000),
      startedUnixSeconds: 1_700_000_000 + UInt64(number))
    return TaskRecord(
      spec: spec, state: .line(lease: contract, place: number, line, hasResults: false))
  }

  var contract: Contract { lease.contract.body }

  /// Writes the records as they are.
  func store() throws {
    var effects: [HiringEffect] = [
      .storePool(id: pool.id, pool.encode()),
      .storeLease(contract: contract.id, pool: pool.id, lease.encode()),
      .storeLeaseState(contract: contract.id, progress.encode()),
    ]
    for (index, task) in tasks.enumerated() {
      effects.append(.storeTask(TaskId(pool: pool.id, index: UInt32(index)), task.encode()))
    }
    try folder.ledger.store(effects)
  }

  /// Both funded by one transaction, paid, and closed.
  private func storeChannels(_ keys: WalletKeys) throws {
    let terms = [lease.terms(0), lease.terms(1)]
    let funding = Transaction(
      inputs: [
        TransactionInput(
          previous: OutPoint(txid: Sha256.hash([5]), index: 1),
          witness: [[UInt8](repeating: 1, count: 64)])
      ],
      outputs: terms.map {
        TransactionOutput(amountSat: $0.capacitySat, scriptPubKey: $0.lock.scriptPubKey)
      })
    for (number, amounts) in [[400, 1000], [500]].enumerated() {
      var channel = try PublisherChannel(
        terms: terms[number],
        secret: try keys.derivedSecret(.channel, index: UInt32(3 + number)))
      try channel.fundingBuilt(funding)
      channel.fundingConfirmed(height: 102)
      for amount in amounts { try channel.pay(amountSat: UInt64(amount)) }
      let outPoint = try #require(channel.funding)
      let unsigned = try #require(
        ClosingTransaction.build(
          terms[number], funding: outPoint, amountSat: UInt64(amounts.last!), rung: 0))
      let signature = [UInt8](repeating: 0x30, count: 71)
      channel.spendSeen(
        ClosingTransaction.signed(
          unsigned, terms[number], publisher: signature, provider: signature),
        height: 110 + UInt32(number))
      try folder.ledger.store([
        .storeChannel(
          id: ChannelId.of(contract: contract.id, number: UInt8(number)),
          sequence: UInt64(amounts.count), amountSat: UInt64(amounts.last!),
          channel.encodedState())
      ])
    }
  }
}
