import Bytes
import TestSupport
import Testing

@testable import Storage

@Suite struct HeaderStoreTests {
  private func store() throws -> HeaderStore { try ChainCache(path: ":memory:").headers }

  @Test func startsEmpty() throws {
    let store = try store()
    #expect(try store.load() == nil)
    #expect(try store.nextHeight() == nil)
    #expect(try store.nextFilterHeight() == 0)
  }

  @Test func keepsHeadersAndFilterHeaders() throws {
    let store = try store()
    let heights = UInt32(100)..<110
    try store.store(fromHeight: 100, heights.flatMap { header($0) }, workBefore: [1, 2])
    try store.storeFilterHeaders(fromHeight: 100, heights.prefix(4).map { filter($0) })
    #expect(
      try store.load()
        == StoredChain(
          baseHeight: 100, workBefore: [1, 2], headers: heights.flatMap { header($0) },
          filterHeaders: heights.prefix(4).map { filter($0) }))
    #expect(try store.nextHeight() == 110 && store.nextFilterHeight() == 104)
  }

  @Test func aReorganisationReplacesWhatIsAbove() throws {
    let store = try store()
    let heights = UInt32(0)..<10
    try store.store(fromHeight: 0, heights.flatMap { header($0) }, workBefore: [])
    try store.storeFilterHeaders(fromHeight: 0, heights.map { filter($0) })
    try store.store(fromHeight: 7, header(7, branch: 1), workBefore: [9])
    let chain = try #require(try store.load())
    #expect(chain.headers == (0..<7).flatMap { header($0) } + header(7, branch: 1))
    #expect(chain.filterHeaders == (0..<7).map { filter($0) })
    #expect(chain.workBefore == [])
    // A filter header that is corrected takes those above with it.
    try store.storeFilterHeaders(fromHeight: 3, [filter(3, branch: 1)])
    #expect(try store.nextFilterHeight() == 4)
    #expect(try store.load()?.filterHeaders[3] == filter(3, branch: 1))
  }

  @Test func dropsWhatIsOld() throws {
    let store = try store()
    try store.store(fromHeight: 0, (0..<10).flatMap { header($0) }, workBefore: [0])
    try store.drop(belowHeight: 6, workBefore: [6])
    let chain = try #require(try store.load())
    #expect(chain.baseHeight == 6 && chain.workBefore == [6])
    #expect(chain.headers == (6..<10).flatMap { header($0) })
    // A new start at another height takes its own base.
    try store.store(fromHeight: 2, header(2), workBefore: [2])
    #expect(try store.load()?.workBefore == [2])
  }

  @Test func refusesGaps() throws {
    let store = try store()
    try store.store(fromHeight: 5, header(5), workBefore: [])
    #expect(throws: StorageError.gap(expected: 6, offered: 7)) {
      try store.store(fromHeight: 7, header(7), workBefore: [])
    }
    #expect(throws: StorageError.gap(expected: 5, offered: 6)) {
      try store.storeFilterHeaders(fromHeight: 6, [filter(6)])
    }
    #expect(throws: StorageError.gap(expected: 6, offered: 6)) {
      try store.storeFilterHeaders(fromHeight: 5, [filter(5), filter(6)])
    }
    #expect(throws: StorageError.tooLarge(bytes: 79, limit: 80)) {
      try store.store(fromHeight: 6, Array(header(6).dropLast()), workBefore: [])
    }
    #expect(try store.load()?.headers == header(5))
    #expect(try store.load()?.filterHeaders == [])
  }

  /// Against an obvious model: two arrays. Batches and cuts are such that rows are begun, filled,
  /// cut and dropped in part.
  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func behavesAsArraysDo(_ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let store = try store()
    var base: UInt32 = 0
    var headers: [[UInt8]] = []
    var filters: [Bytes32] = []
    for round in 0..<300 {
      let branch = UInt8(truncatingIfNeeded: round)
      let next = base + UInt32(headers.count)
      switch random.int(0...3) {
      case 0, 1:
        let least = random.int(0...3) == 0 ? Int(base) : max(Int(base), Int(next) - 3)
        let from = headers.isEmpty ? 0 : UInt32(random.int(least...Int(next)))
        let count = random.int(0...2) == 0 ? 160 : 3
        let more = (0..<UInt32(random.int(1...count))).map { header(from + $0, branch: branch) }
        try store.store(fromHeight: from, more.flatMap { $0 }, workBefore: [branch])
        if headers.isEmpty || from <= base { base = from }
        headers = headers.prefix(Int(from - base)) + more
        filters = Array(filters.prefix(Int(from - base)))
      case 2 where !headers.isEmpty:
        let from = random.int(0...1) == 0 ? filters.count : random.int(0...filters.count)
        let more = (0..<random.int(0...(headers.count - from))).map {
          filter(base + UInt32(from + $0), branch: branch)
        }
        try store.storeFilterHeaders(fromHeight: base + UInt32(from), more)
        filters = filters.prefix(from) + more
      case 3 where headers.count > 4:
        let gone = random.int(0...min(90, headers.count - 1))
        base += UInt32(gone)
        headers.removeFirst(gone)
        filters.removeFirst(min(gone, filters.count))
        try store.drop(belowHeight: base, workBefore: [])
      default: break
      }
      guard !headers.isEmpty else { continue }
      let chain = try #require(try store.load())
      let isSame = chain.headers == headers.flatMap { $0 } && chain.filterHeaders == filters
      #expect(chain.baseHeight == base && isSame, "round \(round)")
      #expect(try store.nextHeight() == base + UInt32(headers.count))
      #expect(try store.nextFilterHeight() == base + UInt32(filters.count))
    }
  }

  /// A tip that grows by one block after the other writes a page or two for each: flash is worn by
  /// pages. And a thousand such blocks are as few rows as if they had come in one list.
  @Test func aTipThatGrowsWritesLittle() throws {
    let cache = try ChainCache(path: ":memory:")
    for height in 0..<1000 as Range<UInt32> {
      try cache.headers.store(fromHeight: height, header(height), workBefore: [])
      try cache.headers.storeFilterHeaders(fromHeight: height, [filter(height)])
    }
    for (table, rows) in [("headers", 20), ("filters", 8)] {
      let statement = try cache.database.prepare(
        "SELECT count(*), max(length(bytes)) FROM " + table)
      #expect(try statement.step())
      #expect(try statement.u64(0) == UInt64(rows))
      // As long as a page can hold in one cell.
      #expect(try statement.u64(1) == 4000)
    }
    let chain = try #require(try cache.headers.load())
    let expected = (0..<1000).flatMap { header($0) }
    #expect(chain.headerCount == 1000 && chain.filterHeaders.count == 1000)
    #expect(chain.headers == expected ? true : false)
  }

  /// Every bit of a row is covered by its checksum, and so is its place among the rows.
  @Test func everyBitOfARowIsChecked() throws {
    let cache = try ChainCache(path: ":memory:")
    let heights = UInt32(0)..<400
    try cache.headers.store(fromHeight: 0, heights.flatMap { header($0) }, workBefore: [])
    try cache.headers.storeFilterHeaders(fromHeight: 0, heights.map { filter($0) })
    for (table, start) in [("headers", 50), ("filters", 125)] as [(String, UInt64)] {
      let read = try cache.database.prepare("SELECT bytes FROM " + table + " WHERE height = ?")
      let write = try cache.database.prepare(
        "UPDATE " + table + " SET bytes = ? WHERE height = ?")
      try read.bind(1, start)
      #expect(try read.step())
      let bytes = try read.blob(0, limit: 4000)
      read.reset()
      func load(_ bytes: [UInt8]) throws -> StoredChain? {
        try write.bind(1, bytes)
        try write.bind(2, start)
        try write.run()
        return try cache.headers.load()
      }
      for bit in stride(from: 0, to: 32_000, by: 61) {
        var rotten = bytes
        rotten[bit / 8] ^= 1 << UInt8(bit % 8)
        #expect(throws: StorageError.self, "\(table), bit \(bit)") { try load(rotten) }
      }
      #expect(throws: StorageError.self) { try load(Array(bytes.dropLast(32 * 5))) }
      #expect(try load(bytes) != nil)
      for change in ["height = height + 1", "sum = sum + 1"] {
        try cache.database.execute("SAVEPOINT rot")
        try cache.database.execute("UPDATE \(table) SET \(change) WHERE height = \(start)")
        #expect(throws: StorageError.self, "\(change)") { try cache.headers.load() }
        try cache.database.execute("ROLLBACK TO rot; RELEASE rot")
      }
      try cache.database.execute("SAVEPOINT rot; DELETE FROM \(table) WHERE height = \(start)")
      #expect(throws: StorageError.self) { try cache.headers.load() }
      try cache.database.execute("ROLLBACK TO rot; RELEASE rot")
    }
    #expect(try cache.headers.load()?.headerCount == 400)
  }
}
