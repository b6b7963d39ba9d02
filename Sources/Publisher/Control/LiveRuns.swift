import Bytes
import Foundation
import Host

/// The live runs of a data folder, found by their control sockets.
public enum LiveRuns {
  /// Their statuses, the newest first.
  public static func all(_ dataFolder: String) -> [RunStatus] {
    let folder = dataFolder + "/runs"
    var found: [RunStatus] = []
    for name in (try? Files.list(folder)) ?? [] {
      if let status = try? ControlClient.status(folder + "/" + name) { found.append(status) }
    }
    return found.sorted { $0.startedUnixSeconds > $1.startedUnixSeconds }
  }

  /// Parses the name of a job: a run's name or a unique prefix, optionally followed by a slash and
  /// a worker (`2` or `worker-2`) or a task (`task-7`).
  public static func find(_ job: String, in dataFolder: String) throws(RunError) -> LiveJob {
    let parts = job.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let name = try folderName(String(parts[0]), in: dataFolder)
    var found = LiveJob(run: name, folder: dataFolder + "/runs/" + name)
    if parts.count < 2 { return found }
    if parts[1].hasPrefix("task-") {
      guard let task = UInt32(parts[1].dropFirst(5)) else { throw .usage("\(job): no such task") }
      found.task = task
      return found
    }
    let number = parts[1].hasPrefix("worker-") ? parts[1].dropFirst(7) : parts[1]
    guard let worker = UInt16(number) else { throw .usage("\(job): no such worker") }
    found.worker = worker
    return found
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

/// A parsed job name: a run, and optionally a worker or a task.
public struct LiveJob: Sendable {
  public var run: String
  public var folder: String
  /// Nil if not named.
  public var worker: UInt16?
  public var task: UInt32?

  public init(run: String, folder: String, worker: UInt16? = nil, task: UInt32? = nil) {
    self.run = run
    self.folder = folder
    self.worker = worker
    self.task = task
  }

  /// Resolves the worker or task: the named one, or the only worker.
  public func theOne() throws(RunError) -> LiveJob {
    if worker != nil || task != nil { return self }
    let status = try ControlClient.status(folder)
    if status.wanted > 1 {
      throw .usage(
        "the run has \(status.wanted) workers: name one, as \(run)/0 (`zennet ps` lists them)")
    }
    return LiveJob(run: run, folder: folder, worker: 0)
  }
}
