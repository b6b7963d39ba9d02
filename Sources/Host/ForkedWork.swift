import CHost

/// A function that runs in its own process, without threads. Its memory is freed when it ends, and
/// the caller continues meanwhile.
public final class ForkedWork {
  public enum State: Equatable {
    case running
    case done([UInt8])
    /// It failed, timed out, or returned too many bytes.
    case failed
  }

  private let pipe: Descriptor
  private let processId: Int32
  private let limit: Int
  private var answer: [UInt8] = []
  private var isRunning = true

  /// Readable whenever ``read()`` would not block.
  public var descriptor: Int32 { pipe.fd }

  /// Forks a child that runs `body` and returns its bytes, at most `limit`.
  ///
  /// The child is a copy of this process with only descriptors 0 to 2: `body` should compute and
  /// not use shared resources. It ends with this process, and after `limitSeconds`.
  public init(
    limit: Int = 65_536, limitSeconds: UInt32, _ body: () -> [UInt8]
  ) throws(HostError) {
    let ends = try Descriptor.pipe()
    let forked = host_fork(ends.writing.fd, limitSeconds)
    if forked == 0 {
      let answer = body()
      let isDone = (try? Descriptor(owning: Int32(HOST_ANSWER)).writeAll(answer)) != nil
      host_exit(isDone ? 0 : 1)
    }
    ends.writing.close()
    processId = try HostError.check(forked, "fork", "process")
    pipe = ends.reading
    self.limit = limit
  }

  deinit { stop() }

  /// Waits for output or the end of the child, and processes it.
  public func read() -> State {
    if !isRunning { return .failed }
    switch try? pipe.read(limit: 4096) {
    case .bytes(let more)?:
      answer.append(contentsOf: more)
      if answer.count <= limit { return .running }
    case .ended?:
      if wait() == 0 { return .done(answer) }
    default: break
    }
    stop()
    return .failed
  }

  /// Kills the child.
  public func stop() {
    if !isRunning { return }
    _ = host_kill(processId, Signal.kill.rawValue)
    _ = wait()
  }

  /// The child's exit status.
  private func wait() -> Int32 {
    isRunning = false
    var status: Int32 = 0
    return host_wait(processId, 1, &status) == processId ? status : -1
  }
}
