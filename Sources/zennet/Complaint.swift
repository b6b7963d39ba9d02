import Host

/// Prints an error: one line on standard error.
enum Complaint {
  /// - Parameter command: a subcommand to name in the message.
  static func tell(_ message: String, of command: String? = nil) {
    let name = command.map { "zennet \($0)" } ?? "zennet"
    HostProcess.write(2, Array("\(name): \(message)\n".utf8))
  }
}
