import Bitcoin
import Bytes
import Market

/// State shared by all parts of the core: clock, chain tip, keys, queued effects and work lists.
final class HiringContext {
  let settings: HiringSettings
  let network: Network
  let secrets: HiringSecrets
  let readBundle: BundleReader
  /// Returns 32 fresh random bytes per call.
  let random: () -> Bytes32

  var now = Instant(nowMs: 0, unixSeconds: 0)
  var tipHeight: UInt32 = 0
  /// Estimated rate for confirmation within a few blocks, in sat per 1000 virtual bytes.
  var feeRateSatPerKvB: UInt64 = 1_000

  private var effects: [HiringEffect] = []
  private var effectIndex = 0
  /// Calls with session events, leases with events and pools to advance.
  private var calls = WorkList<Call>()
  private var leases = WorkList<Lease>()
  private var pools = WorkList<Pool>()

  init(
    settings: HiringSettings, network: Network, secrets: HiringSecrets,
    readBundle: @escaping BundleReader, random: @escaping () -> Bytes32
  ) {
    self.settings = settings
    self.network = network
    self.secrets = secrets
    self.readBundle = readBundle
    self.random = random
  }

  // MARK: Effects

  func emit(_ effect: HiringEffect) { effects.append(effect) }

  func debug(_ text: String) { emit(.log(level: 3, text)) }
  func info(_ text: String) { emit(.log(level: 2, text)) }
  func warning(_ text: String) { emit(.log(level: 1, text)) }

  /// The next queued effect; nil when the queue is empty.
  func nextEffect() -> HiringEffect? {
    if effectIndex >= effects.count {
      effects.removeAll(keepingCapacity: effects.count < 256)
      effectIndex = 0
      return nil
    }
    effectIndex += 1
    return effects[effectIndex - 1]
  }

  /// Transactions in queued broadcasts.
  var broadcasts: [Transaction] {
    effects[effectIndex...].compactMap {
      if case .broadcast(let transaction) = $0 { return transaction }
      return nil
    }
  }

  // MARK: Work lists: only what an event touched is processed, once

  func touch(_ call: Call) {
    if call.isTouched { return }
    call.isTouched = true
    calls.append(call)
  }

  func touch(_ lease: Lease) {
    if lease.isTouched { return }
    lease.isTouched = true
    leases.append(lease)
  }

  func touch(_ pool: Pool) {
    if pool.isTouched { return }
    pool.isTouched = true
    pools.append(pool)
  }

  func nextCall() -> Call? {
    guard let call = calls.next() else { return nil }
    call.isTouched = false
    return call
  }

  func nextLease() -> Lease? {
    guard let lease = leases.next() else { return nil }
    lease.isTouched = false
    return lease
  }

  func nextPool() -> Pool? {
    guard let pool = pools.next() else { return nil }
    pool.isTouched = false
    return pool
  }
}

/// A first-in, first-out queue.
private struct WorkList<Item> {
  private var items: [Item] = []
  private var head = 0

  mutating func append(_ item: Item) { items.append(item) }

  mutating func next() -> Item? {
    if head == items.count {
      items.removeAll(keepingCapacity: items.count < 256)
      head = 0
      return nil
    }
    head += 1
    return items[head - 1]
  }
}
