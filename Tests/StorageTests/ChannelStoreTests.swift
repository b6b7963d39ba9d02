import Bytes
import Host
import TestSupport
import Testing

@testable import Storage

@Suite struct ChannelStoreTests {
  private let contract = identifier(1)

  private func ledger() throws -> Ledger { try Ledger(path: ":memory:") }

  @Test func keepsTheLastState() throws {
    let channels = try ledger().channels
    #expect(try channels.load(contract) == nil)
    try channels.open(contract, state: [1], unixSeconds: 10)
    #expect(throws: StorageError.exists) {
      try channels.open(contract, state: [2], unixSeconds: 11)
    }
    try channels.update(contract, sequence: 1, amountSat: 5, state: [2], unixSeconds: 12)
    try channels.update(contract, sequence: 4, amountSat: 5, state: [3], unixSeconds: 13)
    // The same payment, and something else is known: the funding is confirmed, for example.
    try channels.update(contract, sequence: 4, amountSat: 5, state: [4], unixSeconds: 14)
    let expected = ChannelRecord(
      contract: contract, sequence: 4, amountSat: 5, state: [4], updatedUnixSeconds: 14,
      isClosed: false)
    #expect(try channels.load(contract) == expected)
    #expect(try channels.all() == [expected])
  }

  @Test func neverGoesBackwards() throws {
    let channels = try ledger().channels
    try channels.open(contract, state: [1], unixSeconds: 0)
    try channels.update(contract, sequence: 5, amountSat: 100, state: [2], unixSeconds: 1)
    for (sequence, amountSat) in [(UInt64(4), UInt64(200)), (6, 99), (5, 101), (5, 99), (0, 0)] {
      #expect(throws: StorageError.backwards(storedSequence: 5, storedAmountSat: 100)) {
        try channels.update(
          contract, sequence: sequence, amountSat: amountSat, state: [3], unixSeconds: 2)
      }
    }
    #expect(try channels.load(contract)?.state == [2])
    #expect(throws: StorageError.outOfRange(UInt64.max)) {
      try channels.update(
        contract, sequence: UInt64.max, amountSat: 100, state: [], unixSeconds: 2)
    }
    #expect(throws: StorageError.unknown) {
      try channels.update(identifier(2), sequence: 1, amountSat: 1, state: [], unixSeconds: 2)
    }
    let limit = ChannelStore.stateLimit
    #expect(throws: StorageError.tooLarge(bytes: limit + 1, limit: limit)) {
      try channels.update(
        contract, sequence: 6, amountSat: 100, state: [UInt8](repeating: 0, count: limit + 1),
        unixSeconds: 2)
    }
    #expect(try channels.load(contract)?.sequence == 5)
  }

  /// Storing begins a contract and then is held to the rules of updating.
  @Test func storingBeginsAndThenOnlyAdvances() throws {
    let channels = try ledger().channels
    func store(_ sequence: UInt64, _ amountSat: UInt64, _ state: [UInt8]) throws(StorageError) {
      try channels.store(
        contract, sequence: sequence, amountSat: amountSat, state: state, unixSeconds: 1)
    }
    try store(0, 0, [1])
    try store(3, 70, [2])
    #expect(throws: StorageError.backwards(storedSequence: 3, storedAmountSat: 70)) {
      try store(4, 69, [3])
    }
    #expect(try channels.load(contract)?.state == [2])
    try channels.close(contract, state: [4], unixSeconds: 2)
    #expect(throws: StorageError.closed) { try store(5, 80, [5]) }
    #expect(try channels.load(contract)?.state == [4])
  }

  @Test func aClosedChannelStaysAsItIs() throws {
    let channels = try ledger().channels
    try channels.open(contract, state: [], unixSeconds: 0)
    try channels.open(identifier(2), state: [], unixSeconds: 0)
    try channels.update(contract, sequence: 7, amountSat: 70, state: [7], unixSeconds: 1)
    try channels.close(contract, state: [9], unixSeconds: 300)
    #expect(try channels.all().map { $0.contract } == [identifier(2)])
    let closed = try #require(try channels.load(contract))
    #expect(closed.isClosed && closed.sequence == 7 && closed.state == [9])
    #expect(try channels.all(includingClosed: true).count == 2)
    #expect(throws: StorageError.closed) {
      try channels.update(contract, sequence: 201, amountSat: 300, state: [], unixSeconds: 301)
    }
    #expect(throws: StorageError.closed) {
      try channels.close(contract, state: [], unixSeconds: 301)
    }
    #expect(throws: StorageError.exists) {
      try channels.open(contract, state: [], unixSeconds: 301)
    }
    #expect(try channels.load(contract) == closed)
  }

  /// Storing may begin a channel of which payments are known already.
  @Test func storingBeginsAnywhere() throws {
    let channels = try ledger().channels
    try channels.store(contract, sequence: 3, amountSat: 70, state: [1], unixSeconds: 5)
    let stored = try #require(try channels.load(contract))
    #expect(stored.sequence == 3 && stored.amountSat == 70 && !stored.isClosed)
  }

  /// States of every length in turn, on pages that hold several, and each on its own.
  @Test func manyChannelsKeepTheirStates() throws {
    let scratch = try Scratch()
    let path = scratch.file("ledger.db")
    var random = SeededGenerator(seed: 31)
    var expected: [UInt8: ChannelRecord] = [:]
    do {
      let channels = try Ledger(path: path).channels
      for round in 1...400 as ClosedRange<UInt64> {
        let number = UInt8(random.int(1...30))
        let length = random.once(in: 10) ? random.int(3000...9000) : random.int(600...1200)
        let record = ChannelRecord(
          contract: identifier(number), sequence: round, amountSat: round * 10,
          state: random.bytes(length), updatedUnixSeconds: round, isClosed: false)
        try channels.store(
          record.contract, sequence: round, amountSat: record.amountSat, state: record.state,
          unixSeconds: round)
        expected[number] = record
      }
    }
    let channels = try Ledger(path: path).channels
    for (number, record) in expected { #expect(try channels.load(identifier(number)) == record) }
    #expect(try channels.all().count == expected.count)
  }

  @Test func severalStoresCommitAsOne() throws {
    let ledger = try ledger()
    let document = StoredDocument(kind: 1, id: contract, unixSeconds: 5, body: [1, 2])
    #expect(throws: StorageError.unknown) {
      try ledger.transaction { () throws(StorageError) in
        try ledger.documents.put(document)
        try ledger.channels.update(
          contract, sequence: 1, amountSat: 1, state: [], unixSeconds: 1)
      }
    }
    #expect(try ledger.documents.get(kind: 1, id: contract) == nil)
    try ledger.transaction { () throws(StorageError) in
      try ledger.documents.put(document)
      try ledger.channels.open(contract, state: [], unixSeconds: 1)
    }
    #expect(try ledger.documents.get(kind: 1, id: contract) == document)
  }

  @Test func survivesReopening() throws {
    let scratch = try Scratch()
    let path = scratch.file("ledger.db")
    do {
      let ledger = try Ledger(path: path)
      try ledger.channels.open(contract, state: [1, 2, 3], unixSeconds: 1)
      try ledger.values(space: 1).put("birthday", [7])
    }
    let ledger = try Ledger(path: path)
    #expect(try ledger.channels.load(contract)?.state == [1, 2, 3])
    #expect(try ledger.values(space: 1).get("birthday") == [7])
  }
}
