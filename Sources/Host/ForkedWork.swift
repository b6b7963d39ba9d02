import CHost

/// One function that runs in a process of its own, where there are no threads. What it takes of memory
/// is gone with it, and whoever asked for it goes on meanwhile.
public final class ForkedWork {
  public enum State: Equatable {
    case running
    case done([UInt8])
    /// It did not end well, took too long or said too much.
    case failed
  }

  private let pipe: Descriptor
  private let processId: Int32
  private let limit: Int
  private var answer: [UInt8] = []
  private var isRunning = true

  /// Readable whenever ``read()`` would not block.
  public var descriptor: Int32 { pipe.fd }

  /// Forks a child that runs `body` and hands its bytes, `limit` at most, back.
  ///
  /// The child is a copy of this process without its descriptors but 0 to 2: `body` should compute and
  /// not touch what is shared. It ends with this process, and after `limitSeconds`.
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

  /// Waits for something to come of the child, and takes it.
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

  /// Ends it, whatever it is at.
  public func stop() {
    if !isRunning { return }
    _ = host_kill(processId, Signal.kill.rawValue)
    _ = wait()
  }

  /// How it ended.
  private func wait() -> Int32 {
    isRunning = false
    var status: Int32 = 0
    return host_wait(processId, 1, &status) == processId ? status : -1
  }
}
