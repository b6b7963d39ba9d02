import Bytes
import Channel
import Hiring
import Host
import Market
import Storage

/// A lease as stored in the ledger.
struct StoredLease {
  var record: LeaseRecord
  /// Nil if the program ended between the two stores.
  var progress: LeaseProgress?
  /// The channels' states, by number.
  var channels: [UInt8: [UInt8]]

  var contract: Contract { record.contract.body }
  var stage: LeaseStage { progress?.stage ?? .proposed }
}

/// The runs in `ledger.db`: pools, leases, channels and tasks.
public final class RunLedger {
  /// Kinds of documents.
  enum Kind {
    static let pool: UInt32 = 32
    static let lease: UInt32 = 33
    static let leaseProgress: UInt32 = 34
    /// Index of a pool's leases; the body is the contract id.
    static let leaseOfPool: UInt32 = 35
    static let task: UInt32 = 36
    static let providers: UInt32 = 37
  }

  private let ledger: Ledger

  public init(path: String) throws(RunError) {
    do throws(StorageError) { ledger = try Ledger(path: path) } catch { throw .storage(error) }
  }

  private func storing<T>(_ body: () throws(StorageError) -> T) throws(RunError) -> T {
    do throws(StorageError) { return try body() } catch { throw .storage(error) }
  }

  // MARK: Keys

