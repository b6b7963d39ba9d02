import Bitcoin
import Bytes
import Foundation
import Hiring
import Host
import Market
import Testing

@testable import Publisher

/// What a run leaves on disk, and what is read back from it.
struct RunFolderTests {
  @Test func runsAreFoundByTheirNames() throws {
    let run = try StoredRun()
    let record = try run.folder.run(named: nil)
    #expect(record == run.pool)
    #expect(try run.folder.run(named: RunFolder.name(record.id)) == record)
    #expect(throws: RunError.usage("no run is named ffff0000ffff")) {
      try run.folder.run(named: "ffff0000ffff")
    }
    // One that is not finished comes before newer ones that are.
    var other = run.pool
    other.id = Bytes32([UInt8](repeating: 1, count: 32))
    other.isFinished = false
    other.startedUnixSeconds -= 10
    try run.folder.ledger.store([.storePool(id: other.id, other.encode())])
    #expect(try run.folder.run(named: nil) == other)
    #expect(try run.folder.runs().map(\.id) == [run.pool.id, other.id])
    #expect(try run.folder.options(of: run.pool.id) == run.options)
  }

  /// The coins of an interrupted run are in its records, however many runs there were since.
  @Test func noRunIsForgottenForThoseAfterIt() throws {
    let run = try StoredRun()
    var effects: [HiringEffect] = []
    for number in 0..<1001 {
      var other = run.pool
      let ends = [UInt8(number >> 8), UInt8(number & 255)]
      other.id = Bytes32(ends + [UInt8](repeating: 9, count: 30))
      var lease = run.lease
      lease.pool = other.id
      effects.append(.storePool(id: other.id, other.encode()))
      effects.append(.storeLease(contract: other.id, pool: other.id, lease.encode()))
    }
    try run.folder.ledger.store(effects)
    #expect(try run.folder.runs().count == 1002)
    let ledger = run.folder.ledger
    #expect(try ledger.leases(of: run.pool.id).map(\.record) == [run.lease])
    var indices: [UInt32] = []
    try ledger.forEachTask(of: run.pool.id) { (index, record) throws(RunError) in
      indices.append(index)
      #expect(record == run.tasks[Int(index)])
    }
    #expect(indices == [0, 1, 2])
    #expect(try ledger.leases(of: .zero).isEmpty)
  }

  @Test func tasksComeInTheOrderOfTheirNumbers() throws {
    let run = try StoredRun()
    let wanted: [UInt32] = [0, 1, 2, 255, 256, 65_536, 1 << 31, UInt32.max - 1]
    try run.folder.ledger.store(
      wanted.shuffled().map {
        .storeTask(TaskId(pool: run.pool.id, index: $0), run.tasks[0].encode())
      })
    var indices: [UInt32] = []
    try run.folder.ledger.forEachTask(of: run.pool.id) { (index, _) throws(RunError) in
      indices.append(index)
    }
    #expect(indices == wanted)
  }

  @Test func whatIsDamagedIsNotGuessedAt() throws {
    let run = try StoredRun()
    let id = run.contract.id
    let ledger = run.folder.ledger
    try ledger.store([.storeTask(TaskId(pool: run.pool.id, index: 1), [1, 2, 3])])
    #expect(throws: RunError.damaged("task 1 of run \(RunFolder.name(run.pool.id)) cannot be read"))
    { try ledger.forEachTask(of: run.pool.id) { (_, _) throws(RunError) in } }
    try ledger.store([.storeLeaseState(contract: id, [9])])
    #expect(
      throws: RunError.damaged("the state of the lease of contract \(id.hex) cannot be read")
    ) { try ledger.leases(of: run.pool.id) }
    try ledger.store([.storeLease(contract: id, pool: run.pool.id, [])])
    #expect(throws: RunError.damaged("the lease of contract \(id.hex) cannot be read")) {
      try ledger.leases(of: run.pool.id)
    }
    try ledger.store([.storePool(id: run.pool.id, [0])])
    #expect(throws: RunError.self) { try run.folder.runs() }
  }

  /// A run is not finished before its channels are closed; its work is done before.
  @Test func aRunWhoseWorkIsDoneIsNotTakenUp() throws {
    let run = try StoredRun()
    run.pool.isFinished = false
    try run.store()
    func isTaken(_ change: (inout RunRequest) -> Void = { _ in }) throws -> Bool {
      var request = RunRequest(offer: StoredRun.offer(), options: run.options, maxLossSat: 1)
      // What the chain asked for then says nothing about the work.
      request.offer.feeLadderSatPerKvB = [700, 90_000]
      request.offer.publisherMaxLossSat = 77
      change(&request)
      try run.folder.takeUp(&request)
      return request.former == run.pool
    }
    #expect(try !isTaken())
    run.tasks[2].state = .waiting
    try run.store()
    #expect(try isTaken())
    #expect(try isTaken { $0.options.results = "/elsewhere" })
    #expect(try run.folder.options(of: run.pool.id).results == "/elsewhere")
    #expect(try !isTaken { $0.offer.title += [0x21] })
    #expect(try !isTaken { $0.options.tasks.command.append("more") })
    #expect(try !isTaken { $0.options.map = nil })
    #expect(try !isTaken { $0.options.map?.arguments = "/other" })
    run.pool.isFinished = true
    try run.store()
    #expect(try !isTaken())
    // Not all of a map's tasks were made.
    run.tasks[2].state = .lost
    run.pool.isFinished = false
    run.pool.isComplete = false
    try run.store()
    #expect(try isTaken())
  }

  @Test func whatAPipeSaidIsNotAskedForAgain() throws {
    let run = try StoredRun()
    #expect(try !RunRequest.resuming(run.pool, in: run.folder).readsArguments)
    let file = run.path + "/arguments"
    try Files.writeAtomically(file, Array("a\n".utf8))
    var options = run.options
    options.map = MapOptions(arguments: file)
    try run.folder.replace(options, of: run.pool.id)
    let request = try RunRequest.resuming(run.pool, in: run.folder)
    #expect(request.readsArguments && request.options == options && request.former == run.pool)
  }

  @Test func closesThatAreHeldAreFoundUntilTheChannelIsSpent() throws {
    let run = try StoredRun()
    #expect(try run.folder.ledger.unclosedLeases().isEmpty)
    run.progress.stage = .settled
    try run.store()
    #expect(try run.folder.ledger.unclosedLeases() == [run.contract.id])
    // Both are spent, and nobody signed a close that is held.
    #expect(HeldCloses.read(run.folder.ledger, run.folder.walletFolder.keys).isEmpty)
  }
}
