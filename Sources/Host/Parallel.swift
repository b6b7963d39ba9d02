/// Runs work in several processes at once.
public enum Parallel {
  /// Runs `body` in `count` processes, each with its number. Returns their results in the order of
  /// the numbers; nil if one could not be started, failed, or took longer than `limitSeconds`.
  public static func run(
    _ count: UInt32, limit: Int = 65_536, limitSeconds: UInt32 = 120, _ body: (UInt32) -> [UInt8]
  ) -> [[UInt8]]? {
    var workers: [ForkedWork] = []
    for number in 0..<count {
      guard
        let worker = try? ForkedWork(limit: limit, limitSeconds: limitSeconds, { body(number) })
      else { return nil }
      workers.append(worker)
    }
    var answers: [[UInt8]] = []
    for worker in workers {
      var state = ForkedWork.State.running
      while state == .running { state = worker.read() }
      guard case .done(let answer) = state else { return nil }
      answers.append(answer)
    }
    return answers
  }
}
