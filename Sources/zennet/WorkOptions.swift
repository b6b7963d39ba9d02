import ArgumentParser
import Bitcoin
import Bundles
import Bytes
import Foundation
import Host
import Market
import Publisher

/// Options shared by `run` and `map`.
struct WorkOptions: ParsableArguments {
  @OptionGroup var place: WalletCommand.Place
  @OptionGroup var market: MarketOptions
  @OptionGroup var limits: LimitOptions
  @OptionGroup var hidden: TestOptions

  @Option(
    name: .customLong("peer"),
    help:
      "HOST or HOST:PORT of a full node, besides the network file's; repeatable. Default 127.0.0.1."
  )
  var peers: [String] = []

  @Option(help: "ADDRESS:PORT where workers call; port 0 for any free one.")
  var listen = "127.0.0.1:0"

  @Option(help: "HOST:PORT to announce; by default the listening address.")
  var announce: String?

  @Option(help: "How many machines to hire.")
  var workers: UInt16 = 1

  @Option(help: "NAME=value for the environment of the tasks; repeatable.")
  var env: [String] = []

  @Option(help: "The program's working directory in the sandbox.")
  var workdir: String?

  @Option(help: "A file for the receipt of the whole run, as JSON.")
  var receipt: String?

  @Option(help: "A file for the timeline, as JSON lines {t_ms, level, event}.")
  var timeline: String?

  @Flag(
    inversion: .prefixedNo,
    help:
      "Wait until the close of every channel is in a block. The default if not run on a terminal."
  )
  var waitClose: Bool?

  @Flag(help: "Start a new run even if the same run was interrupted before.")
  var new = false

  func validate() throws {
    if workers == 0 { throw ValidationError("--workers: at least 1") }
  }

  // MARK: Files

  static func absolute(_ path: String) -> String {
    URL(fileURLWithPath: path).standardizedFileURL.path
  }

  /// Checks output files before any payment is made.
  func checkOutputs(_ results: String?) throws(RunError) {
    if let results { try OutputCheck.folder(results) }
    if let receipt { try OutputCheck.file(receipt) }
    if let timeline {
      do throws(HostError) { try Files.append(timeline, [], mode: 0o644) } catch {
        throw .host(error)
      }
    }
  }

  /// Packs folders, then reads existing bundles; checks each one.
  func readBundles(
    folders: [String], files: [String]
  ) throws(RunError) -> (bundles: [[UInt8]], checked: [CheckedBundle]) {
    var bundles: [[UInt8]] = []
    var checked: [CheckedBundle] = []
    do throws(BundlesError) {
      for path in folders { bundles.append(try FolderBundle.make(path)) }
      for path in files { bundles.append(try FolderBundle.read(path)) }
      for (path, bundle) in zip(folders + files, bundles) {
        checked.append(
          try BundleCheck.check(
            bundle, name: path, diskMiB: limits.disk, memoryMiB: limits.memory))
      }
    } catch { throw .bundles(error) }
    return (bundles, checked)
  }

  // MARK: The work

  /// The common part of the tasks. `defaults` comes from the bundle's image.
  func template(_ command: [String], _ defaults: BundleDefaults) throws -> TaskTemplate {
    let arguments = command.isEmpty ? defaults.arguments : command
    if arguments.isEmpty { throw ValidationError("give the program after `--`") }
    let named = Set(env.map { $0.prefix { $0 != "=" } })
    var template = TaskTemplate(command: arguments, limits: try limits.limits())
    template.environment =
      defaults.environment.filter { !named.contains($0.prefix { $0 != "=" }) } + env
    template.workdir = workdir ?? (defaults.workdir.isEmpty ? "/work" : defaults.workdir)
    template.stopMs = limits.stopTimeout * 1000
    return template
  }

  /// The processors that the program supports.
  func processors(
    _ template: TaskTemplate, _ defaults: BundleDefaults, _ checked: [CheckedBundle],
    _ timeline: Timeline
  ) throws -> ProcessorSet {
    let (wanted, ofImage) = try (market.processorSet(), defaults.processorSet)
    return try RunCommand.running(timeline) { () throws(RunError) in
      do throws(BundlesError) {
        return try ProcessorChoice.processors(
          wanted: wanted, ofImage: ofImage, programs: checked.map(\.programs),
          arguments: template.command, environment: template.environment,
          workdir: template.workdir)
      } catch { throw .bundles(error) }
    }
  }

