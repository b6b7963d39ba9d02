import Bitcoin
import Bytes
import Channel
import Crypto
import Hiring
import LightClient
import Market
import TestSupport
import Wallet

/// How a publisher behaves beyond what its ``HiringMachine`` decides.
public struct PublisherBehaviour: Sendable {
  /// Its fundings never reach the network.
  public var withholdsFundings = false
  /// Each funding is replaced by another spend of its coins before a block has it.
  public var doubleSpends = false
  /// After so many payments of a lease it is gone for good.
  public var vanishesAfterPayments: Int?

  public init() {}
}

/// A ``HiringMachine`` with a disk that is a value: it can be killed before any effect, and started again
/// from what was stored until then.
final class SimulatedPublisher {
  struct Disk {
    var pools: [Bytes32: [UInt8]] = [:]
    var leases: [Bytes32: (pool: Bytes32, record: [UInt8])] = [:]
    var leaseStates: [Bytes32: [UInt8]] = [:]
    var channels: [Bytes32: (sequence: UInt64, amountSat: UInt64, state: [UInt8])] = [:]
    var tasks: [TaskId: [UInt8]] = [:]
    var wallet: [UInt8]?
    var providers: [UInt8]?
  }

  unowned let world: MarketWorld
  let index: Int
  let behaviour: PublisherBehaviour
  let keys: WalletKeys
  private(set) var machine: HiringMachine
  private(set) var feed = ChainFeed()
  private(set) var disk = Disk()
  private(set) var lines: [String] = []
  private(set) var effectCount = 0
  var killBefore: Int?
  private(set) var isGone = false
  private(set) var wakesAtMs: UInt64?
  private var hasStarted = false
  private var payments = 0
  /// How each task ended, as often as that was reported.
  private(set) var outcomes: [TaskId: [TaskOutcome]] = [:]
  private(set) var finished = Set<Bytes32>()
  private let bundle: [UInt8]

  init(_ world: MarketWorld, _ index: Int, _ behaviour: PublisherBehaviour) throws {
    self.world = world
    self.index = index
    self.behaviour = behaviour
    keys = try WalletKeys(seed: Sha256.hash([0x71, UInt8(index)]).array, network: .regtest)
    bundle = [UInt8](repeating: UInt8(index), count: 3000)
    machine = try SimulatedPublisher.machine(world, keys, bundle, wallet: nil)
  }

  private static func machine(
    _ world: MarketWorld, _ keys: WalletKeys, _ bundle: [UInt8], wallet document: [UInt8]?
  ) throws -> HiringMachine {
    var wallet = try Wallet(keys: keys, network: .regtest, birthHeight: 0)
    if let document { wallet = try Wallet(document: document, keys: keys, network: .regtest) }
    let digest = Sha256.hash(bundle)
    return HiringMachine(
      settings: HiringSettings(), network: .regtest, secrets: try HiringSecrets(keys: keys),
      wallet: wallet,
      readBundle: { wanted, offset, count in
        wanted == digest ? Array(bundle.dropFirst(Int(offset)).prefix(count)) : nil
      }, random: { world.random.bytes32() })
  }

  var bundleRef: BundleRef {
    BundleRef(digest: Sha256.hash(bundle), sizeBytes: UInt64(bundle.count))
  }

  var receiveScript: [UInt8] {
    (try? Wallet(keys: keys, network: .regtest, birthHeight: 0))?.receiveScript ?? []
  }

  var now: Instant { Instant(nowMs: world.nowMs, unixSeconds: world.unixSeconds) }

  var nextDeadlineMs: UInt64 {
    if let wakesAtMs { return wakesAtMs }
    return isGone ? UInt64.max : machine.nextDeadlineMs
  }

  func timePassed() {
    if let at = wakesAtMs, world.nowMs >= at { return restart() }
    if !isGone { machine.timePassed(now) }
  }

  // MARK: Life

  func vanish() {
    isGone = true
    world.publisherDied(index)
  }

  func crash(restartsAfterMs: UInt64) {
    vanish()
    wakesAtMs = world.nowMs + restartsAfterMs
  }

