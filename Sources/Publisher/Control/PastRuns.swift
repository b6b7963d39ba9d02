import Bytes
import Channel
import Host
import Storage

/// The runs of a data folder that no program works at: those that are over, and those that were interrupted. They are
/// read from the ledger one by one, and nothing is changed. What cannot be read is named, and hides nothing else.
public struct PastRuns {
  /// Older ones are not looked at.
  static let mostRuns = 1000
  static let mostJobs = 16_384

  private struct Past {
    var record: RunRecord
    var hires: [HireSummary] = []
    /// When it was last stored, and when its jobs were.
    var storedUnixSeconds: UInt64
    var jobsStoredUnixSeconds: UInt64 = 0
  }

  public private(set) var runs: [RunStatus] = []
  /// What cannot be read, a line each.
  public private(set) var problems: [String] = []
  /// What is not shown, though nothing is wrong with it.
  public private(set) var notes: [String] = []
  private let dataFolder: String

  /// - Parameter live: the names of runs that a program works at, which are left out.
  public init(_ dataFolder: String, without live: Set<String>) {
    self.dataFolder = dataFolder
    let path = dataFolder + "/ledger.db"
    if !Files.exists(path) { return }
    do throws(StorageError) { try read(try Ledger(path: path), live) } catch {
      problems.append(error.message)
    }
  }

  private mutating func read(_ ledger: Ledger, _ live: Set<String>) throws(StorageError) {
    let documents = ledger.documents
    let ids = try documents.identifiers(
      kind: RunFolder.DocumentKind.run, limit: UInt32(PastRuns.mostRuns + 1))
    var pasts: [Bytes32: Past] = [:]
    for id in ids.prefix(PastRuns.mostRuns) where !live.contains(RunFolder.name(id)) {
      let stored = try? documents.get(kind: RunFolder.DocumentKind.run, id: id)
      guard let stored, let record = RunRecord.decode(stored.body) else {
        problems.append("run \(RunFolder.name(id)) cannot be read")
        continue
      }
      pasts[id] = Past(record: record, storedUnixSeconds: stored.unixSeconds)
    }
    try readJobs(ledger, &pasts)
    let newest = pasts.values.sorted {
      $0.record.startedUnixSeconds > $1.record.startedUnixSeconds
    }
    runs = newest.map { status(of: $0) }
    if ids.count > PastRuns.mostRuns {
      notes.append("only the \(PastRuns.mostRuns) newest runs are shown")
    } else {
      nameStrangers(Set(ids.map { RunFolder.name($0) }))
    }
  }

  private mutating func readJobs(
    _ ledger: Ledger, _ pasts: inout [Bytes32: Past]
  ) throws(StorageError) {
    let ids = try ledger.documents.identifiers(
      kind: RunFolder.DocumentKind.hire, limit: UInt32(PastRuns.mostJobs + 1))
    for id in ids.prefix(PastRuns.mostJobs) {
      let stored = try? ledger.documents.get(kind: RunFolder.DocumentKind.hire, id: id)
      guard let stored, let record = HireRecord.decode(stored.body) else {
        problems.append("the job of contract \(id.hex) cannot be read")
        continue
      }
      guard var past = pasts[record.run], record.stage != .abandoned else { continue }
      // The ledger's own columns are a payment behind: they tell what was paid when the state was stored.
      let state = try ledger.channels.load(id)?.state ?? []
      var last: ChannelPayment?
      do throws(ChannelError) { last = try PublisherChannel.lastPayment(in: state) } catch {
        problems.append("channel \(id.hex): \(error.message)")
      }
      past.hires.append(
        HireSummary(
          record: record, payments: last?.sequence ?? 0, paidSat: last?.amountSat ?? 0,
          isConnected: false, isFrozen: false, programs: 0))
      past.jobsStoredUnixSeconds = max(past.jobsStoredUnixSeconds, stored.unixSeconds)
      pasts[record.run] = past
    }
    if ids.count > PastRuns.mostJobs {
      notes.append("only the \(PastRuns.mostJobs) newest jobs are shown")
    }
  }

  private mutating func status(of past: Past) -> RunStatus {
    let record = past.record
    let name = RunFolder.name(record.id)
    let hires = past.hires.sorted { $0.contract.workerIndex < $1.contract.workerIndex }
    let results = ResultsWriter(
      folder: dataFolder + "/runs/" + name, target: nil, limitBytes: record.offer.maxResultBytes)
    var status = RunStatus(record, hires)
    let statuses = hires.map { RunReceipt.status(of: $0.record, record, results) }
    for index in hires.indices { status.workers[index].status = statuses[index]?.code }
    status.live = false
    status.status = RunReceipt.status(of: record, hires.map(\.record), statuses)?.code
    // Who does not wait for the close has a run whose record never says that it is finished.
    let done = hires.filter { $0.record.stage >= .receipted }
    if record.isFinished || done.count >= Int(record.offer.workers) {
      status.endedUnixSeconds =
        hires.isEmpty ? past.storedUnixSeconds : past.jobsStoredUnixSeconds
    } else {
      // What `zennet resume` would say, too.
      do throws(RunError) { _ = try RunFolder.options(in: results.folder) } catch {
        problems.append(error.message)
      }
    }
    return status
  }

  /// Folders of runs that the ledger does not know.
  private mutating func nameStrangers(_ known: Set<String>) {
    let folder = dataFolder + "/runs"
    for name in ((try? Files.list(folder)) ?? []).sorted() where !known.contains(name) {
      notes.append("\(folder)/\(name): the ledger has no such run")
    }
  }
}
