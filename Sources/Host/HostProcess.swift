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

  /// Writes all of `bytes` to 1 or 2, which whoever reads may have made non-blocking. Nobody reading is
  /// no reason to fail: false then.
  @discardableResult
  public static func write(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
    let output = Descriptor(owning: descriptor)
    defer { _ = output.release() }
    return (try? output.writeAll(bytes)) != nil
  }

  /// Gives back what only start-up and bursts of work need of the program's own file.
  public static func releaseProgramPages() { host_release_program_pages() }

  public static func exit(_ status: Int32) -> Never { host_exit(status) }
}
