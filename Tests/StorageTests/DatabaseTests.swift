import Host
import TestSupport
import Testing

@testable import Storage

@Suite struct DatabaseTests {
  private func database(_ path: String = ":memory:") throws -> Database {
    try Database(
      path: path, durability: .full, migrations: ["CREATE TABLE t (a INTEGER, b BLOB)"])
  }

  /// The number in the first column of the only row.
  private func number(_ sql: String, of database: Database) throws -> UInt64 {
    let statement = try database.prepare(sql)
    if try !statement.step() { throw StorageError.unknown }
    return try statement.u64(0)
  }

  private func count(_ database: Database) throws -> UInt64 {
    try number("SELECT count(*) FROM t", of: database)
  }

  @Test func bindsAndReadsValues() throws {
    let database = try database()
    let insert = try database.prepare("INSERT INTO t VALUES (?, ?)")
    for value in [0, 1, UInt64(Int64.max)] {
      try insert.bind(1, value)
      try insert.bind(2, [UInt8](repeating: 3, count: Int(value % 5)))
      try insert.run()
    }
    var refusal: StorageError?
    do throws(StorageError) { try insert.bind(1, UInt64(Int64.max) + 1) } catch { refusal = error }
    #expect(refusal == .outOfRange(UInt64(Int64.max) + 1))
    let select = try database.prepare("SELECT a, b FROM t ORDER BY a")
    var read: [UInt64] = []
    while try select.step() {
      read.append(try select.u64(0))
      let blob = try select.blob(1, limit: 9)
      #expect(blob.count == Int(read[read.count - 1] % 5))
    }
    #expect(read == [0, 1, UInt64(Int64.max)])
  }

  @Test func whatWasNeverStoredLikeThisIsDamage() throws {
    let database = try database()
    try database.execute("INSERT INTO t VALUES (-1, 'text')")
    try database.execute("INSERT INTO t VALUES ('text', NULL)")
    let select = try database.prepare("SELECT a, b FROM t")
    var rows = 0
    var damages = 0
    while try select.step() {
      rows += 1
      do throws(StorageError) { _ = try select.u64(0) } catch { damages += error.isDamage ? 1 : 0 }
      do throws(StorageError) { _ = try select.blob(1, limit: 3) } catch {
        damages += error.isDamage ? 1 : 0
      }
    }
    #expect(rows == 2 && damages == 4)
  }

  @Test func transactionsAreAllOrNothing() throws {
    let database = try database()
    #expect(throws: StorageError.unknown) {
      try database.transaction { () throws(StorageError) in
        try database.execute("INSERT INTO t VALUES (1, x'00')")
        throw .unknown
      }
    }
    #expect(try count(database) == 0)
    let result = try database.transaction { () throws(StorageError) -> Int in
      try database.execute("INSERT INTO t VALUES (1, x'00')")
      return 5
    }
    #expect(try result == 5 && count(database) == 1)
  }

  @Test func nestedTransactionsShareTheirFate() throws {
    let database = try database()
    try database.transaction { () throws(StorageError) in
      try database.execute("INSERT INTO t VALUES (1, x'00')")
      try database.transaction { () throws(StorageError) in
        try database.execute("INSERT INTO t VALUES (2, x'00')")
      }
    }
    #expect(try count(database) == 2)
    // An inner failure that is swallowed must not let half of the work be committed.
    #expect(throws: StorageError.self) {
      try database.transaction { () throws(StorageError) in
        try database.execute("INSERT INTO t VALUES (3, x'00')")
        do throws(StorageError) {
          try database.transaction { () throws(StorageError) in throw .unknown }
        } catch {}
      }
    }
    #expect(try count(database) == 2)
    try database.transaction { () throws(StorageError) in
      try database.execute("INSERT INTO t VALUES (4, x'00')")
    }
    #expect(try count(database) == 3)
  }

  @Test func migratesStepByStepAndRefusesTheFuture() throws {
    let scratch = try Scratch()
    let path = scratch.file("db")
    let steps = [
      "CREATE TABLE t (a INTEGER)",
      // The static agent's SQLite has no ALTER TABLE.
      "CREATE TABLE u (a INTEGER, b INTEGER); INSERT INTO u SELECT a, 7 FROM t; DROP TABLE t",
    ]
    do {
      let database = try Database(path: path, durability: .full, migrations: [steps[0]])
      try database.execute("INSERT INTO t VALUES (1)")
    }
    do {
      let database = try Database(path: path, durability: .full, migrations: steps)
      #expect(try number("SELECT b FROM u", of: database) == 7)
    }
    #expect(throws: StorageError.newerSchema(path: path, version: 2)) {
      try Database(path: path, durability: .full, migrations: [steps[0]])
    }
    // A migration that fails leaves the version as it was.
    #expect(throws: StorageError.self) {
      try Database(path: path, durability: .full, migrations: steps + ["CREATE TABLE x (y); WRONG"])
    }
    _ = try Database(path: path, durability: .full, migrations: steps + ["CREATE TABLE x (y)"])
  }

  @Test func isDurableAsAsked() throws {
    let scratch = try Scratch()
    for (durability, expected) in [(Database.Durability.full, UInt64(2)), (.normal, 1)] {
      let database = try Database(
        path: scratch.file("db\(expected)"), durability: durability, migrations: [])
      #expect(try number("PRAGMA synchronous", of: database) == expected)
      let mode = try database.prepare("PRAGMA journal_mode")
      _ = try mode.step()
      let name = try mode.blob(0, limit: 9)
      #expect(name == Array("wal".utf8))
    }
  }

  @Test func errorsAreInWords() throws {
    let scratch = try Scratch()
    #expect {
      try Database(path: scratch.file("missing/db"), durability: .full, migrations: [])
    } throws: { error in
      (error as? StorageError)?.message
        == "\(scratch.file("missing/db")): open: unable to open database file (14)"
    }
    try Files.writeAtomically(scratch.file("text"), Array("not a database, is it?".utf8))
    #expect {
      try Database(path: scratch.file("text"), durability: .full, migrations: [])
    } throws: { ($0 as? StorageError)?.isDamage == true }
  }

  @Test func checksumIsTheOneOfZip() {
    var sum = Checksum()
    sum.addRaw(Array("123456789".utf8))
    #expect(sum.value == 0xcbf4_3926)
  }
}