  /// - Parameters:
  ///   - tasksAtOnce: on each machine.
  ///   - bundleBytes: the bundles that each machine keeps.
  ///   - leaseSeconds: the expected duration of a lease.
  func offer(
    _ network: Network, _ processors: ProcessorSet, tasksAtOnce: UInt32, bundleBytes: UInt64,
    leaseSeconds: UInt64
  ) throws -> Offer {
    let task = try limits.limits()
    let share: ShareLimits
    do throws(RunError) {
      share = try RunLimits.share(task, tasksAtOnce: tasksAtOnce, bundleBytes: bundleBytes)
    } catch { throw ValidationError(error.message) }
    let blocks =
      market.channelBlocks
      ?? min(
        RunLimits.channelBlocks(forSeconds: leaseSeconds) + market.closeMargin,
        Limits.lifetimeBlocks.upperBound)
    let offer = Offer(
      network: network.identity, title: Array(market.title.utf8), share: share,
      isolation: try market.isolationWanted(), processors: processors, workers: workers,
      priceCeilingSatPerHour: market.priceCeiling,
      traffic: HourlyTraffic(
        diskKiB: market.diskTraffic << 10,
        networkKiB: max(market.networkTraffic << 10, 2 * (bundleBytes >> 10))),
      payoutIntervalMs: market.payoutInterval, publisherMaxLossSat: max(market.maxLoss, 1),
      stopGraceMs: max(market.stopGrace, limits.stopTimeout * 1000),
      holdMs: market.hold * 1000, channelBlocks: blocks, closeMarginBlocks: market.closeMargin,
      fundingDepth: market.fundingDepth,
      feeLadderSatPerKvB: RunLimits.feeLadder(feeRateSatPerKvB: 1_000))
    do {
      // Rejects locally what providers would refuse.
      _ = try Offer.decode(offer.encode())
    } catch { throw ValidationError("the offer: " + error.message) }
    return offer
  }

  func options(
    _ network: Network, _ more: [(host: String, port: UInt16)], _ template: TaskTemplate,
    results: String?
  ) -> RunOptions {
    // Port 0 means the network's default.
    var all = peers.map { $0.contains(":") ? $0 : $0 + ":0" }
    for peer in more {
      all.append(Endpoint.tcp(host: peer.host, port: peer.port).description)
    }
    var options = RunOptions(
      network: network.nameText, challenge: network.signetChallenge.map { Hex.encode($0) },
      peers: all.isEmpty ? ["127.0.0.1:0"] : all, listen: listen, tasks: template)
    options.results = results.map(WorkOptions.absolute)
    options.receipt = receipt.map(WorkOptions.absolute)
    options.bidWindowMs = market.bidWindow ?? (network.rules == .regtest ? 300 : 2_000)
    options.hireTimeoutMs = market.hireTimeout.map { $0 * 1000 }
    options.waitsForClose = waitClose ?? !Terminal.isTerminal(2)
    options.awayMs = market.awayMs
    options.capacitySat = market.capacity
    options.maxTopUps = market.topUps
    options.workMs = limits.time * 1000
    options.stopPayingAfter = hidden.stopPayingAfter
    options.payAgainAfterMs = hidden.payAgainAfter
    return options
  }

  /// Starts the run, or resumes the same interrupted one.
  func carryOut(_ request: RunRequest, _ network: Network, _ timeline: Timeline) throws {
    let path = try place.path()
    let new = new
    let status = try RunCommand.running(timeline) { () throws(RunError) in
      let folder = try RunFolder(path: path, network: network, makesWallet: true)
      var request = request
      request.maxLossSat = market.maxLoss
      request.announce = announce
      if !new { try folder.takeUp(&request) }
      let program = try RunProgram(folder: folder, request: request, timeline: timeline)
      return try RunCommand.finish(program, folder, timeline)
    }
    throw ExitCode(status)
  }
}