  private func restart() {
    wakesAtMs = nil
    isGone = false
    feed = ChainFeed()
    hasStarted = false
    do {
      machine = try SimulatedPublisher.machine(world, keys, bundle, wallet: disk.wallet)
      if let providers = disk.providers { try machine.restored(providers: providers) }
      for (_, bytes) in disk.pools.sorted(by: { $0.key < $1.key }) {
        guard let record = PoolRecord.decode(bytes) else {
          world.fail("publisher \(index): a pool cannot be read")
          continue
        }
        machine.restored(pool: record, now)
      }
      for (task, bytes) in disk.tasks.sorted(by: { $0.key.index < $1.key.index }) {
        try machine.restored(task: task, bytes)
      }
      for (contract, lease) in disk.leases.sorted(by: { $0.key < $1.key }) {
        var channels: [UInt8: [UInt8]] = [:]
        for number in UInt8(0)..<UInt8(Limits.maxChannels) {
          let id = ChannelId.of(contract: contract, number: number)
          if let stored = disk.channels[id] { channels[number] = stored.state }
        }
        try machine.restored(
          lease: lease.record, state: disk.leaseStates[contract], channels: channels, now)
      }
    } catch { world.fail("publisher \(index) cannot be restored: \(error)") }
  }

  // MARK: Providers

  func connected(_ key: Hiring.CallKey, address: String) {
    if !isGone { machine.connected(key, address: address, now) }
  }
  func disconnected(_ key: Hiring.CallKey) { if !isGone { machine.disconnected(key, now) } }
  func received(_ bytes: [UInt8], _ key: Hiring.CallKey) {
    if !isGone { machine.received(bytes, from: key, now) }
  }
  func chainEvent(_ event: LightClientEvent) { feed.queue(event) }

  func follow() -> Bool {
    if isGone { return false }
    let before = effectCount
    let chain = world.chain
    if !hasStarted {
      hasStarted = true
      machine.started(now, tipHeight: chain.tipHeight, baseHeight: 0) { chain.hash($0) }
    }
    carryOut()
    var hasEvents = false
    while !isGone, let event = feed.next(chain) {
      hasEvents = true
      for transaction in feed.broadcast.values { send(transaction) }
      machine.chainEvent(event, now, feeRateSatPerKvB: 1000) { chain.hash($0) }
      carryOut()
    }
    return hasEvents || effectCount != before
  }

  private func carryOut() {
    while !isGone, let effect = machine.nextEffect() {
      if let killBefore, effectCount >= killBefore {
        self.killBefore = nil
        return crash(restartsAfterMs: 50 + UInt64(world.random.int(0...5000)))
      }
      effectCount += 1
      carryOut(effect)
    }
  }

  private func send(_ transaction: Transaction) {
    let isFunding = transaction.outputs.contains {
      $0.scriptPubKey.count == 34 && $0.scriptPubKey[0] == 0
        && $0.scriptPubKey != Beacon.scriptPubKey
    }
    if isFunding && behaviour.withholdsFundings { return }
    world.relay(transaction)
    if isFunding && behaviour.doubleSpends { world.doubleSpendLater(transaction.txid) }
  }

  private func carryOut(_ effect: HiringEffect) {
    switch effect {
    case .log(_, let text): lines.append("\(world.nowMs) \(text)")
    case .transmit(let key, let bytes): world.transmit(publisher: index, key, bytes)
    case .hangUp(let key): world.hangUp(publisher: index, key)
    case .watch(let script, let height): feed.watch(script, fromHeight: height, world.chain)
    case .recall, .taskRestarted: break
    case .broadcast(let transaction):
      feed.add(transaction)
      send(transaction)
    case .forget(let txid): feed.forget(txid)
    case .taskEnded(let task, let outcome): outcomes[task, default: []].append(outcome)
    case .poolFinished(let id): finished.insert(id)
    case .taskOutput, .taskStarted, .taskResults, .keepResults, .exec: break
    default: store(effect)
    }
  }

  private func store(_ effect: HiringEffect) {
    switch effect {
    case .storePool(let id, let bytes): disk.pools[id] = bytes
    case .storeLease(let contract, let pool, let bytes): disk.leases[contract] = (pool, bytes)
    case .storeLeaseState(let contract, let bytes): disk.leaseStates[contract] = bytes
    case .storeChannel(let id, let sequence, let amountSat, let state):
      if let stored = disk.channels[id] {
        if sequence < stored.sequence || amountSat < stored.amountSat {
          world.fail("publisher \(index): a channel's state goes backwards")
        }
        if amountSat > stored.amountSat { payments += 1 }
      }
      disk.channels[id] = (sequence, amountSat, state)
      if let most = behaviour.vanishesAfterPayments, payments > most { vanish() }
    case .storeTask(let task, let bytes): disk.tasks[task] = bytes
    case .storeWallet(let bytes): disk.wallet = bytes
    case .storeProviders(let bytes): disk.providers = bytes
    default: break
    }
  }
}
