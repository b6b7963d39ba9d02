import Bytes

/// What is stored of one contract.
public struct ChannelRecord: Equatable, Sendable {
  public var contract: Bytes32
  /// The number of the last payment, 0 before the first.
  public var sequence: UInt64
  /// What that payment adds up to.
  public var amountSat: UInt64
  /// The channel's own document.
  public var state: [UInt8]
  /// Seconds since 1970 of the last update.
  public var updatedUnixSeconds: UInt64
  public var isClosed: Bool
}

/// The state of payment channels: money. Every call that changes something is one commit that is on
/// the disk before it returns, and what is stored never goes backwards.
public final class ChannelStore {
  /// Bytes of a state, at most.
  public static let stateLimit = 1_048_576

  static let schema = """
    CREATE TABLE channel (
      contract BLOB PRIMARY KEY, sequence INTEGER NOT NULL, amount INTEGER NOT NULL,
      state BLOB NOT NULL, updated INTEGER NOT NULL, closed INTEGER NOT NULL,
      sum INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE history (
      contract BLOB NOT NULL, sequence INTEGER NOT NULL, amount INTEGER NOT NULL,
      state BLOB NOT NULL, updated INTEGER NOT NULL, closed INTEGER NOT NULL,
      sum INTEGER NOT NULL, PRIMARY KEY (contract, sequence)) WITHOUT ROWID;
    """

  private static let columns = "contract, sequence, amount, state, updated, closed, sum"

  private let database: Database
  /// Former states kept of each open contract.
  public let historyLimit: UInt64

  init(_ database: Database, historyLimit: UInt64 = 64) {
    self.database = database
    self.historyLimit = historyLimit
  }

  /// Stores a new contract, at sequence 0 and 0 sat. ``StorageError/exists`` when there is one of
  /// this identifier, closed ones included.
  public func open(
    _ contract: Bytes32, state: [UInt8], unixSeconds: UInt64
  ) throws(StorageError) {
    try database.transaction { () throws(StorageError) in
      if try load(contract) != nil { throw .exists }
      try begin(contract, state: state, unixSeconds: unixSeconds)
    }
  }

  /// ``open(_:state:unixSeconds:)`` for a contract that is not stored, else
  /// ``update(_:sequence:amountSat:state:unixSeconds:)``: what a channel that stores its state says,
  /// as it need not know whether it did so before.
  public func store(
    _ contract: Bytes32, sequence: UInt64, amountSat: UInt64, state: [UInt8], unixSeconds: UInt64
  ) throws(StorageError) {
    try database.transaction { () throws(StorageError) in
      guard let stored = try load(contract) else {
        return try begin(contract, state: state, unixSeconds: unixSeconds)
      }
      try advance(
        stored, sequence: sequence, amountSat: amountSat, state: state, unixSeconds: unixSeconds)
    }
  }

  /// Stores the next state of a contract. ``StorageError/backwards(storedSequence:storedAmountSat:)``
  /// when its sequence or its amount is below what is stored, or when the amount changes without the
  /// sequence. The same sequence and amount again replace the state: the channel knows more than
  /// its payments.
  public func update(
    _ contract: Bytes32, sequence: UInt64, amountSat: UInt64, state: [UInt8], unixSeconds: UInt64
  ) throws(StorageError) {
    try database.transaction { () throws(StorageError) in
      guard let stored = try load(contract) else { throw .unknown }
      try advance(
        stored, sequence: sequence, amountSat: amountSat, state: state, unixSeconds: unixSeconds)
    }
  }

  /// The last state of a contract; after it nothing changes, and its history is dropped.
  public func close(
    _ contract: Bytes32, state: [UInt8], unixSeconds: UInt64
  ) throws(StorageError) {
    try database.transaction { () throws(StorageError) in
      var record = try openRecord(contract)
      record.state = state
      record.updatedUnixSeconds = unixSeconds
      record.isClosed = true
      try put(record)
      let statement = try database.prepare("DELETE FROM history WHERE contract = ?")
      try statement.bind(1, contract.array)
      try statement.run()
    }
  }

  /// Nil for a contract that is not stored.
  public func load(_ contract: Bytes32) throws(StorageError) -> ChannelRecord? {
    let statement = try database.prepare(
      "SELECT \(ChannelStore.columns) FROM channel WHERE contract = ?")
    try statement.bind(1, contract.array)
    return try statement.step() ? try record(statement) : nil
  }

  /// All contracts by identifier, the closed ones only when asked for.
  public func all(includingClosed: Bool = false) throws(StorageError) -> [ChannelRecord] {
    let filter = includingClosed ? "" : "WHERE closed = 0"
    let statement = try database.prepare(
      "SELECT \(ChannelStore.columns) FROM channel \(filter) ORDER BY contract")
    var found: [ChannelRecord] = []
    while try statement.step() { found.append(try record(statement)) }
    return found
  }

