import Bytes
import Foundation
import Host

/// The runs of a data folder that go on, found by their control sockets.
public enum LiveRuns {
  /// The status of each, by name.
  public static func all(_ dataFolder: String) -> [RunStatus] {
    let folder = dataFolder + "/runs"
    var found: [RunStatus] = []
    for name in (try? Files.list(folder)) ?? [] {
      if let status = try? ControlClient.status(folder + "/" + name) { found.append(status) }
    }
    return found.sorted { $0.startedUnixSeconds > $1.startedUnixSeconds }
  }

  /// A job as people name it: a run's name or the beginning of one, and `/WORKER`, which may be left out
  /// where there is only one worker.
  public static func find(_ job: String, in dataFolder: String) throws(RunError) -> LiveJob {
    let parts = job.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let name = try folderName(String(parts[0]), in: dataFolder)
    let folder = dataFolder + "/runs/" + name
    guard parts.count == 2 else { return LiveJob(run: name, folder: folder, worker: nil) }
    guard let worker = UInt16(parts[1]) else { throw .usage("\(job): no such worker") }
    return LiveJob(run: name, folder: folder, worker: worker)
  }

  private static func folderName(
    _ prefix: String, in dataFolder: String
  ) throws(RunError) -> String {
    let all = (try? Files.list(dataFolder + "/runs")) ?? []
    let found = all.filter { $0.hasPrefix(prefix) }
    if prefix.isEmpty || found.isEmpty { throw .usage("no run is named \(prefix)") }
    if found.count > 1 { throw .usage("several runs begin with \(prefix)") }
    return found[0]
  }
}

/// A job of a run: which folder, which worker.
public struct LiveJob: Sendable {
  public var run: String
  public var folder: String
  /// Nil when none was named.
  public var worker: UInt16?

  /// The worker that was named, or the only one.
  public func theWorker() throws(RunError) -> UInt16 {
    if let worker { return worker }
    let status = try ControlClient.status(folder)
    if status.wanted == 1 { return 0 }
    throw .usage(
      "the run has \(status.wanted) workers: name one, as \(run)/0 (`zennet ps` lists them)")
  }
}
