import CHost

/// This process: its command line, its output, its end.
public enum HostProcess {
  /// The command line without the program's name. Words that are not UTF-8 are repaired.
  public static var arguments: [String] {
    var words: [String] = []
    var index: Int32 = 1
    while let word = host_argv(index) {
      words.append(String(cString: word))
      index += 1
    }
    return words
  }

  /// To be called first. A program that was started without a standard stream fails when it uses that, and
  /// nothing else does: else the next file that is opened would be that stream.
  public static func holdStandardStreams() { host_hold_standard_streams() }

  /// As a shell tells it of a program whose reader is gone (128 + SIGPIPE).
  public static let unreadStatus: Int32 = 141

  /// Writes all of `bytes` to 1 or 2, which whoever reads may have made non-blocking.
  /// - Returns: why not all of it was written; ``HostError/isUnread`` where nobody reads.
  @discardableResult
  public static func write(_ descriptor: Int32, _ bytes: [UInt8]) -> HostError? {
    let output = Descriptor(owning: descriptor)
    defer { _ = output.release() }
    do throws(HostError) { try output.writeAll(bytes) } catch { return error }
    return nil
  }

  /// Prints what was asked for on standard output. What cannot be printed ends the program, so that nobody
  /// takes a part for the whole: with ``unreadStatus`` and no word where nobody reads any more, else with a
  /// line on standard error and `failure`.
  public static func answer(_ bytes: [UInt8], program: String, failure: Int32) {
    host_ignore_broken_pipes()
    guard let problem = write(1, bytes) else { return }
    if problem.isUnread { exit(unreadStatus) }
    write(2, Array((program + ": " + problem.message + "\n").utf8))
    exit(failure)
  }

  /// Gives back what only start-up and bursts of work need of the program's own file.
  public static func releaseProgramPages() { host_release_program_pages() }

  public static func exit(_ status: Int32) -> Never { host_exit(status) }
}
