import Bitcoin
import Bytes
import Foundation
import Host
import Market
import Storage
import Testing
import Wallet

@testable import Publisher

/// What a run leaves on disk, and what is read back from it.
struct RunFolderTests {
  let path = NSTemporaryDirectory() + "zennet-run-\(UUID().uuidString)"

  func remove() { try? FileManager.default.removeItem(atPath: path) }

  /// A finished run, its disk copied into a real folder of the same wallet.
  func filled() throws -> (RunFolder, World) {
    let world = try RunTests.world([FakeMachine.Behaviour()])
    #expect(world.run { world.publisher.machine.isFinished })
    try WalletFolder.create(
      path: path, phrase: Phrase(entropy: [UInt8](repeating: 7, count: 16)), bornUnixSeconds: 0)
    let folder = try RunFolder(path: path, network: .regtest)
    let disk = world.publisher.disk
    let run = try #require(world.publisher.machine.runRecord)
    var options = RunOptions(
      network: "regtest", challenge: nil, peers: ["127.0.0.1:1"], listen: "127.0.0.1:0")
    options.results = "/nowhere"
    try folder.keep(options, bundles: world.publisher.plan.bundles, id: run.id)
    try folder.store(RunFolder.DocumentKind.run, id: run.id, try #require(disk.run))
    for (id, body) in disk.hires { try folder.store(RunFolder.DocumentKind.hire, id: id, body) }
    for (id, channel) in disk.channels {
      try folder.storeChannel(
        id, sequence: channel.sequence, amountSat: channel.amountSat, channel.state)
    }
    try folder.storeChannelIndex(disk.channelIndex)
    return (folder, world)
  }

  /// The coins of an interrupted run are in its records, however many runs there were since.
  @Test func noRunIsForgottenForThoseAfterIt() throws {
    defer { remove() }
    let (folder, world) = try filled()
    let first = try folder.run(named: nil)
    var hire = world.publisher.machine.summaries[0].record
    hire.run = Bytes32([UInt8](repeating: 1, count: 32))
    let later = Clock.unixSeconds() + 10
    try folder.ledger.database.transaction { () throws(StorageError) in
      for number in 0..<1001 {
        let ends = [UInt8(number >> 8), UInt8(number & 255)]
        let id = Bytes32(ends + [UInt8](repeating: 9, count: 30))
        let kinds = [RunFolder.DocumentKind.hire, RunFolder.DocumentKind.run]
        for (kind, body) in zip(kinds, [hire.encode(), first.encode()]) {
          try folder.ledger.documents.put(
            StoredDocument(kind: kind, id: id, unixSeconds: later, body: body))
        }
      }
    }
    #expect(try folder.runs().count == 1002)
    #expect(try folder.hires(of: first.id).count == 1)
  }

  @Test func theReceiptIsReadBackFromTheLedger() throws {
    defer { remove() }
    let (folder, world) = try filled()
    let record = try folder.run(named: nil)
    #expect(record == world.publisher.machine.runRecord)
    #expect(try folder.run(named: RunFolder.name(record.id)) == record)
    let receipt = try RunReceipt(folder, run: record, networkName: "regtest", seconds: 1.5)
    let summary = world.publisher.machine.summaries[0]
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(receipt.json.utf8)) as? [String: Any])
    #expect(object["network"] as? String == "regtest")
    #expect(object["announcement_txid"] as? String == record.announcement.txid.reversed.hex)
    #expect(object["seconds"] as? Double == 1.5)
    #expect(object["status"] as? Int == 0)
    let job = try #require((object["jobs"] as? [[String: Any]])?.first)
    #expect(job["worker"] as? String == world.machines[0].secrets.identity.publicKey.hex)
    #expect(job["contract"] as? String == summary.contract.id.hex)
    #expect(job["report_signature_ok"] as? Bool == true)
    #expect(job["receipt_signatures_ok"] as? Bool == true)
    #expect(job["funding_txid"] as? String == summary.funding?.txid.reversed.hex)
    #expect(job["funding_height"] as? Int == summary.fundingHeight.map(Int.init))
    #expect(job["capacity_sat"] as? UInt64 == summary.contract.terms.capacitySat)
    #expect(job["payments"] as? UInt64 == summary.payments)
    #expect(job["owed_sat"] as? UInt64 == summary.record.owedSat)
    #expect(job["paid_sat"] as? UInt64 == summary.paidSat)
    #expect(job["close_txid"] as? String == summary.spend?.txid.reversed.hex)
    #expect(job["close_height"] as? Int == summary.spendHeight.map(Int.init))
    #expect(
      job["payout_address"] as? String
        == Address.text(scriptPubKey: world.machines[0].payoutScript, network: .regtest))
    #expect(job["payout_sat"] as? UInt64 == summary.spend?.payoutSat)
    #expect(job["exit_status"] as? Int == 0)
    #expect((job["usage"] as? [String: UInt64])?["wall_ms"] == summary.record.usage.wallMs)
  }

  /// As `zennet run` exited, so says the receipt later.
  @Test func theReceiptSaysWithWhichStatusTheRunEnds() throws {
    defer { remove() }
    let (folder, world) = try filled()
    var record = try folder.run(named: nil)
    func statuses() throws -> [UInt8?] {
      let receipt = try RunReceipt(folder, run: record, networkName: "regtest", seconds: 0)
      return [receipt.status] + receipt.jobs.map(\.status)
    }
    let mark = folder.folder(record.id) + "/worker-0.packed"
    try Data().write(to: URL(fileURLWithPath: mark))
    #expect(try statuses() == [206, 206])
    try FileManager.default.removeItem(atPath: mark)
    var hire = world.publisher.machine.summaries[0].record
    func store() throws {
      try folder.store(RunFolder.DocumentKind.hire, id: hire.contract.contract.id, hire.encode())
    }
    hire.resultsAreHeld = false
    try store()
    #expect(try statuses() == [205, 205])
    hire.exit?.status = 7
    try store()
    #expect(try statuses() == [7, 7])
    hire.exit = nil
    try store()
    #expect(try statuses() == [204, 204])
    // It runs still.
    hire.stage = .running
    try store()
    #expect(try statuses() == [nil, nil])
    // Nobody was hired: only who stops a run has that.
    hire.stage = .abandoned
    try store()
    #expect(try statuses() == [202])
    record.isFinished = false
    #expect(try statuses() == [nil])
  }

  @Test func whatARunNeedsToGoOnIsKept() throws {
    defer { remove() }
    let (folder, world) = try filled()
    let record = try folder.run(named: nil)
    #expect(try folder.bundles(of: record) == world.publisher.plan.bundles)
    #expect(try folder.options(of: record.id).results == "/nowhere")
    #expect(try folder.channelIndex() == 1)
    #expect(try folder.hires(of: record.id).count == 1)
    #expect(try folder.hires(of: .zero).isEmpty)
    #expect(throws: RunError.usage("no run is named ffff0000ffff")) {
      try folder.run(named: "ffff0000ffff")
    }
  }

  /// The run is not finished before the machine has closed its channel; its work is done before.
  @Test func aRunWhoseWorkIsDoneIsNotTakenUp() throws {
    defer { remove() }
    let (folder, world) = try filled()
    var record = try folder.run(named: nil)
    record.isFinished = false
    try folder.store(RunFolder.DocumentKind.run, id: record.id, record.encode())
    #expect(try folder.interrupted(record.offer) == nil)
    var hire = world.publisher.machine.summaries[0].record
    hire.receipt = nil
    try folder.store(RunFolder.DocumentKind.hire, id: hire.contract.contract.id, hire.encode())
    #expect(try folder.interrupted(record.offer)?.id == record.id)
    var other = record.offer
    other.title += [0x21]
    #expect(try folder.interrupted(other) == nil)
  }

  @Test func aDamagedHireIsNotGuessedAt() throws {
    defer { remove() }
    let (folder, world) = try filled()
    let record = try folder.run(named: nil)
    let id = world.publisher.machine.summaries[0].contract.id
    try folder.store(RunFolder.DocumentKind.hire, id: id, [1, 2, 3])
    #expect(throws: RunError.damaged("hire " + id.hex + " cannot be read")) {
      try folder.hires(of: record.id)
    }
  }

  @Test func aFolderBecomesTheSameBundleEveryTime() throws {
    defer { remove() }
    for name in ["b/two", "a/one"] {
      let file = path + "/in/" + name
      try FileManager.default.createDirectory(
        atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try Data(name.utf8).write(to: URL(fileURLWithPath: file))
    }
    let bundle = try FolderBundle.make(path + "/in")
    #expect(try FolderBundle.make(path + "/in") == bundle)
    #expect(bundle.prefix(4) == [0x28, 0xb5, 0x2f, 0xfd])
    #expect(throws: RunError.self) { try FolderBundle.make(path + "/none") }
  }
}
