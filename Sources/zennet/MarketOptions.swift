import ArgumentParser
import Market
import Publisher

/// The conditions of the market, for `run` and `map`.
struct MarketOptions: ParsableArguments {
  @Option(help: "A name for the job, at most 120 bytes.")
  var title = "job"

  @Option(help: "The most that an hour of full use of one machine may cost, in sat.")
  var priceCeiling: UInt64 = 100_000

  @Option(help: "Milliseconds between payments, once what is owed is worth one.")
  var payoutInterval: UInt32 = 10_000

  @Option(
    help: """
      How far paid may pass owed on each machine, in sat; what a channel costs to open and to close comes on \
      top.
      """)
  var maxLoss: UInt64 = 1_000

  @Option(
    help: "Milliseconds of use that are paid for after a stop; at least what --stop-timeout needs.")
  var stopGrace: UInt32 = 2_000

  @Option(
    help: "Seconds for which a machine keeps results, and a lease that is not paid."
  )
  var hold: UInt32 = 21_600

  @Option(
    help: "Lifetime of the channels in blocks; by default a day, or what the time limit needs.")
  var channelBlocks: UInt32?

  @Option(help: "Blocks before its end at which a channel is closed.")
  var closeMargin: UInt32 = 24

  @Option(help: "Confirmations of the funding before payments count.")
  var fundingDepth: UInt32 = 1

  @Option(
    help: "Sat that can be paid through each channel; by default what the time limit can cost.")
  var capacity: UInt64?

  @Option(help: "Channels that may follow the first of a lease when it is used up, at most 7.")
  var topUps: UInt8 = 7

  @Option(
    help: "MiB that tasks on one machine may move over the network in an hour, bundles included.")
  var networkTraffic: UInt64 = 1_024

  @Option(help: "MiB that tasks on one machine may read from its disk in an hour, and write to it.")
  var diskTraffic: UInt64 = 4_096

  @Option(
    help: "Milliseconds for bids to come in after the first; by default 2000, on regtest 300.")
  var bidWindow: UInt64?

  @Option(help: "Seconds in which all machines must be hired; without end by default.")
  var hireTimeout: UInt64?

  @Option(
    name: .customLong("away"), help: "Milliseconds after which a silent worker is given up.")
  var awayMs: UInt64 = 600_000

  @Option(help: "How well tasks are isolated: any, reduced or full.")
  var isolation = "any"

  @Option(
    help: """
      Processors that the bundle has programs for, separated by commas; what the program says by default \
      (of ARM: armv6 and armv7).
      """)
  var processors: String?

  func validate() throws {
    if topUps > 7 { throw ValidationError("--top-ups: at most 7") }
    let holdMs = UInt64(hold) * 1000
    if !(UInt64(Limits.holdMs.lowerBound)...UInt64(Limits.holdMs.upperBound)).contains(holdMs) {
      throw ValidationError("--hold: 60 to 86400 seconds")
    }
  }

  func isolationWanted() throws -> IsolationWanted {
    switch isolation {
    case "any": return .any
    case "reduced": return .reduced
    case "full": return .full
    default: throw ValidationError("--isolation: any, reduced or full")
    }
  }

  /// Nil where nothing is named.
  func processorSet() throws -> ProcessorSet? {
    guard let processors else { return nil }
    if processors == "all" { return .all }
    var set: ProcessorSet = []
    for name in processors.split(separator: ",") {
      guard let one = ProcessorSet(name: String(name)) else {
        throw ValidationError("--processors: \(name) is none of \(ProcessorSet.all.text)")
      }
      set.formUnion(one)
    }
    return set
  }
}

/// What one task may use.
struct LimitOptions: ParsableArguments {
  @Option(help: "MiB of memory, at least 4; files are a part of it.")
  var memory: UInt32 = 64

  @Option(help: "Processors, as 0.5 or 2; at least 0.01.")
  var cpus: Double = 0.5

  @Option(help: "Processes and threads, at least 4.")
  var pids: UInt32 = 64

  @Option(help: "MiB of files: the bundle's, and what the task writes.")
  var disk: UInt32 = 64

  @Option(help: "Seconds from start to end, at most 30 days; pauses and freezes do not count.")
  var time: UInt64 = 600

  @Option(
    help: """
      Seconds between SIGTERM and SIGKILL when a task is stopped, at most 60; 0 ends it at once. The time is \
      paid for.
      """)
  var stopTimeout: UInt32 = 0

  @Option(help: "The most results that a task may return, in MiB.")
  var maxResult: UInt64 = 64

  func limits() throws -> TaskLimits {
    if stopTimeout > 60 { throw ValidationError("--stop-timeout: at most 60 seconds") }
    do throws(RunError) {
      return try RunLimits.task(
        memoryMiB: memory, cpus: cpus, pids: pids, diskMiB: disk, seconds: time)
    } catch { throw ValidationError(error.message) }
  }
}

/// Bad behaviour on purpose.
struct TestOptions: ParsableArguments {
  @Option(help: .hidden)
  var stopPayingAfter: UInt64?

  @Option(help: .hidden)
  var payAgainAfter: UInt64?
}
