import CHost

/// This process: its command line, its output, its exit.
public enum HostProcess {
  /// The command line without the program's name. Invalid UTF-8 is replaced.
  public static var arguments: [String] {
    var words: [String] = []
    var index: Int32 = 1
    while let word = host_argv(index) {
      words.append(String(cString: word))
      index += 1
    }
    return words
  }

  /// Call it first. Opens placeholders for missing standard streams: using one fails, and no file
  /// opened later gets its number.
  public static func holdStandardStreams() { host_hold_standard_streams() }

  /// The shell's exit status for a program whose reader has closed its output (128 + SIGPIPE).
  public static let unreadStatus: Int32 = 141

  /// Writes all of `bytes` to 1 or 2, which the reader may have made non-blocking.
  /// - Returns: the error, if not all of it was written; ``HostError/isUnread`` if the reader has
  ///   closed it.
  @discardableResult
  public static func write(_ descriptor: Int32, _ bytes: [UInt8]) -> HostError? {
    let output = Descriptor(owning: descriptor)
    defer { _ = output.release() }
    do throws(HostError) { try output.writeAll(bytes) } catch { return error }
    return nil
  }

  /// Prints output on standard output. A failure ends the program, so that partial output is not
  /// taken for the whole: silently with ``unreadStatus`` if the reader has closed it, otherwise
  /// with a line on standard error and `failure`.
  public static func answer(_ bytes: [UInt8], program: String, failure: Int32) {
    host_ignore_broken_pipes()
    guard let problem = write(1, bytes) else { return }
    if problem.isUnread { exit(unreadStatus) }
    write(2, Array((program + ": " + problem.message + "\n").utf8))
    exit(failure)
  }

  /// Frees pages of the program's own file that only start-up and bursts of work need.
  public static func releaseProgramPages() { host_release_program_pages() }

  public static func exit(_ status: Int32) -> Never { host_exit(status) }
}
