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

  /// Writes all of `bytes` to 1 or 2, and waits where whoever reads has made that non-blocking. Nobody
  /// reading is no reason to fail: false then.
  @discardableResult
  public static func write(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
    let output = Descriptor(owning: descriptor)
    defer { _ = output.release() }
    var start = 0
    while start < bytes.count {
      switch try? output.write(bytes, from: start) {
      case .wrote(let count): start += count
      case .wouldBlock:
        var watch = host_watch(fd: descriptor, interest: Int16(HOST_WRITABLE), ready: 0)
        _ = host_poll(&watch, 1, 1000)
      case nil: return false
      }
    }
    return true
  }

  /// Gives back what only start-up and bursts of work need of the program's own file.
  public static func releaseProgramPages() { host_release_program_pages() }

  public static func exit(_ status: Int32) -> Never { host_exit(status) }
}
