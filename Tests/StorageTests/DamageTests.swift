import Bytes
import Foundation
import Host
import TestSupport
import Testing

@testable import Storage

/// Files that rot: what is read afterwards is what was stored, or an error. Never anything else.
@Suite struct DamageTests {
  /// Without waiting for the disk: nothing crashes here.
  private func put(_ path: String, _ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  private func makeCache(_ path: String) throws -> StoredChain {
    let cache = try ChainCache(path: path)
    let heights = UInt32(50)..<350
    try cache.headers.store(fromHeight: 50, heights.flatMap { header($0) }, workBefore: [5])
    try cache.headers.storeFilterHeaders(fromHeight: 50, heights.map { filter($0) })
    try cache.values(space: 1).put("peer", [UInt8](repeating: 4, count: 300))
    return try #require(try cache.headers.load())
  }

  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func aCacheWithFlippedBitsIsThrownAway(_ seed: UInt64) throws {
    let scratch = try Scratch()
    let path = scratch.file("chain.db")
    let original = try makeCache(path)
    let bytes = try Files.read(path, limit: 10_000_000)
    #expect(!Files.exists(path + "-wal"))
    var random = SeededGenerator(seed: seed)
    var found = 0
    for round in 0..<60 {
      var rotten = bytes
      // Every other time in the first page, where the file's header and the schema are.
      let place = random.int(0...(round % 2 == 0 ? rotten.count - 1 : 4095))
      rotten[place] ^= 1 << UInt8(random.int(0...7))
      try put(path, rotten)
      let cache = try ChainCache(path: path)
      if cache.damage != nil {
        found += 1
        #expect(try cache.headers.load() == nil)
        try cache.headers.store(fromHeight: 1, header(1), workBefore: [])
      } else {
        #expect(try cache.headers.load() == original)
        #expect(
          try cache.values(space: 1).get("peer") == [UInt8](repeating: 4, count: 300))
      }
    }
    // Many bits of a database mean nothing: free space, statistics.
    // Most bits of a small ledger are free space; a few of 60 are enough to show that damage is found.
    #expect(found > 5)
  }

  /// SQLite reads a schema with `PRIMARY KEY` spoilt, and makes a table of another kind of it.
  @Test func aCacheWhoseSchemaRotsIsThrownAway() throws {
    let scratch = try Scratch()
    let path = scratch.file("chain.db")
    _ = try makeCache(path)
    let bytes = try Files.read(path, limit: 10_000_000)
    let start = try #require(Data(bytes).range(of: Data("TABLE headers".utf8))?.lowerBound)
    let length = HeaderStore.schema.utf8.firstIndex(of: 0x3b)!
    let end = start + length.utf16Offset(in: HeaderStore.schema) - "CREATE ".count
    for place in start..<end {
      var rotten = bytes
      rotten[place] ^= 1 << UInt8(place % 8)
      try put(path, rotten)
      #expect(try ChainCache(path: path).damage != nil, "byte \(place)")
    }
  }

  @Test func aTruncatedCacheIsThrownAway() throws {
    let scratch = try Scratch()
    let path = scratch.file("chain.db")
    _ = try makeCache(path)
    let bytes = try Files.read(path, limit: 10_000_000)
    for length in stride(from: 1500, to: bytes.count, by: 1777) {
      try put(path, Array(bytes[0..<length]))
      let cache = try ChainCache(path: path)
      #expect(cache.damage?.isDamage == true)
      #expect(try cache.headers.load() == nil)
    }
  }

  @Test func aCacheOfALaterVersionIsThrownAwayToo() throws {
    let scratch = try Scratch()
    let path = scratch.file("chain.db")
    _ = try makeCache(path)
    try Database(path: path, durability: .normal, migrations: ChainCache.migrations)
      .execute("PRAGMA user_version = 99")
    let cache = try ChainCache(path: path)
    #expect(cache.damage == .newerSchema(path: path, version: 99))
    #expect(try cache.headers.load() == nil)
  }

  /// The former version's: its headers are of no use, what was learnt of peers is kept.
  @Test func aCacheOfTheFormerVersionBeginsAnew() throws {
    let scratch = try Scratch()
    let path = scratch.file("chain.db")
    do {
      let former = try Database(
        path: path, durability: .normal,
        migrations: [
          """
          CREATE TABLE header (
            height INTEGER PRIMARY KEY, header BLOB NOT NULL, filter BLOB, sum INTEGER NOT NULL);
          CREATE TABLE base (
            one INTEGER PRIMARY KEY, height INTEGER NOT NULL, work BLOB NOT NULL,
            sum INTEGER NOT NULL);
          """ + KeyValueStore.schema
        ])
      let insert = try former.prepare("INSERT INTO header VALUES (?, ?, NULL, 7)")
      for height in 0..<5000 as Range<UInt64> {
        try insert.bind(1, height)
        try insert.bind(2, header(UInt32(height)))
        try insert.run()
      }
      try former.execute("INSERT INTO base VALUES (1, 0, x'00', 7)")
      try KeyValueStore(former, space: 1).put("peer", [4])
    }
    do {
      let cache = try ChainCache(path: path)
      #expect(cache.damage == nil && cache.takeLoaded() == nil)
      #expect(try cache.headers.load() == nil)
      #expect(try cache.values(space: 1).get("peer") == [4])
      try cache.headers.store(fromHeight: 9, header(9), workBefore: [3])
    }
    let cache = try ChainCache(path: path)
    #expect(cache.damage == nil)
    #expect(try cache.headers.load()?.headers == header(9))
  }

  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func aDamagedLedgerIsNeitherReadNorTouched(_ seed: UInt64) throws {
    let scratch = try Scratch()
    let path = scratch.file("ledger.db")
    var original: [ChannelRecord] = []
    do {
      let ledger = try Ledger(path: path)
      for number in 1...20 as ClosedRange<UInt8> {
        let state = [UInt8](repeating: number, count: 500)
        try ledger.channels.open(identifier(number), state: state, unixSeconds: 3)
        try ledger.channels.update(
          identifier(number), sequence: 1, amountSat: 1000, state: state, unixSeconds: 4)
      }
      original = try ledger.channels.all()
    }
    let bytes = try Files.read(path, limit: 10_000_000)
    var random = SeededGenerator(seed: seed)
    var found = 0
    for round in 0..<60 {
      var rotten = bytes
      let place = random.int(0...(round % 2 == 0 ? rotten.count - 1 : 4095))
      rotten[place] ^= 1 << UInt8(random.int(0...7))
      try put(path, rotten)
      do {
        let ledger = try Ledger(path: path)
        #expect(try ledger.channels.all() == original)
      } catch {
        found += 1
        // Nothing but SQLite's own change of the header's counters may happen to the file.
        #expect(try Files.read(path, limit: 10_000_000).count == rotten.count)
      }
      for suffix in ["-wal", "-shm"] { try Files.remove(path + suffix) }
    }
    // Most bits of a small ledger are free space; a few of 60 are enough to show that damage is found.
    #expect(found > 5)
    for length in [0, 1, 99, 100] + Array(stride(from: 1777, to: bytes.count, by: 1777)) {
      try put(path, Array(bytes[0..<length]))
      #expect(throws: StorageError.self) { try Ledger(path: path) }
    }
  }

  @Test func aLogWithoutItsLedgerIsDamage() throws {
    let scratch = try Scratch()
    let path = scratch.file("ledger.db")
    try Files.writeAtomically(path + "-wal", [1, 2, 3])
    #expect(throws: StorageError.self) { try Ledger(path: path) }
    #expect(!Files.exists(path))
  }
}
