/// Why the sandbox could not do what it was asked.
public indirect enum SandboxError: Error, Equatable, Sendable {
  /// The job's description is not acceptable; the text says which part.
  case invalidSpec(String)
  /// The job asks for more isolation than this machine has.
  case isolationTooLow(have: IsolationLevel, want: IsolationLevel)
  /// A system call of the agent itself failed: what was being done, errno.
  case system(String, code: Int32)
  /// A step of the walls failed before the job ran: its name, errno.
  case stepFailed(String, code: Int32)
  /// A cgroup file could not be written or read: its path, errno.
  case cgroup(String, code: Int32)
  /// The sandbox is not in the state that the call needs.
  case wrongState(String)
  /// Something of the job is still there after every attempt to remove it.
  case leftover(String)

  public var message: String {
    switch self {
    case .invalidSpec(let text): return "job: " + text
    case .isolationTooLow(let have, let want):
      return "isolation wanted: " + want.name + ", available: " + have.name
    case .system(let what, let code): return what + ": errno \(code)"
    case .stepFailed(let step, let code): return "sandbox step " + step + ": errno \(code)"
    case .cgroup(let path, let code): return path + ": errno \(code)"
    case .wrongState(let text): return text
    case .leftover(let text): return "still there: " + text
    }
  }
}
