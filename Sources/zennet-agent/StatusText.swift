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

/// The agent's status in three formats.
enum StatusText {
  static func json(_ program: AgentProgram) -> String {
    let chain = program.chain.client
    var text = "{\"version\":\"" + Version.text + "\",\"identity\":\""
    text += program.folder.secrets.identity.publicKey.hex
    text += "\",\"pid\":\(Machine.processId),\"network\":\"" + program.network.nameText
    text += "\",\"isolation\":\"" + program.sandbox.features.level.name
    text += "\",\"tip_height\":\(chain.tipHeight),\"tip_hash\":\""
    text += chain.tipHash.reversed.hex
    text += "\",\"scanned_height\":\(chain.scannedHeight)"
    text += ",\"authenticated_height\":\(chain.authenticatedHeight)"
    text += ",\"clock\":\"" + (program.clockIsWrong ? "wrong" : "set") + "\""
    text += ",\"synced\":" + (chain.isSynced ? "true" : "false")
    text += ",\"peers\":\(readyPeers(chain)),\"filter_peers\":\(filterPeers(chain))"
    text += ",\"fee_rate_sat_per_kvb\":\(chain.feeRateSatPerKvB),\"report\":"
    text += hasReport(program) ? "true" : "false"
    text += ",\"paused\":\"" + program.machine.pauseText + "\",\"jobs\":["
    var isFirst = true
    for lease in program.machine.leaseSummaries {
      text += (isFirst ? "" : ",") + lease.json
      isFirst = false
    }
    return text + "]}"
  }

  static func lines(_ program: AgentProgram) -> String {
    let chain = program.chain.client
    var text = "identity    " + program.folder.secrets.identity.publicKey.hex + "\n"
    text += "network     " + program.network.nameText + "\n"
    text += "isolation   " + program.sandbox.features.level.name + "\n"
    text += "chain       height \(chain.tipHeight), authenticated to \(chain.authenticatedHeight)"
    text += chain.isSynced ? ", synced\n" : ", syncing\n"
    if program.clockIsWrong { text += "clock       wrong: waiting until it is set\n" }
    text += "peers       \(readyPeers(chain)), \(filterPeers(chain)) with filters\n"
    text += "report      " + (hasReport(program) ? "signed" : "not measured yet") + "\n"
    let pause = program.machine.pauseText
    if !pause.utf8.isEmpty { text += "paused      " + pause + "\n" }
    let leases = program.machine.leaseSummaries
    if leases.isEmpty { text += "leases      none\n" }
    for lease in leases {
      let name = lease.contract.hex
      text += "lease " + String(decoding: Array(name.utf8).prefix(8), as: UTF8.self) + ": "
      text += lease.stage.text
      if lease.standing != .running { text += " (" + lease.standing.text + ")" }
      text += ", tasks: \(lease.running) running, \(lease.queued) queued, \(lease.tasks) ended"
      text += ", \(lease.owedSat) sat owed, \(lease.paidSat) sat paid\n"
    }
    return text
  }

  /// Prometheus text format, version 0.0.4.
  static func metrics(_ program: AgentProgram) -> String {
    let chain = program.chain.client
    var owedSat: UInt64 = 0
    var paidSat: UInt64 = 0
    var open: UInt64 = 0
    var frozen: UInt64 = 0
    var running: UInt64 = 0
    var queued: UInt64 = 0
    for lease in program.machine.leaseSummaries {
      owedSat += lease.owedSat
      paidSat += lease.paidSat
      running += UInt64(lease.running)
      queued += UInt64(lease.queued)
      if lease.stage != .open { continue }
      open += 1
      if lease.standing != .running && lease.standing != .paused { frozen += 1 }
    }
    var text = ""
    func gauge(_ name: String, _ help: String, _ value: UInt64) {
      text += "# HELP zennet_" + name + " " + help + "\n# TYPE zennet_" + name + " gauge\n"
      text += "zennet_" + name + " \(value)\n"
    }
    gauge("tip_height", "Height of the best chain.", UInt64(chain.tipHeight))
    gauge(
      "authenticated_height", "Height up to which blocks count for payments.",
      UInt64(chain.authenticatedHeight))
    gauge("synced", "1 when synced with the peers.", chain.isSynced ? 1 : 0)
    gauge("peers", "Peers that are ready.", UInt64(readyPeers(chain)))
    gauge("leases_open", "Leases in which tasks may run.", open)
    gauge("leases_frozen", "Open leases that are frozen until they are paid for.", frozen)
    gauge("tasks_running", "Tasks that run or are frozen.", running)
    gauge("tasks_queued", "Tasks that wait for free resources.", queued)
    gauge(
      "paused", "1 while the idle policy pauses leases.",
      program.machine.pauseText.utf8.isEmpty ? 0 : 1)
    gauge("owed_sat", "Owed by the publishers of unfinished leases.", owedSat)
    gauge("paid_sat", "Paid by the publishers of unfinished leases.", paidSat)
    gauge("resident_peak_kib", "Peak resident memory.", Machine.peakResidentKiB)
    return text
  }

  private static func readyPeers(_ chain: LightClient) -> Int {
    var count = 0
    for peer in chain.peers where peer.isReady { count += 1 }
    return count
  }

  private static func filterPeers(_ chain: LightClient) -> Int {
    var count = 0
    for peer in chain.peers where peer.isReady && peer.servesFilters { count += 1 }
    return count
  }

  private static func hasReport(_ program: AgentProgram) -> Bool { program.report != nil }
}
