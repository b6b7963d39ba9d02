import ArgumentParser
import Bundles
import Foundation
import Publisher

/// `zennet map -a FILE … -- PROGRAM … {}`: runs one task per line of a file, on leases that are
/// made once.
struct MapCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "map",
    abstract: "Run a program once for each line of a file, on machines that are hired once.",
    discussion: """
      Each line of FILE is the argument of one task: it replaces every `{}` in the command, or is \
      appended if there is none. ZENNET_ARGUMENT also holds the argument, and ZENNET_TASK the \
      task's number, from 0. FILE may be a named pipe, or - for standard input: a line becomes a \
      task as soon as it is read, and the leases last until the end of the file and of the last \
      task.

      Every task has its own sandbox with the base's files, and its own input on top of them. A \
      task whose machine fails runs again on another one.

      A task's output is shown as a whole after its end. With --json, standard output gets one \
      line for each task instead: {task, argument, worker, exit, exit_status, status, seconds, \
      stdout_bytes}, where `status` is the exit status of `zennet run` for that task alone.

      An interrupted map continues when the same command is given again, or with `zennet resume`, \
      which can read the rest of FILE unless it is a pipe.

      The exit status is 0 if every task returned 0, else that of the first task, by number, that \
      did not, as with `zennet run`.
      """)

  @OptionGroup var work: WorkOptions

  @Option(
    name: [.customShort("a"), .customLong("arg-file")], help: "A file with one argument a line.")
  var argumentFile: String

  @Option(
    name: [.customLong("jobs-per-worker"), .customLong("jobs"), .customShort("j")],
    help: "Tasks at once on one machine; its share is that many times a task's limits.")
  var jobs: UInt32 = 1

  @Option(help: "A folder with the base: files for all tasks.")
  var input: String?

  @Option(help: "The base as a bundle (tar.zst).")
  var bundle: String?

  @Option(
    help: "A folder or a bundle for each task, on top of the base; `{}` stands for its argument.")
  var taskInput: String?

  @Option(
    name: [.customLong("output"), .customLong("results")],
    help:
      "The folder for the contents of /out: task-0, task-1 …; without it nothing is fetched.")
  var results: String?

  @Flag(
    name: [.customShort("k"), .customLong("keep-order")],
    help: "Show tasks in the order of their arguments instead of their ends.")
  var keepsOrder = false

  @Option(
    help:
      "The expected duration of each lease, in seconds; sizes its first channel."
  )
  var leaseTime: UInt64 = 3_600

  @Argument(parsing: .postTerminator, help: "The program and its arguments, after `--`.")
  var command: [String] = []

  func validate() throws {
    if command.isEmpty { throw ValidationError("give the program after `--`") }
    if input != nil && bundle != nil { throw ValidationError("give --input or --bundle") }
    if input == nil && bundle == nil && taskInput == nil {
      throw ValidationError("give --input, --bundle or --task-input: a task needs files")
    }
    if jobs < 1 || jobs > 1024 { throw ValidationError("--jobs-per-worker: 1 to 1024") }
    if leaseTime < 1 || leaseTime > 31_536_000 {
      throw ValidationError("--lease-time: 1 to 31536000 seconds")
    }
  }

  func run() throws {
    let limits = try work.limits.limits()
    let (network, more) = try work.place.chainAndPeers()
    let timeline = Timeline(
      asJson: false, most: 2, file: work.timeline)
    let (bundles, checked) = try RunCommand.running(timeline) { () throws(RunError) in
      try work.checkOutputs(results)
      return try work.readBundles(
        folders: input.map { [$0] } ?? [], files: bundle.map { [$0] } ?? [])
    }
    let defaults = bundles.first.map { BundleDefaults(bundle: $0) } ?? BundleDefaults()
    var template = try work.template(command, defaults)
    if results != nil {
      template.maxResultBytes = min(UInt64(limits.diskMiB), work.limits.maxResult) << 20
    }
    // A task's own input may contain the program; then its processors are unknown.
    let processors = try work.processors(
      template, defaults, taskInput == nil ? checked : [], timeline)
    let leaseSeconds = max(leaseTime, work.limits.time)
    let offer = try work.offer(
      network, processors, tasksAtOnce: jobs, bundleBytes: bundleBytes(bundles),
      leaseSeconds: leaseSeconds)
    var options = work.options(network, more, template, results: results)
    options.workMs = leaseSeconds * 1000
    var map = MapOptions(
      arguments: argumentFile == "-" ? "-" : WorkOptions.absolute(argumentFile))
    map.taskInput = taskInput.map(WorkOptions.absolute)
    map.keepsOrder = keepsOrder
    map.printsJson = work.place.json
    options.map = map
    var request = RunRequest(offer: offer, options: options, maxLossSat: work.market.maxLoss)
    request.setBundles(bundles)
    request.base = checked.first ?? CheckedBundle()
    try work.carryOut(request, network, timeline)
  }

  /// The bundles that a provider keeps: the base, and inputs of tasks that will start next.
  private func bundleBytes(_ bundles: [[UInt8]]) -> UInt64 {
    let base = UInt64(bundles.map(\.count).max() ?? 0)
    return base + (taskInput == nil ? 0 : UInt64(work.limits.disk) << 20)
  }
}
