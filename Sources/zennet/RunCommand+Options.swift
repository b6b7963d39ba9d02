import ArgumentParser
import Market
import Publisher

extension RunCommand {
  /// The conditions of the market.
  struct MarketOptions: ParsableArguments {
    @Option(help: "A name for the job, at most 120 bytes.")
    var title = "job"

    @Option(help: "The most that an hour of full use may cost, in sat.")
    var priceCeiling: UInt64 = 100_000

    @Option(help: "Milliseconds between payments.")
    var payoutInterval: UInt32 = 1_000

    @Option(help: "How far owed may pass paid, and paid owed, in sat.")
    var maxLoss: UInt64 = 1_000

    @Option(help: "Paid before a job starts, in sat; never less than the cheapest close needs.")
    var opening: UInt64 = 0

    @Option(help: "Milliseconds that a frozen job waits for its payment.")
    var grace: UInt32 = 10_000

    @Option(
      help: "Lifetime of the channels in blocks; by default a day, or what the time limit needs.")
    var channelBlocks: UInt32?

    @Option(help: "Confirmations of the funding before work begins.")
    var fundingDepth: UInt32 = 1

    @Option(help: "Sat in each channel; by default what the time limit can cost.")
    var capacity: UInt64?

    @Option(help: "Milliseconds for bids to come in after the first.")
    var bidWindow: UInt64 = 2_000

    @Option(
      name: .customLong("away"), help: "Milliseconds after which a silent worker is given up.")
    var awayMs: UInt64 = 600_000

    @Option(help: "The most results that a worker may return, in MiB.")
    var maxResult: UInt64 = 64
  }

  /// What the job may use of each machine.
  struct LimitOptions: ParsableArguments {
    @Option(help: "MiB of memory, at least 4; files are a part of it.")
    var memory: UInt32 = 64

    @Option(help: "Processors, as 0.5 or 2; at least 0.01.")
    var cpus: Double = 1

    @Option(help: "Processes and threads, at least 4.")
    var pids: UInt32 = 64

    @Option(help: "MiB of files: the bundle's, and what the job writes.")
    var disk: UInt32 = 64

    @Option(help: "Seconds from start to end, at most 30 days; pauses and freezes do not count.")
    var time: UInt64 = 600

    @Option(help: "How well the job is walled in: any, reduced or full.")
    var isolation = "any"

    @Option(
      help: """
        Processors that the bundle has programs for, separated by commas; what the job's program says \
        by default (of ARM: armv6 and armv7).
        """)
    var processors: String?

    func limits() throws -> ResourceLimits {
      do throws(RunError) {
        return try RunLimits.limits(
          memoryMiB: memory, cpus: cpus, pids: pids, diskMiB: disk, seconds: time)
      } catch { throw ValidationError(error.message) }
    }

    func isolationWanted() throws -> IsolationWanted {
      switch isolation {
      case "any": return .any
      case "reduced": return .reduced
      case "full": return .full
      default: throw ValidationError("--isolation: any, reduced or full")
      }
    }

    /// Nil where nothing is said.
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

  /// Bad behaviour on purpose.
  struct TestOptions: ParsableArguments {
    @Option(help: .hidden)
    var stopPayingAfter: UInt64?

    @Option(help: .hidden)
    var payAgainAfter: UInt64?
  }
}
