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

/// The capability report: kept while it is young, measured anew when it is not and no job runs.
extension AgentProgram {
  /// One report is kept: under the zero id.
  static let reportId = Bytes32.zero

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
  func measureIfDue() {
    let client = chain.client
    if !client.isSynced || !machine.isIdle { return }
    if let report, report.blockHeight + configuration.reportBlocks >= client.tipHeight,
      client.blockHash(at: report.blockHeight).map({ $0 == report.blockHash }) ?? true
    {
      return
    }
    let seconds = (configuration.benchMs * UInt64(Kernel.all.count) + 999) / 1000
    log.info("measuring this machine, which takes at least \(seconds) seconds")
    do throws(CapabilityError) {
      let report = try Measuring.report(
        folder.secrets.identity, blockHeight: client.tipHeight, blockHash: client.tipHash,
        folder: folder.path, budgetMs: configuration.benchMs, isolation: sandbox.features.level)
      let bytes = report.encode()
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
    } catch { log.error("measuring failed: " + error.message) }
  }
}
