import ArgumentParser
import Bitcoin
import Bytes
import Foundation
import Host
import Market
import Bundles
import Publisher

/// `zennet run … -- PROGRAM …`: one job on some workers, paid for as it runs.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Hire machines for a job, pay them as they work, and fetch the results.",
    discussion: """
      The job sees its bundle's files under /, works in /work, and leaves its results in /out. \
      ZENNET_WORKER and ZENNET_WORKERS tell a worker its number and how many there are. What jobs \
      print goes to standard output and standard error, of several workers line by line, with a \
      worker's number before each. What happens is told on standard error; with --json as JSON \
      lines, of which the last has the exit status as `status`.

      A run that was interrupted goes on when the same command is given again, or with \
      `zennet resume`.

      The exit status is 0 when every worker's program returned 0 and its results are here; else it \
      is that of the first worker, by number, of which that is not so: its program's, or 128 and the \
      number of the signal that ended it, or one of Zennet's own:

      \(ExitStatus.table)
      """)

  @OptionGroup var place: WalletCommand.Place
  @OptionGroup var market: MarketOptions
  @OptionGroup var limits: LimitOptions
  @OptionGroup var hidden: TestOptions

  @Option(
    name: .customLong("peer"),
    help:
      "HOST or HOST:PORT of a full node; repeatable. 127.0.0.1 when neither this nor a network file names one."
  )
  var peers: [String] = []

  @Option(help: "ADDRESS:PORT where workers call; port 0 takes any free one.")
  var listen = "127.0.0.1:0"

  @Option(help: "HOST:PORT that is announced, where it is not the listening address.")
  var announce: String?

  @Option(help: "How many machines are hired.")
  var workers: UInt16 = 1

  @Option(help: "A bundle (tar.zst); one for all workers, or one for each.")
  var bundle: [String] = []

  @Option(help: "A folder that becomes a bundle; repeatable like --bundle, before which it stands.")
  var input: [String] = []

  @Option(help: "NAME=value for the job's environment; repeatable.")
  var env: [String] = []

  @Option(help: "Where the program starts, inside the sandbox.")
  var workdir: String?

  @Option(
    name: [.customLong("output"), .customLong("results")],
    help: "The folder for what the workers leave in /out: worker-0, worker-1 …")
  var results: String?

  @Option(help: "Where the receipt of the whole run is written, as JSON.")
  var receipt: String?

  @Option(help: "Where the timeline is written, as JSON lines {t_ms, level, event}.")
  var timeline: String?

  @Flag(inversion: .prefixedNo, help: "Wait until every channel is closed in a block.")
  var waitClose = true

  @Flag(
    inversion: .prefixedNo,
    help:
      "This program's standard input becomes the jobs'. The default where it is not a terminal and there is one worker."
  )
  var stdin: Bool?

  @Flag(help: "Begin anew even if the same run was interrupted before.")
  var new = false

  @Argument(
    parsing: .postTerminator,
    help: "The program and its arguments, after `--`; by default what the bundle's image runs.")
  var command: [String] = []

  func validate() throws {
    if workers == 0 { throw ValidationError("--workers: at least 1") }
    let count = bundle.count + input.count
    if count != 1 && count != Int(workers) {
      throw ValidationError("give one --bundle or --input for all workers, or one for each")
    }
  }

  func run() throws {
    _ = try limits.limits()
    let (network, more) = try place.chainAndPeers()
    let path = try place.path()
    let timeline = Timeline(asJson: place.json, file: timeline)
    try RunCommand.running(timeline) { () throws(RunError) in try checkOutputs() }
    let (bundles, programs) = try RunCommand.running(timeline) { () throws(RunError) in
      try readBundles()
    }
    let offer = try makeOffer(network, bundles, programs, timeline)
    let status = try RunCommand.running(timeline) { () throws(RunError) in
      let folder = try RunFolder(path: path, network: network, makesWallet: true)
      let former = try new ? nil : folder.interrupted(offer)
      var options = options(network, more)
      if let former { options = try taken(former, folder, options) }
      let program = try RunProgram(
        folder: folder, options: options, announce: announce, offer: offer, bundles: bundles,
        former: former, forwardsInput: stdin ?? (workers == 1 && !Terminal.isTerminal(0)),
        timeline: timeline)
      return try RunCommand.finish(program, folder, timeline)
    }
    throw ExitCode(status)
  }

  /// As the interrupted run has them, but for where its results go, which may be said anew.
  private func taken(
    _ former: RunRecord, _ folder: RunFolder, _ given: RunOptions
  ) throws(RunError) -> RunOptions {
    var options = try folder.options(of: former.id)
    options.results = given.results ?? options.results
    options.receipt = given.receipt ?? options.receipt
    try folder.replace(options, of: former.id)
    return options
  }

  /// What cannot be written is known before anything is paid.
  private func checkOutputs() throws(RunError) {
    if let results { try OutputCheck.folder(results) }
    if let receipt { try OutputCheck.file(receipt) }
    if let timeline {
      do throws(HostError) { try Files.append(timeline, [], mode: 0o644) } catch {
        throw .host(error)
      }
    }
  }

  private func options(
    _ network: Network, _ more: [(host: String, port: UInt16)]
  ) -> RunOptions {
    // Port 0 is the network's own.
    var all = peers.map { $0.contains(":") ? $0 : $0 + ":0" }
    for peer in more { all.append(Endpoint.tcp(host: peer.host, port: peer.port).description) }
    var options = RunOptions(
      network: network.nameText, challenge: network.signetChallenge.map { Hex.encode($0) },
      peers: all.isEmpty ? ["127.0.0.1:0"] : all, listen: listen)
    options.results = results.map(RunCommand.absolute)
    options.receipt = receipt.map(RunCommand.absolute)
    options.bidWindowMs = market.bidWindow
    options.waitsForClose = waitClose
    options.awayMs = market.awayMs
    options.capacitySat = market.capacity
    options.stopPayingAfter = hidden.stopPayingAfter
    options.payAgainAfterMs = hidden.payAgainAfter
    return options
  }

  private static func absolute(_ path: String) -> String {
    URL(fileURLWithPath: path).standardizedFileURL.path
  }

  private func readBundles() throws(RunError) -> ([[UInt8]], [ProgramFinder]) {
    var bundles: [[UInt8]] = []
    var programs: [ProgramFinder] = []
    for path in input { bundles.append(try FolderBundle.make(path)) }
    for path in bundle { bundles.append(try FolderBundle.read(path)) }
    for (path, bundle) in zip(input + bundle, bundles) {
      programs.append(
        try BundleCheck.check(
          bundle, name: path, diskMiB: limits.disk, memoryMiB: limits.memory))
    }
    return (bundles, programs)
  }

  private func makeOffer(
    _ network: Network, _ bundles: [[UInt8]], _ programs: [ProgramFinder], _ timeline: Timeline
  ) throws -> Offer {
    let ladder: [UInt32] = [1, 5, 25]
    let openingSat = max(market.opening, RunPlan.leastOpeningSat(feeLadderSatPerVb: ladder))
    let largest = bundles.map(\.count).max() ?? 0
    let defaults = BundleDefaults(bundle: bundles[0])
    let arguments = command.isEmpty ? defaults.arguments : command
    if arguments.isEmpty { throw ValidationError("give the job's program after `--`") }
    let named = Set(env.map { $0.prefix { $0 != "=" } })
    let environment =
      defaults.environment.filter { !named.contains($0.prefix { $0 != "=" }) } + env
    let folder = workdir ?? (defaults.workdir.isEmpty ? "/work" : defaults.workdir)
    let (wanted, ofImage) = try (limits.processorSet(), defaults.processorSet)
    let processors = try RunCommand.running(timeline) { () throws(RunError) in
      try ProcessorChoice.processors(
        wanted: wanted, ofImage: ofImage, programs: programs, arguments: arguments,
        environment: environment, workdir: folder)
    }
    let offer = Offer(
      network: network.identity, title: Array(market.title.utf8),
      arguments: arguments.map { Array($0.utf8) },
      environment: environment.map { Array($0.utf8) },
      workdir: Array(folder.utf8), limits: try limits.limits(),
      isolation: try limits.isolationWanted(),
      processors: processors, workers: workers,
      priceCeilingSatPerHour: market.priceCeiling, payoutIntervalMs: market.payoutInterval,
      providerMaxLossSat: market.maxLoss, publisherMaxLossSat: max(market.maxLoss, openingSat),
      openingPaymentSat: openingSat, graceMs: market.grace,
      channelBlocks: market.channelBlocks ?? RunLimits.channelBlocks(forSeconds: limits.time),
      fundingDepth: market.fundingDepth, feeLadderSatPerVb: ladder,
      maxBundleBytes: UInt64(largest),
      maxResultBytes: min(UInt64(limits.disk), market.maxResult) << 20)
    do {
      // What machines would refuse is refused here first.
      _ = try Offer.decode(offer.encode())
    } catch { throw ValidationError("the offer: " + error.message) }
    return offer
  }

  // MARK: Shared with `resume`

  /// Runs to the end and writes the receipt.
  static func finish(
    _ program: RunProgram, _ folder: RunFolder, _ timeline: Timeline
  ) throws(RunError) -> ExitStatus {
    var end = try program.run()
    if let record = program.machine.runRecord {
      let options = try folder.options(of: record.id)
      do throws(RunError) {
        let receipt = try RunReceipt(
          folder, run: record, networkName: options.network, seconds: timeline.seconds, end: end)
        if let path = options.receipt { try receipt.write(path) }
      } catch { end = RunEnd(end, problem: "no receipt: " + error.message) }
    }
    timeline.tell(end)
    return end.status
  }

  /// What `run` and `resume` do: an error of Zennet's own has a status of its own, and ends JSON lines as
  /// every other end does.
  static func running<Value>(
    _ timeline: Timeline, _ body: () throws(RunError) -> Value
  ) throws -> Value {
    do throws(RunError) { return try body() } catch {
      if timeline.asJson {
        timeline.tell(error.message, level: 0, status: .failure)
      } else {
        Complaint.tell(error.message)
      }
      throw ExitCode(.failure)
    }
  }

  /// Errors are one line on standard error, and exit status 1.
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