  /// A task's key: 28 bytes of the pool's id, then the index (big-endian), so that a pool's tasks
  /// are adjacent.
  static func taskKey(_ task: TaskId) -> Bytes32 {
    var bytes = Array(task.pool.array.prefix(28))
    for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: task.index >> shift)) }
    return Bytes32(exactly: bytes) ?? .zero
  }

  private static func taskIndex(_ key: Bytes32) -> UInt32 {
    key.array.suffix(4).reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// A lease's index key: 16 bytes of the pool's id, then 16 of the contract's.
  private static func leaseKey(pool: Bytes32, contract: Bytes32) -> Bytes32 {
    Bytes32(exactly: Array(pool.array.prefix(16) + contract.array.prefix(16))) ?? .zero
  }

  // MARK: Storing

  /// Stores effects in one commit: all that ``HiringEffect/isStore`` covers, except the wallet's.
  func store(_ effects: [HiringEffect]) throws(RunError) {
    let seconds = Clock.unixSeconds()
    try storing { () throws(StorageError) in
      try ledger.transaction { () throws(StorageError) in
        for effect in effects { try store(effect, seconds) }
      }
    }
  }

  private func store(_ effect: HiringEffect, _ seconds: UInt64) throws(StorageError) {
    switch effect {
    case .storePool(let id, let body): try put(Kind.pool, id, body, seconds)
    case .storeLease(let contract, let pool, let body):
      try put(Kind.lease, contract, body, seconds)
      try put(
        Kind.leaseOfPool, RunLedger.leaseKey(pool: pool, contract: contract), contract.array,
        seconds)
    case .storeLeaseState(let contract, let body):
      try put(Kind.leaseProgress, contract, body, seconds)
    case .storeChannel(let id, let sequence, let amountSat, let state):
      try ledger.channels.store(
        id, sequence: sequence, amountSat: amountSat, state: state, unixSeconds: seconds)
    case .storeTask(let task, let body):
      try put(Kind.task, RunLedger.taskKey(task), body, seconds)
    case .storeProviders(let body): try put(Kind.providers, .zero, body, seconds)
    default: break
    }
  }

  private func put(
    _ kind: UInt32, _ id: Bytes32, _ body: [UInt8], _ seconds: UInt64
  ) throws(StorageError) {
    try ledger.documents.put(
      StoredDocument(kind: kind, id: id, unixSeconds: seconds, body: body))
  }

  // MARK: Reading

  func document(_ kind: UInt32, _ id: Bytes32) throws(RunError) -> StoredDocument? {
    try storing { () throws(StorageError) in try ledger.documents.get(kind: kind, id: id) }
  }

  func providers() throws(RunError) -> [UInt8]? { try document(Kind.providers, .zero)?.body }

  /// The newest first.
  func poolIds(limit: UInt32 = .max) throws(RunError) -> [Bytes32] {
    try storing { () throws(StorageError) in
      try ledger.documents.identifiers(kind: Kind.pool, limit: limit)
    }
  }

  func pool(_ id: Bytes32) throws(RunError) -> PoolRecord {
    guard let stored = try document(Kind.pool, id), let record = PoolRecord.decode(stored.body)
    else { throw .damaged("run \(RunFolder.name(id)) cannot be read") }
    return record
  }

  func leaseIds(of pool: Bytes32) throws(RunError) -> [Bytes32] {
    var low = Array(pool.array.prefix(16))
    var high = low
    low += [UInt8](repeating: 0, count: 16)
    high += [UInt8](repeating: 0xff, count: 16)
    let keys = try keys(Kind.leaseOfPool, low, high)
    var ids: [Bytes32] = []
    for key in keys {
      guard let body = try document(Kind.leaseOfPool, key)?.body, let id = Bytes32(exactly: body)
      else { throw .damaged("the leases of run \(RunFolder.name(pool)) cannot be read") }
      ids.append(id)
    }
    return ids
  }

  func lease(_ contract: Bytes32) throws(RunError) -> StoredLease {
    guard let stored = try document(Kind.lease, contract),
      let record = LeaseRecord.decode(stored.body)
    else { throw .damaged("the lease of contract \(contract.hex) cannot be read") }
    var lease = StoredLease(record: record, progress: nil, channels: [:])
    if let stored = try document(Kind.leaseProgress, contract) {
      guard let progress = LeaseProgress.decode(stored.body) else {
        throw .damaged("the state of the lease of contract \(contract.hex) cannot be read")
      }
      lease.progress = progress
    }
    for number in record.channels.indices {
      let id = ChannelId.of(contract: contract, number: UInt8(number))
      let state = try storing { () throws(StorageError) in try ledger.channels.load(id)?.state }
      if let state { lease.channels[UInt8(number)] = state }
    }
    return lease
  }

  /// Contract ids of all leases that are neither closed nor abandoned.
  func unclosedLeases() throws(RunError) -> [Bytes32] {
    let ids = try storing { () throws(StorageError) in
      try ledger.documents.identifiers(kind: Kind.leaseProgress)
    }
    var open: [Bytes32] = []
    for id in ids {
      guard let body = try document(Kind.leaseProgress, id)?.body,
        let progress = LeaseProgress.decode(body)
      else { continue }
      if progress.stage != .closed && progress.stage != .abandoned { open.append(id) }
    }
    return open
  }

  /// The leases of a run, by worker index, then by age.
  func leases(of pool: Bytes32) throws(RunError) -> [StoredLease] {
    var leases: [StoredLease] = []
    for id in try leaseIds(of: pool) { leases.append(try lease(id)) }
    return leases.sorted {
      let left = $0.contract.workerIndex
      let right = $1.contract.workerIndex
      return left != right ? left < right : $0.record.startHeight < $1.record.startHeight
    }
  }

  /// When the run was last stored, Unix time in seconds.
  func lastChange(of pool: Bytes32) throws(RunError) -> UInt64 {
    var last = try document(Kind.pool, pool)?.unixSeconds ?? 0
    for lease in try leaseIds(of: pool) {
      for kind in [Kind.lease, Kind.leaseProgress] {
        last = max(last, try document(kind, lease)?.unixSeconds ?? 0)
      }
    }
    return last
  }

  /// Iterates over the tasks of a run by index. Throws `damaged` if a record is unreadable.
  func forEachTask(
    of pool: Bytes32, _ use: (UInt32, TaskRecord) throws(RunError) -> Void
  ) throws(RunError) {
    try forEachStoredTask(of: pool) { (index, record) throws(RunError) in
      guard let record else { throw RunLedger.damagedTask(index, of: pool) }
      try use(index, record)
    }
  }

  /// The same, with nil for an unreadable record.
  func forEachStoredTask(
    of pool: Bytes32, _ use: (UInt32, TaskRecord?) throws(RunError) -> Void
  ) throws(RunError) {
    let low = RunLedger.taskKey(TaskId(pool: pool, index: 0)).array
    let high = RunLedger.taskKey(TaskId(pool: pool, index: .max)).array
    for key in try keys(Kind.task, low, high) {
      let stored = try? document(Kind.task, key)
      try use(RunLedger.taskIndex(key), (stored?.body).flatMap { TaskRecord.decode($0) })
    }
  }

  static func damagedTask(_ index: UInt32, of pool: Bytes32) -> RunError {
    .damaged("task \(index) of run \(RunFolder.name(pool)) cannot be read")
  }

  private func keys(_ kind: UInt32, _ low: [UInt8], _ high: [UInt8]) throws(RunError) -> [Bytes32] {
    let first = Bytes32(exactly: low) ?? .zero
    let last = Bytes32(exactly: high) ?? .zero
    return try storing { () throws(StorageError) in
      try ledger.documents.identifiers(kind: kind, from: first, through: last)
    }
  }
}
