import Bytes
import Channel
import Foundation
import Hiring
import Testing

@testable import Publisher

/// What `zennet ps --all` finds of runs that no program works at.
struct PastRunsTests {
  private func past(_ run: StoredRun, without live: Set<String> = []) -> PastRuns {
    PastRuns(run.path, without: live)
  }

  @Test func aRunThatIsOverIsReadFromTheLedger() throws {
    let stored = try StoredRun()
    let found = past(stored)
    #expect(found.problems.isEmpty && found.notes.isEmpty)
    let run = try #require(found.runs.first)
    #expect(found.runs.count == 1 && run.run == RunFolder.name(stored.pool.id))
    #expect(run.live == false && run.map && run.isOver && run.status == 7)
    #expect(run.tasks.all == 3 && run.tasks.ended == 3 && run.tasks.failed == 1)
    #expect(run.command == ["/bin/true"])
    let ended = try #require(run.endedUnixSeconds)
    #expect(abs(Double(ended) - Date().timeIntervalSince1970) < 600)
    let worker = try #require(run.workers.first)
    #expect(worker.state == "closed" && worker.exit == "exited" && worker.exitStatus == 0)
    #expect(worker.status == 0 && !worker.connected && worker.topUps == 1)
    #expect(worker.owedSat == stored.contract.owedSat(StoredRun.usage))
    #expect(worker.paidSat == 1500 && worker.payments == 3 && worker.processors == 2)
    #expect(worker.isolation == "full" && worker.usage["reserved_ms"] == 9500)
    // One that goes on tells of itself.
    let other = past(stored, without: [run.run])
    #expect(other.runs.isEmpty && other.problems.isEmpty && other.notes.isEmpty)
  }

  @Test func anInterruptedRunIsNotOver() throws {
    let stored = try StoredRun()
    stored.pool.isFinished = false
    stored.progress.stage = .settled
    try stored.store()
    // Only its record is not: nobody waited for the close.
    #expect(past(stored).runs.first?.isOver == true)
    stored.progress.stage = .open
    stored.tasks[2].state = .assigned(lease: stored.contract.id, number: 3)
    try stored.store()
    let run = try #require(past(stored).runs.first)
    #expect(!run.isOver && run.status == nil && run.workers[0].state == "open")
    #expect(past(stored).problems.isEmpty)
    // What it needs to go on is damaged, which does not hide it.
    let options = stored.folder.folder(stored.pool.id) + "/options.json"
    try Data("{".utf8).write(to: URL(fileURLWithPath: options))
    #expect(past(stored).problems == [options + " cannot be read"])
    #expect(past(stored).runs.count == 1)
    try FileManager.default.removeItem(atPath: stored.folder.folder(stored.pool.id))
    #expect(past(stored).problems.count == 1 && past(stored).runs.count == 1)
  }

  @Test func whatIsDamagedIsNamedAndHidesNothing() throws {
    let stored = try StoredRun()
    let id = Bytes32([UInt8](repeating: 0xab, count: 32))
    try stored.folder.ledger.store([
      .storePool(id: id, [1, 2, 3]), .storeLease(contract: id, pool: stored.pool.id, []),
      .storeTask(TaskId(pool: stored.pool.id, index: 2), []),
    ])
    try FileManager.default.createDirectory(
      atPath: stored.path + "/runs/stray", withIntermediateDirectories: true)
    let found = past(stored)
    #expect(found.runs.count == 1)
    #expect(
      Set(found.problems) == [
        "run abababababab cannot be read", "the lease of contract \(id.hex) cannot be read",
        "task 2 of run \(RunFolder.name(stored.pool.id)) cannot be read",
      ])
    #expect(found.notes == [stored.path + "/runs/stray: the ledger has no such run"])
    for end in ["-wal", "-shm"] {
      try? FileManager.default.removeItem(atPath: stored.path + "/ledger.db" + end)
    }
    try Data(repeating: 0x5a, count: 8192).write(
      to: URL(fileURLWithPath: stored.path + "/ledger.db"))
    #expect(past(stored).runs.isEmpty && past(stored).problems.count == 1)
  }

  @Test func onlyTheNewestAreRead() throws {
    let stored = try StoredRun()
    let first = stored.pool.startedUnixSeconds
    var effects: [HiringEffect] = []
    for number in 1...UInt64(PastRuns.mostRuns) {
      var record = stored.pool
      var writer = ByteWriter()
      for _ in 0..<4 { writer.u64le(number) }
      record.id = Bytes32(exactly: writer.bytes) ?? .zero
      record.startedUnixSeconds = first + number
      effects.append(.storePool(id: record.id, record.encode()))
    }
    try stored.folder.ledger.store(effects)
    let found = past(stored)
    #expect(found.runs.count == PastRuns.mostRuns)
    #expect(found.notes == ["only the 1000 newest runs are shown"])
    let starts = found.runs.map(\.startedUnixSeconds)
    #expect(starts == starts.sorted(by: >))
  }
}
