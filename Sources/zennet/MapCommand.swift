import ArgumentParser
import Bundles
import Foundation
import Publisher

/// `zennet map -a FILE … -- PROGRAM … {}`: one task for each line of a file, on machines that are hired once.
struct MapCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "map",
    abstract: "Run a program once for each line of a file, on machines that are hired once.",
    discussion: """
      Each line of FILE is the argument of one task: it takes the place of every `{}` in the command, or \
      stands behind it where there is none. The task finds it in ZENNET_ARGUMENT too, and its number, from 0, \
      in ZENNET_TASK. FILE may be a named pipe, or - for standard input: a line is a task from the \
      moment that it is read, and the machines stay hired until the end of the file and of the last task.

      Every task has a sandbox of its own with the base's files, and its own input on top of them. A task whose \
      machine fails runs again on another one.

      What a task printed is shown when it has ended, as a whole. With --json standard output gets one \
      line for each task instead: {task, argument, worker, exit, exit_status, status, seconds, \
      stdout_bytes}, where `status` is what `zennet run` would have exited with for that task alone.

      A map that was interrupted goes on when the same command is given again, or with `zennet resume`, \
      which can read the rest of FILE again where it is no pipe.

      The exit status is 0 when every task returned 0, else that of the first task, by number, that did not, \
      as `zennet run` has it.
      """)

  @OptionGroup var work: WorkOptions

  @Option(
    name: [.customShort("a"), .customLong("arg-file")], help: "A file with one argument a line.")
  var argumentFile: String

  @Option(
    name: [.customLong("jobs-per-worker"), .customLong("jobs"), .customShort("j")],
    help: "Tasks at once on one machine; its share is so many times what a task may use.")
  var jobs: UInt32 = 1

  @Option(help: "A folder whose files all tasks have.")
  var input: String?

  @Option(help: "The same as a bundle (tar.zst).")
  var bundle: String?

  @Option(
    help: "A folder or a bundle for each task, on top of the base; `{}` stands for its argument.")
  var taskInput: String?

  @Option(
    name: [.customLong("output"), .customLong("results")],
    help:
      "The folder for what tasks leave in /out: task-0, task-1 …; without it nothing is fetched.")
  var results: String?

  @Flag(
    name: [.customShort("k"), .customLong("keep-order")],
    help: "Show tasks in the order of their arguments, not of their ends.")
  var keepsOrder = false

  @Option(
    help:
      "Seconds for which each machine is expected to be hired: its first channel has room for them."
  )
  var leaseTime: UInt64 = 3_600

  @Argument(parsing: .postTerminator, help: "The program and its arguments, after `--`.")
  var command: [String] = []

  func validate() throws {
    if command.isEmpty { throw ValidationError("give the program after `--`") }
    if input != nil && bundle != nil { throw ValidationError("give --input or --bundle") }
    if input == nil && bundle == nil && taskInput == nil {
      throw ValidationError("give --input, --bundle or --task-input: a task has no files else")
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
    // A task's own input may bring the program: then nothing is known of it.
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

  /// What a machine keeps beside what its tasks write: the base, and inputs of tasks that are to start.
  private func bundleBytes(_ bundles: [[UInt8]]) -> UInt64 {
    let base = UInt64(bundles.map(\.count).max() ?? 0)
    return base + (taskInput == nil ? 0 : UInt64(work.limits.disk) << 20)
  }
}
