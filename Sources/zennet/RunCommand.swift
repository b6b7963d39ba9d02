import ArgumentParser
import Bundles
import Host
import Publisher

/// `zennet run … -- PROGRAM …`: runs one program on some workers and pays for it as it runs.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Hire machines for a program, pay them as they work, and fetch the results.",
    discussion: """
      The program sees its bundle's files under /, runs in /work, and leaves its results in /out. \
      ZENNET_WORKER and ZENNET_WORKERS hold a worker's number and the number of workers. The \
      programs' output goes to standard output and standard error; with several workers line by \
      line, with the worker's number before each line. Events are reported on standard error; with \
      --json as JSON lines, the last of which has the exit status as `status`.

      An interrupted run continues when the same command is given again, or with \
      `zennet resume`.

      The exit status is 0 if every worker's program returned 0 and its results arrived. Otherwise \
      it is that of the first worker, by number, that failed: its program's, or 128 plus the \
      number of the signal that ended it, or one of Zennet's own:

      \(ExitStatus.table)
      """)

  @OptionGroup var work: WorkOptions

  @Option(help: "A bundle (tar.zst); one for all workers, or one per worker.")
  var bundle: [String] = []

  @Option(help: "A folder to pack as a bundle; repeatable like --bundle, and assigned first.")
  var input: [String] = []

  @Option(
    name: [.customLong("output"), .customLong("results")],
    help: "The folder for the contents of /out: worker-0, worker-1 …")
  var results: String?

  @Flag(
    inversion: .prefixedNo,
    help:
      "Forward standard input to the program. The default for one worker without a terminal."
  )
  var stdin: Bool?

  @Argument(
    parsing: .postTerminator,
    help: "The program and its arguments, after `--`; by default the bundle's image's.")
  var command: [String] = []

  func validate() throws {
    let count = bundle.count + input.count
    if count != 1 && count != Int(work.workers) {
      throw ValidationError("give one --bundle or --input for all workers, or one per worker")
    }
  }

  func run() throws {
    let limits = try work.limits.limits()
    let (network, more) = try work.place.chainAndPeers()
    let timeline = Timeline(asJson: work.place.json, file: work.timeline)
    let (bundles, checked) = try RunCommand.running(timeline) { () throws(RunError) in
      try work.checkOutputs(results)
      return try work.readBundles(folders: input, files: bundle)
    }
    let defaults = BundleDefaults(bundle: bundles[0])
    var template = try work.template(command, defaults)
    template.maxResultBytes = min(UInt64(limits.diskMiB), work.limits.maxResult) << 20
    let processors = try work.processors(template, defaults, checked, timeline)
    let offer = try work.offer(
      network, processors, tasksAtOnce: 1, bundleBytes: UInt64(bundles.map(\.count).max() ?? 0),
      leaseSeconds: work.limits.time)
    let options = work.options(network, more, template, results: results)
    var request = RunRequest(offer: offer, options: options, maxLossSat: work.market.maxLoss)
    request.setBundles(bundles)
    request.forwardsInput = stdin ?? (work.workers == 1 && !Terminal.isTerminal(0))
    try work.carryOut(request, network, timeline)
  }

  // MARK: Shared with `map` and `resume`

  /// Runs to the end and writes the receipt.
  static func finish(
    _ program: RunProgram, _ folder: RunFolder, _ timeline: Timeline
  ) throws(RunError) -> ExitStatus {
    var end = try program.run()
    if let record = program.record {
      let options = try folder.options(of: record.id)
      do throws(RunError) {
        let receipt = try RunReceipt(
          folder, run: record, networkName: options.network, seconds: timeline.seconds, end: end)
        if let path = options.receipt { try receipt.write(path) }
        if let text = receipt.summary, options.map != nil { timeline.tell(text) }
      } catch { end = RunEnd(end, problem: "no receipt: " + error.message) }
    }
    timeline.tell(end)
    return end.status
  }

  /// Error handling of `run`, `map` and `resume`: an error of Zennet itself has its own exit
  /// status, and is the last JSON line.
  static func running<Value>(
    _ timeline: Timeline, _ body: () throws(RunError) -> Value
  ) throws -> Value {
    do throws(RunError) { return try body() } catch {
      timeline.clearProgress()
      if timeline.asJson {
        timeline.tell(error.message, level: 0, status: .failure)
      } else {
        Complaint.tell(error.message)
      }
      throw ExitCode(.failure)
    }
  }

  /// Prints an error as one line on standard error and exits with status 1.
  static func reporting<Value>(_ body: () throws(RunError) -> Value) throws -> Value {
    do throws(RunError) { return try body() } catch {
      Complaint.tell(error.message)
      throw ExitCode.failure
    }
  }
}

extension ExitCode {
  init(_ status: ExitStatus) { self.init(Int32(status.code)) }
}
