import Host
import Storage

/// Every exit status of the program, those of sysexits(3) where it has one; zennet-agent(8) tells them.
enum ExitStatus: Int32 {
  case success = 0
  /// The program ran, and the answer is no: a self-test or a check failed.
  case failure = 1
  case usage = 64
  /// Nobody there: no agent answers, or another one has the folder.
  case unavailable = 69
  /// A fault of the program: it trapped as often as the supervisor tries.
  case software = 70
  /// The kernel refused a call, or lacks it.
  case system = 71
  /// The disk, or where standard output goes, is full or cannot be written.
  case disk = 73
  /// What is on the disk is damaged, or the disk fails.
  case storage = 74
  /// Memory was refused.
  case memory = 75
  case configuration = 78
}

/// What the program prints. Answers go to standard output, everything else to standard error.
enum Output {
  static func text(_ text: String) {
    HostProcess.answer(
      Array(text.utf8), program: "zennet-agent", failure: ExitStatus.disk.rawValue)
  }
  static func line(_ line: String) { text(line + "\n") }
  static func standardError(_ text: String) { HostProcess.write(2, Array(text.utf8)) }

  static func exit(_ status: ExitStatus) -> Never { HostProcess.exit(status.rawValue) }

  /// One line on standard error, and the end.
  static func fail(_ status: ExitStatus, _ message: String) -> Never {
    standardError("zennet-agent: " + message + "\n")
    exit(status)
  }

  /// The same for what a store could not do; the status tells what to look at.
  static func fail(_ error: StorageError, _ more: String = "") -> Never {
    let status: ExitStatus =
      error.isOutOfMemory ? .memory : (error.isUnwritable ? .disk : .storage)
    fail(status, error.message + more)
  }
}
