import Foundation

/// Another program that runs a job: started without a shell, waited for to its end.
struct Rival {
  let name: String
  /// The first word is a path.
  let command: [String]

  /// Runs it once; throws unless it succeeds.
  func run() throws {
    let pid = try start()
    try wait(pid)
  }

  func start(output: Int32 = -1) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    if output >= 0 { posix_spawn_file_actions_adddup2(&actions, output, 1) }
    var pid = pid_t()
    var words: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
    words.append(nil)
    defer { for word in words { free(word) } }
    let code = posix_spawn(&pid, command[0], &actions, nil, words, environ)
    if code != 0 { throw BenchError("\(name): \(String(cString: strerror(code)))") }
    return pid
  }

  func wait(_ pid: pid_t) throws {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    if status != 0 { throw BenchError("\(name) ended with wait status \(status)") }
  }

  /// Runs it and returns what it wrote to standard output.
  func answer() throws -> String {
    let pipe = Pipe()
    let pid = try start(output: pipe.fileHandleForWriting.fileDescriptor)
    try pipe.fileHandleForWriting.close()
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    try wait(pid)
    return text
  }

  /// Nil, with a loud word, where it is not there or does not work on this machine.
  static func working(_ name: String, _ command: [String]) -> Rival? {
    let rival = Rival(name: name, command: command)
    do { try rival.run() } catch {
      note("SKIPPED \(name): it does not run here: \(error)")
      return nil
    }
    return rival
  }
}

struct BenchError: Error, CustomStringConvertible {
  let description: String
  init(_ text: String) { description = text }
}

enum Monotonic {
  static func ns() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
  static func ms() -> UInt64 { ns() / 1_000_000 }
}
