import Host

/// What went wrong, for the person who asked: one line on standard error.
enum Complaint {
  /// - Parameter command: a subcommand that names itself in its errors.
  static func tell(_ message: String, of command: String? = nil) {
    let name = command.map { "zennet \($0)" } ?? "zennet"
    HostProcess.write(2, Array("\(name): \(message)\n".utf8))
  }
}
