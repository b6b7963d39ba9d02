import Host

/// Exit statuses, those of sysexits(3) where it has one.
enum ExitStatus: Int32 {
  case success = 0
  /// The program ran, and the answer is no: a self-test or a check failed.
  case failure = 1
  case usage = 64
  case configuration = 78
  case unavailable = 69
  case software = 70
  case system = 71
  case storage = 74
}

/// What the program prints. Answers go to standard output, everything else to standard error.
enum Output {
  static func text(_ text: String) { write(1, text) }
  static func line(_ text: String) { write(1, text + "\n") }
  static func standardError(_ text: String) { write(2, text) }

  static func exit(_ status: ExitStatus) -> Never { HostProcess.exit(status.rawValue) }

  /// One line on standard error, and the end.
  static func fail(_ status: ExitStatus, _ message: String) -> Never {
    standardError("zennet-agent: " + message + "\n")
    exit(status)
  }

  private static func write(_ descriptor: Int32, _ text: String) {
    HostProcess.write(descriptor, Array(text.utf8))
  }
}
