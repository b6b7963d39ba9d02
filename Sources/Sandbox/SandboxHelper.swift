import CHost

/// What runs inside a sandbox besides the job, in a program that never had the agent's memory, in which its
/// keys are: the first processes, and, confined, unpacking the bundle and collecting the results, which touch
/// a stranger's data and so have no rights.
public enum SandboxHelper {
  private static let word = "sandbox-helper"
  private static let report: Int32 = 3
  private static let bundle: Int32 = 4
  private static let results: Int32 = 5

  /// To be called first by a program that is named as ``SandboxSettings/helperProgram``. True: this process
  /// was a helper and is done; it must exit. `words` are the arguments without the program's name.
  public static func runIfAsked(_ words: [String]) -> Bool {
    if words.count != 4 && words.count != 3 || !Text.same(words[0], word) { return false }
    if words.count == 4 && Text.same(words[1], "0") {
      words[2].withCString { host_sandbox_stem(runHelper, $0) }
    }
    let numbers = words.dropFirst().map { Text.number(Array($0.utf8)[...]) ?? 0 }
    let limits = BundleLimits(entries: numbers[1], bytes: numbers.count > 2 ? numbers[2] : 0)
    // Nobody shall unpack anything over a machine's root by calling this by hand.
    if host_sandbox_is_confined() != 1 { return true }
    if words.count == 3 {
      if !copy(task: numbers[0], path: words[2]) { host_exit(1) }
      return true
    }
    var answer: [UInt64] = [0, 0, 0]
    answer.withUnsafeMutableBufferPointer { answer in
      guard let start = answer.baseAddress else { return }
      run(task: UInt32(truncatingIfNeeded: numbers[0]), limits: limits, report: start)
      start.withMemoryRebound(to: UInt8.self, capacity: 24) {
        _ = host_sandbox_write(report, $0, 24)
      }
    }
    return true
  }

  /// Of the stem; `folder` is where sandboxes mount their roots.
  static func stemArguments(folder: String) -> [String] {
    ["zennet-agent", word, "0", folder, "0"]
  }

  static func arguments(task: UInt32, _ limits: BundleLimits) -> [String] {
    ["zennet-agent", word, "\(task)", "\(limits.entries)", "\(limits.bytes)"]
  }

  /// As the further program of a job that ``SandboxProcess/startCopy(_:path:)`` asks for.
  static func copyArguments(_ direction: CopyDirection, path: String) -> [String] {
    ["zennet-agent", word, direction == .out ? "3" : "4", path]
  }

  /// What went wrong is told on standard error.
  static func copy(task: UInt64, path: String) -> Bool {
    var problem: String?
    if task == 3 {
      let result = ResultCollector.send(path, output: 1)
      if result < 0 { problem = path + ": " + System.reason(-result) }
    } else {
      do throws(BundleError) { try FileReceiver.run(path: path, input: 0) } catch {
        problem = path + ": " + error.message
      }
    }
    guard let problem else { return true }
    let line = Array((problem + "\n").utf8)
    line.withUnsafeBufferPointer { _ = host_sandbox_write(2, $0.baseAddress, UInt64($0.count)) }
    return false
  }

  static func run(task: UInt32, limits: BundleLimits, report: UnsafeMutablePointer<UInt64>) {
    if task == 1 {
      BundleUnpacker.run(
        input: bundle, root: host_sandbox_held_folder(), limits: limits, report: report)
    } else {
      ResultCollector.run(folder: "/out", output: results, report: report)
    }
  }
}
