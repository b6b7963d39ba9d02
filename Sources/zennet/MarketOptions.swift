import ArgumentParser
import Market
import Publisher

/// Market options of `run` and `map`.
struct MarketOptions: ParsableArguments {
  @Option(help: "A title for the run, at most 120 bytes.")
  var title = "job"

  @Option(help: "The most that an hour of full use of one machine may cost, in sat.")
  var priceCeiling: UInt64 = 100_000

  @Option(help: "Milliseconds between payments, once the amount owed is large enough for one.")
  var payoutInterval: UInt32 = 10_000

  @Option(
    help: """
      The largest prepaid balance on each machine, in sat; the costs of opening and closing a \
      channel are added.
      """)
  var maxLoss: UInt64 = 1_000

  @Option(
    help: "Milliseconds of use that are paid after a stop; at least the --stop-timeout.")
  var stopGrace: UInt32 = 2_000

  @Option(
    help: "Seconds for which a machine keeps results, and an unpaid lease."
  )
  var hold: UInt32 = 21_600

  @Option(
    help: "Lifetime of the channels in blocks; by default a day, or as the time limit requires.")
  var channelBlocks: UInt32?

  @Option(help: "Blocks before its expiry at which a channel is closed.")
  var closeMargin: UInt32 = 24

  @Option(help: "Confirmations of the funding before payments count.")
  var fundingDepth: UInt32 = 1

  @Option(
    help: "Sat that can be paid through each channel; by default the most the time limit can cost.")
  var capacity: UInt64?

  @Option(help: "The most further channels of a lease, opened as its channels fill up; at most 7.")
  var topUps: UInt8 = 7

  @Option(
    help: "MiB of network traffic of the tasks on one machine in an hour, bundles included.")
  var networkTraffic: UInt64 = 1_024

  @Option(help: "MiB that tasks on one machine may read from disk in an hour, and write to it.")
  var diskTraffic: UInt64 = 4_096

  @Option(
    help: "Milliseconds to wait for more bids after the first; by default 2000, on regtest 300.")
  var bidWindow: UInt64?

  @Option(help: "Seconds within which all machines must be hired; by default no limit.")
  var hireTimeout: UInt64?

  @Option(
    name: .customLong("away"), help: "Milliseconds after which a disconnected worker is given up.")
  var awayMs: UInt64 = 600_000

  @Option(help: "The required isolation of tasks: any, reduced or full.")
  var isolation = "any"

  @Option(
    help: """
      Processors that the bundle has programs for, separated by commas; by default taken from the \
      program (for ARM: armv6 and armv7).
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

  /// Nil if not given.
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

/// The limits of one task.
struct LimitOptions: ParsableArguments {
  @Option(help: "MiB of memory, at least 4; files count towards it.")
  var memory: UInt32 = 64

  @Option(help: "Processors, such as 0.5 or 2; at least 0.01.")
  var cpus: Double = 0.5

  @Option(help: "Processes and threads, at least 4.")
  var pids: UInt32 = 64

  @Option(help: "MiB of files: the bundle's, and those that the task writes.")
  var disk: UInt32 = 64

  @Option(help: "Seconds from start to end, at most 30 days; pauses and freezes do not count.")
  var time: UInt64 = 600

  @Option(
    help: """
      Seconds between SIGTERM and SIGKILL when a task is stopped, at most 60; 0 kills it at once. \
      This time is paid.
      """)
  var stopTimeout: UInt32 = 0

  @Option(help: "The size limit of a task's results, in MiB.")
  var maxResult: UInt64 = 64

  func limits() throws -> TaskLimits {
    if stopTimeout > 60 { throw ValidationError("--stop-timeout: at most 60 seconds") }
    do throws(RunError) {
      return try RunLimits.task(
        memoryMiB: memory, cpus: cpus, pids: pids, diskMiB: disk, seconds: time)
    } catch { throw ValidationError(error.message) }
  }
}

/// Hidden options that misbehave, for tests.
struct TestOptions: ParsableArguments {
  @Option(help: .hidden)
  var stopPayingAfter: UInt64?

  @Option(help: .hidden)
  var payAgainAfter: UInt64?
}
