import Bytes
import CSQLite
import Crypto
import Storage

/// Payments stored as the agent stores them, each on the disk before it is acknowledged, beside bare
/// SQLite commits of the same bytes with the same durability, in the same folder.
struct PaymentStorage {
  private let ledger: Ledger
  private let contract = Sha256.hash(Array("contract".utf8))
  private let bare: BareSQLite
  private let commits: Int
  private let stateBytes: Int

  init(folder: String, commits: Int, stateBytes: Int) throws {
    self.commits = commits
    self.stateBytes = stateBytes
    ledger = try Ledger(path: folder + "/zennet.db")
    bare = try BareSQLite(path: folder + "/bare.db", contract: contract)
    try ledger.channels.open(contract, state: [], unixSeconds: 0)
  }

  func measure(_ rounds: Int) throws {
    var last: [UInt64] = [0, 0]
    // Turn by turn: a disk that others use has moods of seconds.
    let contest = Contest(
      stopwatch: .wall, amount: Double(commits), unit: "payments/s", calls: commits)
    let rates = try contest.rates(
      rounds,
      [
        Contestant(name: "ChannelStore.store, FULL") {
          last[0] += 1
          try store(last[0])
        },
        Contestant(name: "bare SQLite, WAL, synchronous=FULL") {
          last[1] += 1
          try bare.commit(state(last[1]))
        },
      ])
    note("each commit holds a channel's state of \(stateBytes) bytes")
    precondition(last[0] == last[1])
    guard let stored = try ledger.channels.load(contract), stored.sequence == last[0] else {
      throw StorageError.unknown
    }
    for (subject, rate) in zip(["zennet", "sqlite"], rates) {
      try Row(metric: "payments stored", subject: subject, value: rate, unit: contest.unit).write()
    }
  }

  /// As the agent's program stores a channel's state.
  private func store(_ sequence: UInt64) throws {
    try ledger.channels.store(
      contract, sequence: sequence, amountSat: sequence * 10, state: state(sequence),
      unixSeconds: sequence)
  }

  /// Different each time, as signatures are.
  private func state(_ sequence: UInt64) -> [UInt8] {
    [UInt8](repeating: UInt8(truncatingIfNeeded: sequence), count: stateBytes)
  }
}

/// One row that is replaced, one synced commit each time; its statement is prepared once.
private final class BareSQLite {
  private var database: OpaquePointer?
  private var update: OpaquePointer?

  init(path: String, contract: Bytes32) throws {
    try check(sqlite3_open(path, &database))
    for sql in [
      "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
      "CREATE TABLE channel (contract BLOB PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID",
      "INSERT INTO channel VALUES (x'\(contract.hex)', x'')",
    ] {
      try check(sqlite3_exec(database, sql, nil, nil, nil))
    }
    let sql = "UPDATE channel SET state = ? WHERE contract = x'\(contract.hex)'"
    try check(sqlite3_prepare_v2(database, sql, -1, &update, nil))
  }

  deinit {
    sqlite3_finalize(update)
    sqlite3_close(database)
  }

  func commit(_ state: [UInt8]) throws {
    let copies = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    try check(sqlite3_bind_blob(update, 1, state, Int32(state.count), copies))
    let code = sqlite3_step(update)
    try check(sqlite3_reset(update))
    if code != SQLITE_DONE || sqlite3_changes(database) != 1 { throw Failure(code: code) }
  }

  struct Failure: Error { let code: Int32 }

  private func check(_ code: Int32) throws {
    if code != SQLITE_OK { throw Failure(code: code) }
  }
}
