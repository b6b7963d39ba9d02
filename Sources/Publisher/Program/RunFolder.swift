import Bitcoin
import Bytes
import Foundation
import Hiring
import Host
import Market
import Storage
import Wallet

/// A publisher's data folder: the wallet; `ledger.db` with runs, leases, channels and tasks; and
/// `runs/NAME` with each run's bundles, options and results.
public final class RunFolder {
  public let path: String
  public let walletFolder: WalletFolder
  let ledger: RunLedger

  /// Opens the folder.
  /// - Parameter makesWallet: create a missing wallet; otherwise a missing wallet is an error.
  public init(path: String, network: Network, makesWallet: Bool = false) throws(RunError) {
    self.path = path
    if !Files.exists(path + "/phrase") {
      if !makesWallet { throw .usage("\(path): there is no wallet, and no run") }
      try RunFolder.makeWallet(path)
    }
    do throws(WalletFolderError) {
      walletFolder = try WalletFolder(path: path, network: network)
    } catch { throw .folder(error) }
    ledger = try RunLedger(path: path + "/ledger.db")
  }

  private static func makeWallet(_ path: String) throws(RunError) {
    let phrase: Phrase
    do throws(WalletError) {
      phrase = try Phrase(entropy: Entropy.bytes(16))
    } catch { throw .wallet(error) }
    do throws(WalletFolderError) {
      try WalletFolder.create(path: path, phrase: phrase, bornUnixSeconds: Clock.unixSeconds())
    } catch { throw .folder(error) }
  }

  // MARK: Runs

  /// The run's short name.
  public static func name(_ id: Bytes32) -> String { String(id.hex.prefix(12)) }

  public func folder(_ id: Bytes32) -> String { path + "/runs/" + RunFolder.name(id) }

  static func bundles(in runFolder: String) -> String { runFolder + "/bundles" }

  /// The newest first.
  public func runs() throws(RunError) -> [PoolRecord] {
    var records: [PoolRecord] = []
    for id in try ledger.poolIds() { records.append(try ledger.pool(id)) }
    return records.sorted { $0.startedUnixSeconds > $1.startedUnixSeconds }
  }

  /// The run with this name or prefix; without a name, the newest unfinished run, else the newest.
  public func run(named name: String?) throws(RunError) -> PoolRecord {
    let all = try runs()
    if let name {
      let found = all.filter { $0.id.hex.hasPrefix(name) }
      if found.count == 1 { return found[0] }
      throw .usage(found.isEmpty ? "no run is named \(name)" : "several runs begin with \(name)")
    }
    guard let record = all.first(where: { !$0.isFinished }) ?? all.first else {
      throw .usage("there is no run in \(path)")
    }
    return record
  }

  /// Changes `request` to resume the same interrupted run, if there is one. The results folder, the
  /// receipt path and the display options of `request` replace the stored ones.
  public func takeUp(_ request: inout RunRequest) throws(RunError) {
    let given = request.options
    guard let former = try interrupted(request.offer, given) else { return }
    var options = try self.options(of: former.id)
    options.results = given.results ?? options.results
    options.receipt = given.receipt ?? options.receipt
    options.map = given.map
    try replace(options, of: former.id)
    request.former = former
    request.offer = former.plan.offer
    request.options = options
  }

  /// The newest interrupted run of the same work. A run that only awaits its closes does not count:
  /// repeating its command starts a new run.
  func interrupted(_ offer: Offer, _ options: RunOptions) throws(RunError) -> PoolRecord? {
    for record in try runs() where !record.isFinished && record.plan.offer.isSameWork(as: offer) {
      guard let former = try? self.options(of: record.id), former.isSameWork(as: options) else {
        continue
      }
      if try !isDone(record) { return record }
    }
    return nil
  }

  /// Whether only the closes are awaited.
  private func isDone(_ record: PoolRecord) throws(RunError) -> Bool {
    if !record.isComplete && !record.isStopping { return false }
    var isDone = true
    try ledger.forEachTask(of: record.id) { (_, task) throws(RunError) in
      if task.outcome == nil { isDone = false }
    }
    return isDone
  }

  // MARK: Options

  public func options(of id: Bytes32) throws(RunError) -> RunOptions {
    try RunFolder.options(in: folder(id))
  }

  public func replace(_ options: RunOptions, of id: Bytes32) throws(RunError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    let text = (try? encoder.encode(options)) ?? Data()
    do throws(HostError) {
      try Files.makeFolder(folder(id))
      try Files.writeAtomically(folder(id) + "/options.json", Array(text))
    } catch { throw .host(error) }
  }

  static func options(in folder: String) throws(RunError) -> RunOptions {
    let file = folder + "/options.json"
    let bytes: [UInt8]
    do throws(HostError) { bytes = try Files.read(file, limit: 1 << 20) } catch {
      throw .host(error)
    }
    guard let options = try? JSONDecoder().decode(RunOptions.self, from: Data(bytes)) else {
      throw .damaged(file + " cannot be read")
    }
    return options
  }
}

extension Offer {
  /// Whether both offers request the same work; fields that depend on chain fees are ignored.
  func isSameWork(as other: Offer) -> Bool {
    var same = other
    same.feeLadderSatPerKvB = feeLadderSatPerKvB
    same.publisherMaxLossSat = publisherMaxLossSat
    return same == self
  }
}

extension RunOptions {
  /// Whether both options create the same tasks.
  func isSameWork(as other: RunOptions) -> Bool {
    tasks == other.tasks && map?.arguments == other.map?.arguments
      && map?.taskInput == other.map?.taskInput && (map == nil) == (other.map == nil)
  }
}

extension TaskRecord.State {
  /// The contract id of the lease that it ran on.
  var lease: Bytes32? {
    switch self {
    case .assigned(let lease, _), .line(let lease, _, _, _): return lease
    case .waiting, .lost, .notHired, .stopped: return nil
    }
  }
}

extension TaskRecord {
  var wantsResults: Bool { spec.maxResultBytes > 0 }
  var outcome: TaskOutcome? { state.outcome }
}
