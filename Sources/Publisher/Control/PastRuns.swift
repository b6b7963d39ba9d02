import Bytes
import Hiring
import Host

/// The ended and interrupted runs of a data folder, read from the ledger without changing it. An
/// unreadable record is reported and does not hide others.
public struct PastRuns {
  /// The number of runs shown, the newest first.
  static let mostRuns = 1000

  public private(set) var runs: [RunStatus] = []
  /// Unreadable records, one line each.
  public private(set) var problems: [String] = []
  /// Omissions without errors, one line each.
  public private(set) var notes: [String] = []
  private let dataFolder: String

  /// - Parameter live: the names of live runs, which are excluded.
  public init(_ dataFolder: String, without live: Set<String>) {
    self.dataFolder = dataFolder
    let path = dataFolder + "/ledger.db"
    if !Files.exists(path) { return }
    do throws(RunError) { try read(try RunLedger(path: path), live) } catch {
      problems.append(error.message)
    }
  }

  private mutating func read(_ ledger: RunLedger, _ live: Set<String>) throws(RunError) {
    let ids = try ledger.poolIds(limit: UInt32(PastRuns.mostRuns + 1))
    for id in ids.prefix(PastRuns.mostRuns) where !live.contains(RunFolder.name(id)) {
      do throws(RunError) { runs.append(try status(of: ledger.pool(id), ledger)) } catch {
        problems.append(error.message)
      }
    }
    runs.sort { $0.startedUnixSeconds > $1.startedUnixSeconds }
    if ids.count > PastRuns.mostRuns {
      notes.append("only the \(PastRuns.mostRuns) newest runs are shown")
    } else {
      nameStrangers(Set(ids.map { RunFolder.name($0) }))
    }
  }

  private mutating func status(
    of record: PoolRecord, _ ledger: RunLedger
  ) throws(RunError) -> RunStatus {
    let name = RunFolder.name(record.id)
    let folder = dataFolder + "/runs/" + name
    let ends = try TaskEnds(ledger, record, results: dataFolder)
    problems += ends.problems.map(\.message)
    var workers: [WorkerStatus] = []
    var areSettled = true
    for id in try ledger.leaseIds(of: record.id) {
      do throws(RunError) {
        let lease = try ledger.lease(id)
        if lease.stage == .abandoned { continue }
        if lease.stage < .settled { areSettled = false }
        workers.append(WorkerStatus(LeaseView(lease), run: name, last: ends.byLease[id]?.last))
      } catch { problems.append(error.message) }
    }
    workers.sort { $0.worker < $1.worker }
    var options: RunOptions?
    do throws(RunError) { options = try RunFolder.options(in: folder) } catch {
      // `zennet resume` would report the same error.
      if !record.isFinished { problems.append(error.message) }
    }
    var counts = RunStatus.TaskCounts()
    counts.all = ends.count
    counts.ended = ends.tally.ended
    counts.failed = ends.tally.failed
    var status = RunStatus(
      id: name, record.plan.offer, command: options?.tasks.command ?? [],
      isMap: options?.map != nil, startedUnixSeconds: record.startedUnixSeconds,
      workers: workers, tasks: counts)
    status.live = false
    status.status = ends.status(of: record)?.code
    // A run that did not wait for its closes is never marked as finished.
    let isDone = ends.openCount == 0 && (record.isComplete || record.isStopping) && areSettled
    if record.isFinished || (isDone && ends.count > 0) {
      status.endedUnixSeconds = try ledger.lastChange(of: record.id)
    }
    return status
  }

  /// Reports folders of runs that the ledger does not contain.
  private mutating func nameStrangers(_ known: Set<String>) {
    let folder = dataFolder + "/runs"
    for name in ((try? Files.list(folder)) ?? []).sorted() where !known.contains(name) {
      notes.append("\(folder)/\(name): the ledger has no such run")
    }
  }
}
