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

/// The capability report: measured again when it is too old and no task runs.
extension AgentProgram {
  /// The zero id: only one report is kept.
  static let reportId = Bytes32.zero
  /// The token of the benchmark process; higher than any port's.
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

  /// Starts a benchmark if there is no recent report and no lease.
  ///
  /// It runs in its own process, because the kernels use one sixteenth of the memory and take
  /// seconds, during which the agent must respond.
  func measureIfDue() {
    let client = chain.client
    if measuring != nil || isEnding || !client.isSynced || !machine.isIdle { return }
    if let report, report.blockHeight + configuration.reportBlocks >= client.tipHeight,
      client.blockHash(at: report.blockHeight).map({ $0 == report.blockHash }) ?? true
    {
      return
    }
    let seconds = (configuration.benchMs * UInt64(Kernel.all.count) + 999) / 1000
    log.info("measuring this host, which takes at least \(seconds) seconds")
    let (height, hash) = (client.tipHeight, client.tipHash)
    do throws(HostError) {
      let work = try ForkedWork(limitSeconds: UInt32(min(60 + 20 * seconds, 86_400))) {
        measured(blockHeight: height, blockHash: hash)
      }
      reactor.watch(work.descriptor, token: AgentProgram.measuringToken)
      measuring = work
    } catch { log.error("measuring failed: " + error.message) }
  }

  /// The benchmark process's output: 0 and the report, or 1 and the error message.
  private func measured(blockHeight: UInt32, blockHash: Bytes32) -> [UInt8] {
    // Under memory pressure the kernel kills it before the agent.
    try? Files.append("/proc/self/oom_score_adj", Array("500".utf8))
    do throws(CapabilityError) {
      let report = try Measuring.report(
        folder.secrets.identity, blockHeight: blockHeight, blockHash: blockHash,
        folder: folder.path, budgetMs: configuration.benchMs, isolation: sandbox.features.level)
      return [0] + report.encode()
    } catch { return [1] + Array(error.message.utf8) }
  }

  /// Handles output of the benchmark process.
  func readMeasurement() {
    guard let measuring else { return }
    switch measuring.read() {
    case .running: return
    case .failed: log.error("measuring failed: the benchmark process failed")
    case .done(let answer): measurementEnded(answer)
    }
    stopMeasuring()
  }

  /// Stops a benchmark, so that a starting lease has the whole host; it is repeated later.
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
      // The report can be measured again.
      if !error.isFull { Output.fail(error) }
      log.warning(error.message + ": the report is not stored")
    }
    use(report, bytes)
  }
}
