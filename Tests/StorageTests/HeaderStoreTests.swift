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
    try store.store(fromHeight: 100, heights.map { header($0) }, workBefore: [1, 2])
    try store.storeFilterHeaders(fromHeight: 100, heights.prefix(4).map { filter($0) })
    #expect(
      try store.load()
        == StoredChain(
          baseHeight: 100, workBefore: [1, 2], headers: heights.map { header($0) },
          filterHeaders: heights.prefix(4).map { filter($0) }))
    #expect(try store.nextHeight() == 110 && store.nextFilterHeight() == 104)
  }

  @Test func aReorganisationReplacesWhatIsAbove() throws {
    let store = try store()
    let heights = UInt32(0)..<10
    try store.store(fromHeight: 0, heights.map { header($0) }, workBefore: [])
    try store.storeFilterHeaders(fromHeight: 0, heights.map { filter($0) })
    try store.store(fromHeight: 7, [header(7, branch: 1)], workBefore: [9])
    let chain = try #require(try store.load())
    #expect(chain.headers == (0..<7).map { header($0) } + [header(7, branch: 1)])
    #expect(chain.filterHeaders == (0..<7).map { filter($0) })
    #expect(chain.workBefore == [])
    // A filter header that is corrected takes those above with it.
    try store.storeFilterHeaders(fromHeight: 3, [filter(3, branch: 1)])
    #expect(try store.nextFilterHeight() == 4)
    #expect(try store.load()?.filterHeaders[3] == filter(3, branch: 1))
  }

  @Test func dropsWhatIsOld() throws {
    let store = try store()
    try store.store(fromHeight: 0, (0..<10).map { header($0) }, workBefore: [0])
    try store.drop(belowHeight: 6, workBefore: [6])
    let chain = try #require(try store.load())
    #expect(chain.baseHeight == 6 && chain.workBefore == [6])
    #expect(chain.headers == (6..<10).map { header($0) })
    // A new start at another height takes its own base.
    try store.store(fromHeight: 2, [header(2)], workBefore: [2])
    #expect(try store.load()?.workBefore == [2])
  }

  @Test func refusesGaps() throws {
    let store = try store()
    try store.store(fromHeight: 5, [header(5)], workBefore: [])
    #expect(throws: StorageError.gap(expected: 6, offered: 7)) {
      try store.store(fromHeight: 7, [header(7)], workBefore: [])
    }
    #expect(throws: StorageError.gap(expected: 5, offered: 6)) {
      try store.storeFilterHeaders(fromHeight: 6, [filter(6)])
    }
    #expect(throws: StorageError.gap(expected: 6, offered: 6)) {
      try store.storeFilterHeaders(fromHeight: 5, [filter(5), filter(6)])
    }
    #expect(throws: StorageError.tooLarge(bytes: 79, limit: 80)) {
      try store.store(fromHeight: 6, [Array(header(6).dropLast())], workBefore: [])
    }
    #expect(try store.load()?.headers == [header(5)])
    #expect(try store.load()?.filterHeaders == [])
  }

  /// Against an obvious model: two arrays.
  @Test(arguments: [1, 2, 3] as [UInt64])
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
        let from = headers.isEmpty ? 0 : UInt32(random.int(Int(base)...Int(next)))
        let more = (0..<UInt32(random.int(1...5))).map { header(from + $0, branch: branch) }
        try store.store(fromHeight: from, more, workBefore: [branch])
        if headers.isEmpty { base = from }
        headers = headers.prefix(Int(from - base)) + more
        filters = Array(filters.prefix(Int(from - base)))
      case 2 where !headers.isEmpty:
        let from = random.int(0...filters.count)
        let more = (0..<random.int(0...(headers.count - from))).map {
          filter(base + UInt32(from + $0), branch: branch)
        }
        try store.storeFilterHeaders(fromHeight: base + UInt32(from), more)
        filters = filters.prefix(from) + more
      case 3 where headers.count > 4:
        let gone = random.int(0...3)
        base += UInt32(gone)
        headers.removeFirst(gone)
        filters.removeFirst(min(gone, filters.count))
        try store.drop(belowHeight: base, workBefore: [])
      default: break
      }
      guard !headers.isEmpty else { continue }
      let chain = try #require(try store.load())
      #expect(chain.baseHeight == base)
      #expect(chain.headers == headers)
      #expect(chain.filterHeaders == filters)
    }
  }
}
