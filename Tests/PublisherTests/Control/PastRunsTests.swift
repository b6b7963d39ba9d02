import Bytes
import Foundation
import Market
import Storage
import Testing

@testable import Publisher

/// What `zennet ps --all` finds of runs that no program works at.
extension RunFolderTests {
  private func past(without live: Set<String> = []) -> PastRuns { PastRuns(path, without: live) }

  @Test func aRunThatIsOverIsReadFromTheLedger() throws {
    defer { remove() }
    #expect(past().runs.isEmpty && past().problems.isEmpty)
    let (folder, world) = try filled()
    let record = try folder.run(named: nil)
    let summary = world.publisher.machine.summaries[0]
    let found = past()
    #expect(found.problems.isEmpty && found.notes.isEmpty)
    let run = try #require(found.runs.first)
    #expect(found.runs.count == 1 && run.run == RunFolder.name(record.id) && run.live == false)
    #expect(run.isOver && run.status == 0)
    let ended = try #require(run.endedUnixSeconds)
    #expect(abs(Double(ended) - Date().timeIntervalSince1970) < 600)
    let worker = try #require(run.workers.first)
    #expect(worker.state == "closed" && worker.exit == "exited" && worker.exitStatus == 0)
    #expect(worker.status == 0 && !worker.connected)
    #expect(worker.owedSat == summary.record.owedSat && worker.paidSat == summary.paidSat)
    #expect(worker.payments == summary.payments && worker.payments > 0)
    // One that goes on tells of itself.
    let other = past(without: [run.run])
    #expect(other.runs.isEmpty && other.problems.isEmpty && other.notes.isEmpty)
  }

  @Test func anInterruptedRunIsNotOver() throws {
    defer { remove() }
    let (folder, world) = try filled()
    var record = try folder.run(named: nil)
    record.isFinished = false
    try folder.store(RunFolder.DocumentKind.run, id: record.id, record.encode())
    // Only its record is not: nobody waited for the close.
    #expect(past().runs.first?.isOver == true)
    var hire = world.publisher.machine.summaries[0].record
    hire.stage = .running
    (hire.exit, hire.receipt) = (nil, nil)
    try folder.store(RunFolder.DocumentKind.hire, id: hire.contract.contract.id, hire.encode())
    let run = try #require(past().runs.first)
    #expect(!run.isOver && run.status == nil && run.workers[0].state == "running")
    #expect(past().problems.isEmpty)
    // What it needs to go on is damaged, which does not hide it.
    let options = folder.folder(record.id) + "/options.json"
    try Data("{".utf8).write(to: URL(fileURLWithPath: options))
    #expect(past().problems == [options + " cannot be read"] && past().runs.count == 1)
    try FileManager.default.removeItem(atPath: folder.folder(record.id))
    #expect(past().problems.count == 1 && past().runs.count == 1)
  }

  @Test func whatIsDamagedIsNamedAndHidesNothing() throws {
    defer { remove() }
    let (folder, world) = try filled()
    let id = Bytes32([UInt8](repeating: 0xab, count: 32))
    try folder.store(RunFolder.DocumentKind.run, id: id, [1, 2, 3])
    try folder.store(RunFolder.DocumentKind.hire, id: id, [])
    try FileManager.default.createDirectory(
      atPath: path + "/runs/stray", withIntermediateDirectories: true)
    let found = past()
    #expect(found.runs.count == 1)
    #expect(
      found.problems == [
        "run abababababab cannot be read", "the job of contract \(id.hex) cannot be read",
      ])
    let contract = world.publisher.machine.summaries[0].contract.id
    try folder.storeChannel(contract, sequence: 1 << 40, amountSat: 1 << 40, [7])
    #expect(past().problems.count == 3 && past().runs[0].workers[0].paidSat == 0)
    #expect(found.notes == [path + "/runs/stray: the ledger has no such run"])
    for end in ["-wal", "-shm"] {
      try? FileManager.default.removeItem(atPath: path + "/ledger.db" + end)
    }
    try Data(repeating: 0x5a, count: 8192).write(to: URL(fileURLWithPath: path + "/ledger.db"))
    #expect(past().runs.isEmpty && past().problems.count == 1)
  }

  @Test func onlyTheNewestAreRead() throws {
    defer { remove() }
    let (folder, _) = try filled()
    var record = try folder.run(named: nil)
    let first = record.startedUnixSeconds
    try folder.ledger.transaction { () throws(StorageError) in
      for number in 1...UInt64(PastRuns.mostRuns) {
        var writer = ByteWriter()
        for _ in 0..<4 { writer.u64le(number) }
        record.id = Bytes32(exactly: writer.bytes) ?? .zero
        record.startedUnixSeconds = first + number
        try folder.ledger.documents.put(
          .init(
            kind: RunFolder.DocumentKind.run, id: record.id,
            unixSeconds: UInt64(Date().timeIntervalSince1970) + number, body: record.encode()))
      }
    }
    let found = past()
    #expect(found.runs.count == PastRuns.mostRuns)
    #expect(found.notes == ["only the 1000 newest runs are shown"])
    let starts = found.runs.map(\.startedUnixSeconds)
    #expect(starts == starts.sorted(by: >) && starts.last == first + 1)
  }
}
