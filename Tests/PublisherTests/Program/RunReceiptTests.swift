import Bitcoin
import Bytes
import Foundation
import Hiring
import Host
import Market
import Testing

@testable import Publisher

/// What a run came to, read back from the ledger.
struct RunReceiptTests {
  private func json(_ run: StoredRun) throws -> [String: Any] {
    let receipt = try RunReceipt(
      run.folder, run: run.folder.run(named: nil), networkName: "regtest", seconds: 1.5)
    return try #require(
      try JSONSerialization.jsonObject(with: Data(receipt.json.utf8)) as? [String: Any])
  }

  @Test func aLeaseHasItsChannelsAndTasks() throws {
    let run = try StoredRun()
    let object = try json(run)
    #expect(object["network"] as? String == "regtest" && object["seconds"] as? Double == 1.5)
    #expect(object["run"] as? String == RunFolder.name(run.pool.id))
    #expect(object["announcement_txid"] as? String == run.pool.announcement.txid.reversed.hex)
    #expect(object["announcement_height"] as? Int == 101 && object["status"] as? Int == 7)
    let jobs = try #require(object["jobs"] as? [[String: Any]])
    let job = try #require(jobs.first)
    #expect(jobs.count == 1 && job["worker"] as? String == StoredRun.provider.publicKey.hex)
    #expect(job["contract"] as? String == run.contract.id.hex)
    #expect(job["report_signature_ok"] as? Bool == true)
    #expect(job["receipt_signatures_ok"] as? Bool == true)
    #expect(job["capacity_sat"] as? Int == 120_000 && job["paid_sat"] as? Int == 1500)
    #expect(job["payments"] as? Int == 3 && job["payout_sat"] as? Int == 1500)
    #expect(job["owed_sat"] as? UInt64 == run.contract.owedSat(StoredRun.usage))
    #expect(job["funding_height"] as? Int == 102 && job["close_height"] as? Int == 110)
    #expect(
      job["payout_address"] as? String
        == Address.text(scriptPubKey: StoredRun.payoutScript, network: .regtest))
    #expect(job["exit"] as? String == "exited" && job["exit_status"] as? Int == 0)
    #expect(job["status"] as? Int == 7)
    let usage = try #require(job["usage"] as? [String: Int])
    #expect(usage["cpu_ms"] == 4000 && usage["reserved_ms"] == 9500)
    let topUps = try #require(job["top_ups"] as? [[String: Any]])
    #expect(topUps.count == 1 && topUps[0]["number"] as? Int == 1)
    #expect(topUps[0]["paid_sat"] as? Int == 500 && topUps[0]["payout_sat"] as? Int == 500)
    #expect(topUps[0]["funding_txid"] as? String == job["funding_txid"] as? String)
    #expect(topUps[0]["close_height"] as? Int == 111)
    #expect(topUps[0]["close_txid"] as? String != job["close_txid"] as? String)
    let tasks = try #require(job["tasks"] as? [[String: Any]])
    #expect(tasks.map { $0["task"] as? Int } == [0, 1, 2])
    #expect(tasks.map { $0["status"] as? Int } == [0, 7, 0])
    #expect(tasks[2]["started"] as? Int == 1_700_000_003)
    #expect((tasks[1]["usage"] as? [String: Int])?["cpu_ms"] == 2)
  }

  @Test func signaturesThatAreNotBothSidesDoNotCount() throws {
    let run = try StoredRun()
    run.progress.statement?.providerSignature = [UInt8](repeating: 1, count: 64)
    try run.store()
    let job = try #require((try json(run)["jobs"] as? [[String: Any]])?.first)
    #expect(job["receipt_signatures_ok"] as? Bool == false)
    run.progress.hasReceipt = false
    run.lease.report[run.lease.report.count - 1] ^= 1
    try run.store()
    let other = try #require((try json(run)["jobs"] as? [[String: Any]])?.first)
    #expect(other["receipt_signatures_ok"] as? Bool == false)
    #expect(other["report_signature_ok"] as? Bool == false)
  }

  /// As the program exited, so says the receipt later.
  @Test func theStatusIsTheFirstTasksThatFailed() throws {
    let run = try StoredRun(map: nil)
    func status() throws -> UInt8? {
      try run.store()
      return try RunReceipt(
        run.folder, run: run.folder.run(named: nil), networkName: "regtest", seconds: 0
      ).status
    }
    run.tasks.removeAll()
    // There is a record of each already: these replace them.
    let spec = run.options.tasks.spec(worker: 0, of: 1, hasInput: false)
    let good = TaskRecord(
      spec: spec,
      state: .line(
        lease: run.contract.id, place: 1, TaskLine(number: 1, kind: .exited, status: 0),
        hasResults: false))
    func each(_ states: [TaskRecord.State]) {
      run.tasks = states.map { TaskRecord(spec: spec, state: $0) }
    }
    each([good.state, good.state, good.state])
    #expect(try status() == 0)
    each([good.state, .lost, .stopped])
    #expect(try status() == 204)
    each([.notHired, .lost, good.state])
    #expect(try status() == 208)
    each([good.state, good.state, .stopped])
    #expect(try status() == 202)
    // A task without an end, of a run that is over and of one that is not.
    each([good.state, good.state, .waiting])
    #expect(try status() == 204)
    run.pool.isFinished = false
    #expect(try status() == nil)
    each([good.state, good.state, good.state])
    #expect(try status() == 0)
    run.pool.isComplete = false
    #expect(try status() == nil)
    // Its results are here, and could not be written.
    run.pool.isComplete = true
    let mark = run.folder.folder(run.pool.id) + "/worker-1.packed"
    try Files.writeAtomically(mark, [])
    #expect(try status() == 206)
  }

  @Test func resultsThatAreMissingFailWhatSucceeded() throws {
    let run = try StoredRun()
    for index in run.tasks.indices {
      run.tasks[index].spec.maxResultBytes = 100
      guard case .line(let lease, let place, var line, _) = run.tasks[index].state else { continue }
      line.status = 0
      // Of the last there were some, which were lost on their way.
      line.resultBytes = index == 0 ? 0 : 5
      run.tasks[index].state = .line(lease: lease, place: place, line, hasResults: index == 1)
    }
    try run.store()
    let ends = try TaskEnds(
      run.folder.ledger, run.folder.run(named: nil), results: run.folder.path)
    let tasks = try #require(ends.byLease[run.contract.id])
    #expect(tasks.map(\.status) == [205, 0, 205] && ends.openCount == 0)
    #expect(tasks[1].resultBytes == 5 && tasks[1].resultDigest != nil)
    #expect(tasks[0].resultDigest == nil && tasks[2].resultDigest != nil)
  }
}
