import Bytes

/// The stored data of one channel.
public struct ChannelRecord: Equatable, Sendable {
  /// The channel's key: each channel of a lease has its own.
  public var contract: Bytes32
  /// The number of the last payment, 0 before the first.
  public var sequence: UInt64
  /// The cumulative amount of that payment, in sat.
  public var amountSat: UInt64
  /// The channel's own document.
  public var state: [UInt8]
  /// Seconds since 1970 of the last update.
  public var updatedUnixSeconds: UInt64
  public var isClosed: Bool
}

/// The state of payment channels, i.e. money. Every change is one commit, which is durable before
/// the call returns, and the stored state never goes backwards.
///
/// A payment is one statement that writes one page, because small boards store to flash and each
/// payment waits for the disk. Earlier states are not kept.
public final class ChannelStore {
  /// Largest state, in bytes.
  public static let stateLimit = 1_048_576

  /// A rowid table: its pages hold rows of up to 4,061 bytes without overflow pages.
  static let schema = """
    CREATE TABLE channel (
      id INTEGER PRIMARY KEY, contract BLOB NOT NULL UNIQUE, sequence INTEGER NOT NULL,
      amount INTEGER NOT NULL, state BLOB NOT NULL, updated INTEGER NOT NULL,
      closed INTEGER NOT NULL, sum INTEGER NOT NULL);
    """

  private static let columns = "contract, sequence, amount, state, updated, closed, sum"

  private let database: Database
  /// Replaces an open channel's state, unless that would move it backwards.
  private let advancing: Statement

  init(_ database: Database) throws(StorageError) {
    self.database = database
    advancing = try database.prepare(
      """
      UPDATE channel
      SET sequence = ?2, amount = ?3, state = ?4, updated = ?5, closed = ?6, sum = ?7
      WHERE contract = ?1 AND closed = 0
        AND (sequence < ?2 AND amount <= ?3 OR sequence = ?2 AND amount = ?3)
      """)
  }

  /// Stores a new channel, at sequence 0 and 0 sat. Throws ``StorageError/exists`` if one of this
  /// key exists, open or closed.
  public func open(
    _ contract: Bytes32, state: [UInt8], unixSeconds: UInt64
  ) throws(StorageError) {
    try database.transaction { () throws(StorageError) in
      if try load(contract) != nil { throw .exists }
      try insert(
        ChannelRecord(
          contract: contract, sequence: 0, amountSat: 0, state: state,
          updatedUnixSeconds: unixSeconds, isClosed: false))
    }
  }

  /// Same as ``update(_:sequence:amountSat:state:unixSeconds:)``, but creates a channel that is not
  /// stored yet. For a channel's `store` effect, which does not distinguish the two cases.
  public func store(
    _ contract: Bytes32, sequence: UInt64, amountSat: UInt64, state: [UInt8], unixSeconds: UInt64
  ) throws(StorageError) {
    let record = ChannelRecord(
      contract: contract, sequence: sequence, amountSat: amountSat, state: state,
      updatedUnixSeconds: unixSeconds, isClosed: false)
    if try advance(record) { return }
    if let stored = try load(contract) { throw ChannelStore.refusal(stored) }
    try insert(record)
  }

  /// Stores the next state of a channel. Throws
  /// ``StorageError/backwards(storedSequence:storedAmountSat:)`` if its sequence or amount is below
  /// the stored one, or if the amount changes without the sequence. The same sequence and amount
  /// may replace the state, because it holds more than payments.
  public func update(
    _ contract: Bytes32, sequence: UInt64, amountSat: UInt64, state: [UInt8], unixSeconds: UInt64
  ) throws(StorageError) {
    let record = ChannelRecord(
      contract: contract, sequence: sequence, amountSat: amountSat, state: state,
      updatedUnixSeconds: unixSeconds, isClosed: false)
    if try advance(record) { return }
    guard let stored = try load(contract) else { throw .unknown }
    throw ChannelStore.refusal(stored)
  }

  /// Stores the last state of a channel; afterwards it cannot change.
  public func close(
    _ contract: Bytes32, state: [UInt8], unixSeconds: UInt64
  ) throws(StorageError) {
    try database.transaction { () throws(StorageError) in
      guard var record = try load(contract) else { throw .unknown }
      if record.isClosed { throw .closed }
      record.state = state
      record.updatedUnixSeconds = unixSeconds
      record.isClosed = true
      if try !advance(record) { throw .unknown }
    }
  }

  /// Nil for a channel that is not stored.
  public func load(_ contract: Bytes32) throws(StorageError) -> ChannelRecord? {
    let statement = try database.prepare(
      "SELECT \(ChannelStore.columns) FROM channel WHERE contract = ?")
    try statement.bind(1, contract.array)
    return try statement.step() ? try record(statement) : nil
  }

  /// All channels by key; closed ones only on request.
  public func all(includingClosed: Bool = false) throws(StorageError) -> [ChannelRecord] {
    let filter = includingClosed ? "" : "WHERE closed = 0"
    let statement = try database.prepare(
      "SELECT \(ChannelStore.columns) FROM channel \(filter) ORDER BY contract")
    var found: [ChannelRecord] = []
    while try statement.step() { found.append(try record(statement)) }
    return found
  }

  // MARK: Parts

  /// Why an update of an open channel changed nothing.
  private static func refusal(_ stored: ChannelRecord) -> StorageError {
    if stored.isClosed { return .closed }
    return .backwards(storedSequence: stored.sequence, storedAmountSat: stored.amountSat)
  }

  /// One statement; outside of a transaction also one commit. False if it changed nothing.
  private func advance(_ record: ChannelRecord) throws(StorageError) -> Bool {
    try bind(record, to: advancing)
    try advancing.run()
    return database.changedRows == 1
  }

  private func insert(_ record: ChannelRecord) throws(StorageError) {
    let statement = try database.prepare(
      "INSERT INTO channel (\(ChannelStore.columns)) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
    try bind(record, to: statement)
    try statement.run()
  }

  private func bind(
    _ record: ChannelRecord, to statement: borrowing Statement
  ) throws(StorageError) {
    if record.state.count > ChannelStore.stateLimit {
      throw .tooLarge(bytes: record.state.count, limit: ChannelStore.stateLimit)
    }
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
