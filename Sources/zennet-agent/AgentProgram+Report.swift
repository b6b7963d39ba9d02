import Agent
import Bitcoin
import Bytes
import Capability
import ChainFollower
import Crypto
import Host
import LightClient
import Market
import Sandbox
import Storage

/// The capability report: kept while it is young, measured anew when it is not and no task runs.
extension AgentProgram {
  /// One report is kept: under the zero id.
  static let reportId = Bytes32.zero
  /// Of the process that measures; no port's is as high.
  static let measuringToken = UInt64.max

  func loadReport() {
    guard
      let stored = try? folder.ledger.documents.get(
        kind: DocumentKind.report, id: AgentProgram.reportId),
      let report = try? CapabilityReport.decode(stored.body),
      report.identity == folder.secrets.identity.publicKey
    else { return }
    use(report, stored.body)
  }

  private func use(_ report: CapabilityReport, _ bytes: [UInt8]) {
    self.report = report
    machine.reportSigned(bytes, now)
    carryOut()
  }

  /// Measures this machine when there is no report of the last blocks, and nobody works here.
  ///
  /// In a process of its own: the kernels take a sixteenth of the memory and some seconds, in which
  /// this one goes on answering.
  func measureIfDue() {
    let client = chain.client
    if measuring != nil || isEnding || !client.isSynced || !machine.isIdle { return }
    if let report, report.blockHeight + configuration.reportBlocks >= client.tipHeight,
      client.blockHash(at: report.blockHeight).map({ $0 == report.blockHash }) ?? true
    {
      return
    }
    let seconds = (configuration.benchMs * UInt64(Kernel.all.count) + 999) / 1000
    log.info("measuring this machine, which takes at least \(seconds) seconds")
    let (height, hash) = (client.tipHeight, client.tipHash)
    do throws(HostError) {
      let work = try ForkedWork(limitSeconds: UInt32(min(60 + 20 * seconds, 86_400))) {
        measured(blockHeight: height, blockHash: hash)
      }
      reactor.watch(work.descriptor, token: AgentProgram.measuringToken)
      measuring = work
    } catch { log.error("measuring failed: " + error.message) }
  }

  /// In that process: a zero and the report, or a one and why there is none.
  private func measured(blockHeight: UInt32, blockHash: Bytes32) -> [UInt8] {
    // When memory runs out it goes before the agent does.
    try? Files.append("/proc/self/oom_score_adj", Array("500".utf8))
    do throws(CapabilityError) {
      let report = try Measuring.report(
        folder.secrets.identity, blockHeight: blockHeight, blockHash: blockHash,
        folder: folder.path, budgetMs: configuration.benchMs, isolation: sandbox.features.level)
      return [0] + report.encode()
    } catch { return [1] + Array(error.message.utf8) }
  }

  /// Something came of the process that measures.
  func readMeasurement() {
    guard let measuring else { return }
    switch measuring.read() {
    case .running: return
    case .failed: log.error("measuring failed: the process that measured did not end well")
    case .done(let answer): measurementEnded(answer)
    }
    stopMeasuring()
  }

  /// A lease that begins has the machine for itself; it is measured when that is over.
  func stopMeasuring() {
    if measuring == nil { return }
    reactor.unwatch(AgentProgram.measuringToken)
    measuring?.stop()
    measuring = nil
  }

  private func measurementEnded(_ answer: [UInt8]) {
    let bytes = Array(answer.dropFirst())
    guard answer.first == 0, let report = try? CapabilityReport.decode(bytes) else {
      return log.error("measuring failed: " + String(decoding: bytes, as: UTF8.self))
    }
    do throws(StorageError) {
      try folder.ledger.documents.put(
        StoredDocument(
          kind: DocumentKind.report, id: AgentProgram.reportId,
          unixSeconds: Clock.unixSeconds(), body: bytes))
    } catch {
      // It can be measured again.
      if !error.isFull { Output.fail(error) }
      log.warning(error.message + ": the report is not kept")
    }
    use(report, bytes)
  }
}
