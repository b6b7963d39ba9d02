import CHost

/// A child process without a sandbox: a tool, or the subject of a test.
public final class ChildProcess {
  public enum Exit: Equatable, Sendable {
    case exited(status: Int32)
    case killed(signal: Int32)
  }

  public let processId: Int32
  private var exit: Exit?

  /// Runs `arguments[0]`, a path, in the caller's working directory.
  ///
  /// - Parameters:
  ///   - environment: `NAME=value` strings; the caller's environment is not inherited.
  ///   - input, output, error: descriptors for 0, 1 and 2; nil is `/dev/null`.
  ///   - leadsGroup: the child gets its own process group, so that ``killGroup(_:)`` works.
  ///   - diesWithParent: the child is killed when this thread ends, for any reason.
  public init(
    _ arguments: [String], environment: [String] = [], input: Int32? = nil, output: Int32? = nil,
    error: Int32? = nil, leadsGroup: Bool = false, diesWithParent: Bool = true
  ) throws(HostError) {
    var flags: Int32 = 0
    if leadsGroup { flags |= Int32(HOST_SPAWN_GROUP) }
    if diesWithParent { flags |= Int32(HOST_SPAWN_DIE_WITH_PARENT) }
    let standard: [Int32] = [input ?? -1, output ?? -1, error ?? -1]
    let name = arguments.isEmpty ? "" : arguments[0]
    let argumentList = try CStringList(arguments)
    let environmentList = try CStringList(environment)
    let result = argumentList.withPointers { argv in
      environmentList.withPointers { envp in host_spawn(argv, envp, standard, flags) }
    }
    processId = try HostError.check(result, "start", name)
  }

  /// Nil while the child runs.
  public func poll() throws(HostError) -> Exit? { try wait(blocking: false) }

  /// Waits until the child ends.
  public func wait() throws(HostError) -> Exit {
    guard let exit = try wait(blocking: true) else { return .exited(status: -1) }
    return exit
  }

  private func wait(blocking: Bool) throws(HostError) -> Exit? {
    if let exit { return exit }
    var status: Int32 = 0
    let result = try HostError.check(
      host_wait(processId, blocking ? 1 : 0, &status), "wait", "process \(processId)")
    if result == 0 { return nil }
    exit = status < 0 ? .killed(signal: -status) : .exited(status: status)
    return exit
  }

  /// Sends a signal. Does nothing after the child has been waited for: its process id may be
  /// reused.
  public func kill(_ signal: Signal) {
    if exit == nil { _ = host_kill(processId, signal.rawValue) }
  }

  /// Sends a signal to its process group; requires `leadsGroup`.
  public func killGroup(_ signal: Signal) { _ = host_kill(-processId, signal.rawValue) }
}

/// Strings as a null-terminated C array.
struct CStringList {
  private var bytes: [CChar] = []
  private var starts: [Int] = []

  init(_ strings: [String]) throws(HostError) {
    if strings.count > 100_000 { throw .badAddress(text: "too many arguments") }
    for string in strings {
      guard let text = string.terminated else { throw .notAFile(path: string) }
      starts.append(bytes.count)
      bytes.append(contentsOf: text)
    }
  }

  func withPointers(_ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Int32) -> Int32 {
    bytes.withUnsafeBufferPointer { buffer in
      var pointers: [UnsafePointer<CChar>?] = starts.map { start in
        guard let base = buffer.baseAddress else { return nil }
        return base + start
      }
      pointers.append(nil)
      return pointers.withUnsafeBufferPointer { list in
        guard let base = list.baseAddress else { return -Int32(HOST_EINVAL) }
        return body(base)
      }
    }
  }
}
