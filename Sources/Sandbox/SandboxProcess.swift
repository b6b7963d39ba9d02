/// What happened inside a sandbox since the last call of ``SandboxProcess/poll(nowMs:)``.
public enum SandboxEvent: Equatable, Sendable {
  /// The bundle is unpacked and the program runs.
  case jobStarted
  /// The job is over, no process of it is left; `/out` can still be collected.
  case jobEnded(JobOutcome)
  /// ``SandboxProcess/collect()`` has written all of `/out`: the end of `results` is the end of the tar.
  case resultsCollected(complete: Bool)
  /// The sandbox's first process is gone. Only ``SandboxProcess/destroy()`` remains to be called.
  case closed
}

/// One sandbox. All descriptors are non-blocking and close-on-exec; the event loop watches them and
/// calls ``poll(nowMs:)`` when `control` is readable.
public final class SandboxProcess {
  public let name: String
  /// Readable: an event waits for ``poll(nowMs:)``.
  public private(set) var control: Int32 = -1
  /// Write the `tar.zst` here, then call ``closeBundle()``.
  public private(set) var bundle: Int32 = -1
  /// The job's standard input; ``closeInput()`` gives it its end of file.
  public private(set) var stdin: Int32 = -1
  public private(set) var stdout: Int32 = -1
  public private(set) var stderr: Int32 = -1
  /// After ``collect()``: an uncompressed tar of `/out`.
  public private(set) var results: Int32 = -1
  public private(set) var isFrozen = false

  init(name: String) { self.name = name }

  public func poll(nowMs: UInt64) -> [SandboxEvent] { [] }
  public func closeBundle() {}
  public func closeInput() {}
  /// Stops every process of the job where it is; it uses no processor until ``thaw(nowMs:)``.
  public func freeze(nowMs: UInt64) throws(SandboxError) {}
  public func thaw(nowMs: UInt64) throws(SandboxError) {}
  /// Sends a signal to the job's program (its process group).
  public func signal(_ number: Int32) throws(SandboxError) {}
  /// Tells the job's terminal its size.
  public func resize(rows: UInt16, columns: UInt16) throws(SandboxError) {}
  /// Kills every process of the job, within 100 ms; `/out` can still be collected.
  public func terminate(_ reason: StopReason, nowMs: UInt64) throws(SandboxError) {}
  /// After ``SandboxEvent/jobEnded(_:)``: starts writing a tar of `/out` to ``results``.
  public func collect() throws(SandboxError) {}
  /// Bytes that the agent moved over the network for this job.
  public func countTransfer(bytes: UInt64) {}
  public func usage(nowMs: UInt64) throws(SandboxError) -> UsageSample { UsageSample() }
  /// Removes everything: processes, mounts (they die with them), cgroups, descriptors.
  public func destroy() throws(SandboxError) {}
}
