import CHost

/// What runs inside a sandbox besides the job, in a program that never had the agent's memory, in which its
/// keys are: the first processes, and, confined, unpacking the bundles and collecting the results, which touch
/// a stranger's data and so have no rights.
public enum SandboxHelper {
  private static let word = "sandbox-helper"

  /// To be called first by a program that is named as ``SandboxSettings/helperProgram``. Does not return where
  /// this process is to be a zygote. True: it was asked for in another way; it must exit. `words` are the
  /// arguments without the program's name.
  public static func runIfAsked(_ words: [String]) -> Bool {
    guard let first = words.first, Text.same(first, word) else { return false }
    if words.count == 2 { words[1].withCString { host_sandbox_zygote(runHelper, $0) } }
    return true
  }

  /// Of the zygote; `folder` is where sandboxes mount their roots.
  static func zygoteArguments(folder: String) -> [String] { ["zennet-agent", word, folder] }

  /// As the further program of a job that ``SandboxProcess/startCopy(_:path:)`` asks for.
  static func copyArguments(_ direction: CopyDirection, path: String) -> [String] {
    [direction == .out ? "3" : "4", path]
  }

  /// See `host_helper` in sandbox.h for the tasks and what they report.
  static func run(
    task: UInt32, work: host_helper_work, report: UnsafeMutablePointer<UInt64>
  ) {
    switch task {
    case 1:
      BundleUnpacker.run(
        count: Int(work.bundles), root: host_sandbox_held_folder(),
        limits: BundleLimits(entries: work.limits.0, bytes: work.limits.1), report: report)
    case 2:
      ResultCollector.run(
        bytes(work.path), limitBytes: work.limits.0, output: work.output, report: report)
    default:
      report[0] = copy(task: task, path: String(decoding: bytes(work.path), as: UTF8.self)) ? 0 : 1
    }
  }

  private static func bytes(_ text: UnsafePointer<CChar>?) -> [UInt8] {
    var bytes: [UInt8] = []
    var at = text
    while let next = at, next.pointee != 0 {
      bytes.append(UInt8(bitPattern: next.pointee))
      at = next + 1
    }
    return bytes
  }

  /// What went wrong is told on standard error.
  private static func copy(task: UInt32, path: String) -> Bool {
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
}

/// Called by C in a confined child.
func runHelper(
  task: UInt32, work: UnsafePointer<host_helper_work>?, report: UnsafeMutablePointer<UInt64>?
) {
  guard let report, let work else { return }
  SandboxHelper.run(task: task, work: work.pointee, report: report)
}
