import Agent
import Bytes
import Capability
import Crypto
import Host
import Market
import Sandbox
import Storage

/// Runs the benchmark kernels with the host's clock, disk and processes.
enum Measuring {
  /// Called with each kernel before it runs.
  typealias Progress = (Kernel) -> Void

  static func run(
    seed: Bytes32, folder: String, budgetMs: UInt64, progress: Progress = { _ in }
  ) throws(CapabilityError) -> [KernelResult] {
    var plan = BenchmarkPlan(nowNs: { Clock.monotonicNs() })
    plan.budgetMs = budgetMs
    plan.bufferBytes = BenchmarkPlan.bufferBytes(memoryMiB: Machine.memoryMiB)
    plan.processors = Machine.processors
    plan.inParallel = { count, body in Parallel.run(count, body) }
    if let file = try? ScratchFile(in: folder) {
      plan.disk = DiskProbe(
        sizeBytes: diskBytes(folder), write: { file.write(at: $0, $1) }, sync: { file.sync() },
        dropCache: { file.dropCache() }, read: { file.read(at: $0, count: $1) })
    }
    return try Benchmark.run(seed: seed, plan: plan, starting: progress)
  }

  /// 16 MiB, or less on a nearly full disk; with 0 the disk kernels are skipped.
  private static func diskBytes(_ folder: String) -> UInt64 {
    let free = (try? Files.freeBytes(at: folder)) ?? 0
    return min(16 << 20, ((free / 4) >> 20) << 20)
  }

  /// A signed report of this host, dated by a block.
  static func report(
    _ keys: Ed25519.KeyPair, blockHeight: UInt32, blockHash: Bytes32, folder: String,
    budgetMs: UInt64, isolation: IsolationLevel
  ) throws(CapabilityError) -> CapabilityReport {
    let seed = Benchmark.seed(blockHash: blockHash, identity: keys.publicKey)
    let results = try run(seed: seed, folder: folder, budgetMs: budgetMs)
    var report = CapabilityReport(
      identity: keys.publicKey, blockHeight: blockHeight, blockHash: blockHash,
      unixSeconds: Clock.unixSeconds(), architecture: Machine.architecture,
      processors: UInt16(min(Machine.processors, 4096)),
      memoryMiB: UInt32(min(max(Machine.memoryMiB, 1), 1 << 28)),
      isolation: Setup.isolation(isolation).rawValue, results: results)
    report.sign(keys)
    return report
  }
}
