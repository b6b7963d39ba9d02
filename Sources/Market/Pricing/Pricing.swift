import Bitcoin

/// What a machine has to sell: the measure of a full hour.
public struct MachineCapacity: Equatable, Sendable {
  /// Thousandths of a processor, all together.
  public var milliCpus: UInt32
  public var memoryMiB: UInt32
  /// Measured; 0 where unknown, or where jobs' files live in memory.
  public var diskReadKiBPerS: UInt32
  public var diskWriteKiBPerS: UInt32

  public init(
    milliCpus: UInt32, memoryMiB: UInt32, diskReadKiBPerS: UInt32 = 0, diskWriteKiBPerS: UInt32 = 0
  ) {
    self.milliCpus = milliCpus
    self.memoryMiB = memoryMiB
    self.diskReadKiBPerS = diskReadKiBPerS
    self.diskWriteKiBPerS = diskWriteKiBPerS
  }
}

/// Rates from what an owner can say: what a full hour should earn, what electricity costs.
///
/// This is Zennet's canonical-benchmark pricing: each benchmark run has a usage vector and a price,
/// and the rates are the non-negative least squares solution. A run's price is its share of the
/// wish: the largest fraction that it takes of any one of the machine's resources.
///
/// Only the machine that bids computes this, once, in floating point; the rates are rounded to
/// integers, and from there on both ends compute alike.
public enum Pricing {
  /// Rates at which an hour of all processors and all memory costs `hourlySat`, or its energy where
  /// that is more. The energy comes first, so that no mix of use is sold below what it draws; what
  /// the wish leaves above it is shared out as the benchmark runs have it.
  ///
  /// - Parameter runs: usage of each benchmark run; where empty, ``typicalRuns(_:)``.
  public static func rates(
    hourlySat: UInt64, runs: [UsageVector], machine: MachineCapacity, energy: EnergyCost?
  ) -> RateVector {
    let least = energy?.rates(milliCpus: machine.milliCpus) ?? RateVector()
    let leastPsatPerMs = full(
      Double(least.cpuPsatPerMs), 0, Double(least.wallPsatPerMs), machine)
    let wishPsatPerMs = Double(hourlySat) * Double(RateVector.psatPerSat) / 3_600_000
    if wishPsatPerMs <= leastPsatPerMs { return least }
    let used = runs.filter { $0.runningMs > 0 }
    let rest = fit(
      used.isEmpty ? typicalRuns(machine) : used, wishPsatPerMs - leastPsatPerMs, machine)
    return RateVector(
      cpuPsatPerMs: saturatingSum(least.cpuPsatPerMs, rest.cpuPsatPerMs),
      memoryPsatPerMiBMs: rest.memoryPsatPerMiBMs, diskReadPsatPerKiB: rest.diskReadPsatPerKiB,
      diskWritePsatPerKiB: rest.diskWritePsatPerKiB, networkPsatPerKiB: rest.networkPsatPerKiB,
      wallPsatPerMs: saturatingSum(least.wallPsatPerMs, rest.wallPsatPerMs))
  }

  /// What a millisecond of all processors and all memory costs.
  private static func full(
    _ cpu: Double, _ memory: Double, _ wall: Double, _ machine: MachineCapacity
  ) -> Double {
    cpu * Double(machine.milliCpus) / 1000 + memory * Double(machine.memoryMiB) + wall
  }

  private static func saturatingSum(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? UInt64.max : sum
  }

  /// One hour each of: waiting, one busy processor, all of them, all memory held, the disk read, the
  /// disk written. For a machine that has not measured its own.
  public static func typicalRuns(_ machine: MachineCapacity) -> [UsageVector] {
    let hour: UInt64 = 3_600_000
    let cpu = hour * UInt64(machine.milliCpus) / 1000
    let memory = hour * UInt64(machine.memoryMiB)
    return [
      UsageVector(memoryMiBMs: memory / 16, wallMs: hour),
      UsageVector(cpuMs: min(cpu, hour), memoryMiBMs: memory / 8, wallMs: hour),
      UsageVector(cpuMs: cpu, memoryMiBMs: memory / 8, wallMs: hour),
      UsageVector(cpuMs: cpu / 8, memoryMiBMs: memory, wallMs: hour),
      UsageVector(
        cpuMs: cpu / 8, memoryMiBMs: memory / 8,
        diskReadKiB: UInt64(machine.diskReadKiBPerS) * 3600, wallMs: hour),
      UsageVector(
        cpuMs: cpu / 8, memoryMiBMs: memory / 8,
        diskWriteKiB: UInt64(machine.diskWriteKiBPerS) * 3600, wallMs: hour),
    ]
  }

  private static func fit(
    _ runs: [UsageVector], _ psatPerMs: Double, _ machine: MachineCapacity
  ) -> RateVector {
    // Per millisecond, so that a long run weighs no more than a short one.
    var rows: [[Double]] = []
    var targets: [Double] = []
    for run in runs {
      let ms = Double(run.runningMs)
      rows.append([
        Double(run.cpuMs) / ms, Double(run.memoryMiBMs) / ms, Double(run.diskReadKiB) / ms,
        Double(run.diskWriteKiB) / ms, Double(run.networkKiB) / ms, 1,
      ])
      targets.append(psatPerMs * share(of: run, machine))
    }
    let solved = NonNegativeLeastSquares.solve(rows: rows, targets: targets)
    // A full hour uses several resources to the full, and costs the wish, not the sum.
    let full = full(solved[0], solved[1], solved[5], machine)
    let factor = full > 0 ? psatPerMs / full : 0
    if factor == 0 { return RateVector(wallPsatPerMs: rounded(psatPerMs)) }
    return RateVector(
      cpuPsatPerMs: rounded(solved[0] * factor), memoryPsatPerMiBMs: rounded(solved[1] * factor),
      diskReadPsatPerKiB: rounded(solved[2] * factor),
      diskWritePsatPerKiB: rounded(solved[3] * factor),
      networkPsatPerKiB: rounded(solved[4] * factor), wallPsatPerMs: rounded(solved[5] * factor))
  }

  /// The largest fraction of any resource that the run took, 0 to 1, and at least a tenth: a machine
  /// that waits for a job is not free either.
  private static func share(of run: UsageVector, _ machine: MachineCapacity) -> Double {
    let ms = Double(run.runningMs)
    var share = 0.1
    func take(_ used: UInt64, of capacityPerMs: Double) {
      if capacityPerMs > 0 { share = max(share, Double(used) / ms / capacityPerMs) }
    }
    take(run.cpuMs, of: Double(machine.milliCpus) / 1000)
    take(run.memoryMiBMs, of: Double(machine.memoryMiB))
    take(run.diskReadKiB, of: Double(machine.diskReadKiBPerS) / 1000)
    take(run.diskWriteKiB, of: Double(machine.diskWriteKiBPerS) / 1000)
    return min(share, 1)
  }

  private static func rounded(_ value: Double) -> UInt64 {
    if !(value > 0) { return 0 }
    return value >= 1e19 ? UInt64(1e19) : UInt64(value + 0.5)
  }
}
