/// What happened inside a sandbox since the last call of ``SandboxProcess/poll(nowMs:)``.
public enum SandboxEvent: Equatable, Sendable {
  /// The bundles are unpacked and the program runs.
  case jobStarted
  /// The job is over, no process of it is left; `/out` can still be collected.
  case jobEnded(JobOutcome)
  /// ``SandboxProcess/collect(_:)`` has written everything: the end of `results` is the end of the tar.
  case resultsCollected(CollectedResults)
  /// A further program runs (``SandboxProcess/start(_:)``).
  case programStarted(id: UInt32)
  /// A further program ended, or could not be started.
  case programEnded(id: UInt32, JobOutcome)
  /// The sandbox's first process is gone. Only ``SandboxProcess/destroy()`` remains to be called.
  case closed
}