  /// Former states of an open contract, the oldest first; at most ``historyLimit``.
  public func history(_ contract: Bytes32) throws(StorageError) -> [ChannelRecord] {
    let statement = try database.prepare(
      "SELECT \(ChannelStore.columns) FROM history WHERE contract = ? ORDER BY sequence")
    try statement.bind(1, contract.array)
    var found: [ChannelRecord] = []
    while try statement.step() { found.append(try record(statement)) }
    return found
  }

  // MARK: Parts

  private func begin(
    _ contract: Bytes32, state: [UInt8], unixSeconds: UInt64
  ) throws(StorageError) {
    try put(
      ChannelRecord(
        contract: contract, sequence: 0, amountSat: 0, state: state,
        updatedUnixSeconds: unixSeconds, isClosed: false))
  }

  private func advance(
    _ stored: ChannelRecord, sequence: UInt64, amountSat: UInt64, state: [UInt8],
    unixSeconds: UInt64
  ) throws(StorageError) {
    if stored.isClosed { throw .closed }
    if sequence < stored.sequence || amountSat < stored.amountSat
      || (sequence == stored.sequence && amountSat != stored.amountSat)
    {
      throw .backwards(storedSequence: stored.sequence, storedAmountSat: stored.amountSat)
    }
    if sequence > stored.sequence { try remember(stored, next: sequence) }
    var record = stored
    record.sequence = sequence
    record.amountSat = amountSat
    record.state = state
    record.updatedUnixSeconds = unixSeconds
    try put(record)
  }

  private func openRecord(_ contract: Bytes32) throws(StorageError) -> ChannelRecord {
    guard let stored = try load(contract) else { throw .unknown }
    if stored.isClosed { throw .closed }
    return stored
  }

  private func remember(_ record: ChannelRecord, next: UInt64) throws(StorageError) {
    if historyLimit == 0 { return }
    let insert = try database.prepare("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)")
    try bind(record, to: insert)
    try insert.run()
    // Two statements, as the static agent's SQLite has no subqueries.
    let last = try database.prepare(
      "SELECT sequence FROM history WHERE contract = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2")
    try last.bind(1, record.contract.array)
    try last.bind(2, historyLimit)
    guard try last.step() else { return }
    let drop = try database.prepare("DELETE FROM history WHERE contract = ?1 AND sequence <= ?2")
    try drop.bind(1, record.contract.array)
    try drop.bind(2, last.u64(0))
    last.reset()
    try drop.run()
  }

  private func put(_ record: ChannelRecord) throws(StorageError) {
    if record.state.count > ChannelStore.stateLimit {
      throw .tooLarge(bytes: record.state.count, limit: ChannelStore.stateLimit)
    }
    let statement = try database.prepare(
      "INSERT OR REPLACE INTO channel VALUES (?, ?, ?, ?, ?, ?, ?)")
    try bind(record, to: statement)
    try statement.run()
  }

  private func bind(
    _ record: ChannelRecord, to statement: borrowing Statement
  ) throws(StorageError) {
    try statement.bind(1, record.contract.array)
    try statement.bind(2, record.sequence)
    try statement.bind(3, record.amountSat)
    try statement.bind(4, record.state)
    try statement.bind(5, record.updatedUnixSeconds)
    try statement.bind(6, record.isClosed ? 1 : 0)
    try statement.bind(7, ChannelStore.sum(record))
  }

  private func record(_ statement: borrowing Statement) throws(StorageError) -> ChannelRecord {
    guard let contract = Bytes32(exactly: try statement.blob(0, limit: 32)) else {
      throw .damaged(path: database.path, detail: "the identifier of a contract")
    }
    let record = ChannelRecord(
      contract: contract, sequence: try statement.u64(1), amountSat: try statement.u64(2),
      state: try statement.blob(3, limit: ChannelStore.stateLimit),
      updatedUnixSeconds: try statement.u64(4), isClosed: try statement.u64(5) != 0)
    if ChannelStore.sum(record) != (try statement.u64(6)) {
      throw .damaged(path: database.path, detail: "the state of contract \(contract.hex)")
    }
    return record
  }

  private static func sum(_ record: ChannelRecord) -> UInt64 {
    var sum = Checksum()
    sum.add(record.contract.array)
    sum.add(record.sequence)
    sum.add(record.amountSat)
    sum.add(record.state)
    sum.add(record.updatedUnixSeconds)
    sum.add(record.isClosed ? 1 : 0)
    return sum.value
  }
}
