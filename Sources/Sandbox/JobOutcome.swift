/// How a job ended. Each way is distinct, because each has another remedy.
public enum JobOutcome: Equatable, Sendable {
  /// The program returned; 0 is success by convention.
  case exited(status: UInt8)
  /// A signal ended it.
  case signalled(UInt8)
  /// It wanted more memory than the contract gives, and the kernel killed it.
  case outOfMemory
  /// ``SandboxProcess/terminate(_:)`` was called.
  case terminated(StopReason)
  /// The program could not be executed: errno (2: no such file; 8: not for this processor).
  case notExecutable(code: Int32)
  /// A bundle was refused, the first is 0; nothing of it ran.
  case bundleRefused(BundleError, bundle: Int = 0)
  /// A step of the walls failed; nothing of the job ran.
  case setupFailed(step: String, code: Int32)
  /// The sandbox's first process vanished without a report (killed from outside).
  case lost

  /// As wait(2) has it.
  init(waitStatus status: UInt32) {
    let signal = UInt8(status & 0x7f)
    self = signal == 0 ? .exited(status: UInt8(status >> 8 & 0xff)) : .signalled(signal)
  }

  public var message: String {
    switch self {
    case .exited(let status): return "exited with status \(status)"
    case .signalled(let signal): return "ended by signal \(signal)"
    case .outOfMemory: return "killed: out of memory"
    case .terminated(let reason): return "stopped: " + reason.message
    case .notExecutable(let code): return "could not be executed (errno \(code))"
    case .bundleRefused(let error, let index):
      return (index == 0 ? "bundle" : "bundle \(index + 1)") + " refused: " + error.message
    case .setupFailed(let step, let code): return "sandbox step \(step) failed (errno \(code))"
    case .lost: return "vanished without a report"
    }
  }
}

/// Why the agent stopped a job.
public enum StopReason: UInt8, Equatable, Sendable {
  case publisher = 1
  case timeLimit = 2
  case unpaid = 3
  case owner = 4

  public var message: String {
    switch self {
    case .publisher: return "by the publisher"
    case .timeLimit: return "time limit"
    case .unpaid: return "unpaid"
    case .owner: return "by the machine's owner"
    }
  }
}
