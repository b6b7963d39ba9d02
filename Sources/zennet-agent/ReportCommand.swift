import Agent
import Bytes
import Capability
import Crypto
import Host
import Market
import Sandbox
import Storage

/// Prints the signed capability report.
enum ReportCommand {
  static func main(_ arguments: inout Arguments) {
    let isJson = arguments.flag("--json")
    let configuration = Setup.configuration(&arguments)
    let path = String(decoding: configuration.dataFolder, as: UTF8.self) + "/ledger.db"
    if !Files.exists(path) { Output.fail(.unavailable, path + ": the agent has never run") }
    let stored: StoredDocument?
    do throws(StorageError) {
      stored = try Ledger(path: path).documents.get(
        kind: DocumentKind.report, id: AgentProgram.reportId)
    } catch { Output.fail(error) }
    guard let stored else {
      Output.fail(.unavailable, "not measured yet: the agent measures once the chain is synced")
    }
    do throws(CapabilityError) {
      let report = try CapabilityReport.decode(stored.body)
      try report.verify()
      if isJson { return Output.line(report.json) }
      for line in report.lines { Output.line(line) }
      Output.line("signature         good")
    } catch { Output.fail(.storage, error.message) }
  }
}
