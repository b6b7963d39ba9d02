import Host
import Storage

/// All exit statuses, from sysexits(3) where possible; documented in zennet-agent(8).
enum ExitStatus: Int32 {
  case success = 0
  /// A self-test or a check failed.
  case failure = 1
  case usage = 64
  /// No agent responds, or another one holds the data folder.
  case unavailable = 69
  /// The program trapped, and the supervisor's restarts are used up.
  case software = 70
  /// The kernel refused or lacks a system call.
  case system = 71
  /// The disk or standard output is full or not writable.
  case disk = 73
  /// Stored data is damaged, or the disk fails.
  case storage = 74
  /// Out of memory.
  case memory = 75
  case configuration = 78
}

/// Output: results go to standard output, everything else to standard error.
enum Output {
  static func text(_ text: String) {
    HostProcess.answer(
      Array(text.utf8), program: "zennet-agent", failure: ExitStatus.disk.rawValue)
  }
  static func line(_ line: String) { text(line + "\n") }
  static func standardError(_ text: String) { HostProcess.write(2, Array(text.utf8)) }

  static func exit(_ status: ExitStatus) -> Never { HostProcess.exit(status.rawValue) }

  /// Prints one line on standard error and exits.
  static func fail(_ status: ExitStatus, _ message: String) -> Never {
    standardError("zennet-agent: " + message + "\n")
    exit(status)
  }

  /// The same for a storage error; the exit status depends on its kind.
  static func fail(_ error: StorageError, _ more: String = "") -> Never {
    let status: ExitStatus =
      error.isOutOfMemory ? .memory : (error.isUnwritable ? .disk : .storage)
    fail(status, error.message + more)
  }
}
