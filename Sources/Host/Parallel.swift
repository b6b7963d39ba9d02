import CHost

/// Work in several processes at once, where there are no threads.
public enum Parallel {
  /// Forks `count` children; each runs `body` with its number and hands its bytes, `limit` at most,
  /// back. In the order of the numbers; nil when one could not be made, did not end well or took more
  /// than `limitSeconds`.
  ///
  /// The children are copies of this process: `body` should compute and not touch what is shared.
  public static func run(
    _ count: UInt32, limit: Int = 65_536, limitSeconds: UInt32 = 120, _ body: (UInt32) -> [UInt8]
  ) -> [[UInt8]]? {
    var children: [(processId: Int32, pipe: Descriptor)] = []
    var isWhole = true
    for number in 0..<count {
      guard let pipe = try? Descriptor.pipe() else { isWhole = false; break }
      let processId = host_fork(limitSeconds)
      if processId == 0 {
        let answer = body(number)
        let isDone = (try? pipe.writing.writeAll(answer)) != nil
        host_exit(isDone ? 0 : 1)
      }
      pipe.writing.close()
      if processId < 0 { isWhole = false; break }
      children.append((processId, pipe.reading))
    }
    var answers: [[UInt8]] = []
    for child in children {
      let answer = isWhole ? readAll(child.pipe, limit: limit) : nil
      if answer == nil { _ = host_kill(child.processId, Signal.kill.rawValue) }
      var status: Int32 = 0
      let ended = host_wait(child.processId, 1, &status)
      if let answer, ended == child.processId, status == 0 {
        answers.append(answer)
      } else {
        isWhole = false
      }
    }
    return isWhole ? answers : nil
  }

  private static func readAll(_ pipe: Descriptor, limit: Int) -> [UInt8]? {
    var bytes: [UInt8] = []
    while true {
      guard let read = try? pipe.read(limit: 4096) else { return nil }
      switch read {
      case .bytes(let more):
        bytes.append(contentsOf: more)
        if bytes.count > limit { return nil }
      case .ended: return bytes
      case .wouldBlock: return nil
      }
    }
  }
}
