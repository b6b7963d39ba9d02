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

/// Rates for a share of a machine, from what its owner can say: what an hour of the whole machine should
/// earn, what electricity costs, and how much of the price is for the reservation.
///
/// An hour of full use, reservation included, costs the share's part of the wish, or of the energy where
/// that is more. A share counts as the larger of its processor and memory fractions, as nobody else can
/// use what it leaves. The reservation is `occupancyMilli` of the hour, and never below the energy of the
/// idle machine; the use rates share out the rest.
///
/// How the rest is shared out is Zennet's canonical-benchmark pricing: each benchmark run has a usage
/// vector and a price, and the rates are the non-negative least squares solution.
///
/// Only the provider that bids computes this, once, in floating point; the rates are rounded to
/// integers, and from there on both ends compute alike.
public enum Pricing {
  /// What an owner wants for the whole machine.
  public struct Wish: Equatable, Sendable {
    public var hourlySat: UInt64
    public var energy: EnergyCost?
    /// The reservation's part of an hour of full use, thousandths.
    public var occupancyMilli: UInt32

    public init(hourlySat: UInt64, energy: EnergyCost? = nil, occupancyMilli: UInt32 = 500) {
      self.hourlySat = hourlySat
      self.energy = energy
      self.occupancyMilli = min(occupancyMilli, 1000)
    }
  }

  /// - Parameter runs: usage of each benchmark run; where empty, ``typicalRuns(_:)``.
  public static func rates(
    for share: ShareLimits, of machine: MachineCapacity, _ wish: Wish, runs: [UsageVector] = []
  ) -> RateVector {
    let cpus = Double(share.milliCpus) / 1000
    let fraction = fraction(of: share, machine)
    let least = wish.energy?.rates(milliCpus: machine.milliCpus) ?? RateVector()
    let leastCpu = Double(least.cpuPsatPerMs)
    let leastReserved = Double(least.reservedPsatPerMs) * fraction
    let wished = Double(wish.hourlySat) * Double(RateVector.psatPerSat) / 3_600_000 * fraction
    let hour = max(wished, leastReserved + leastCpu * cpus)
    let reserved = min(
      max(hour * Double(wish.occupancyMilli) / 1000, leastReserved), hour - leastCpu * cpus)
    let rest = hour - reserved - leastCpu * cpus
    let used = runs.filter { $0.runningMs > 0 }
    let split = fit(used.isEmpty ? typicalRuns(machine) : used, machine)
    let full = split.cpu * cpus + split.memory * Double(share.memoryMiB)
    if !(full > 0) {
      return RateVector(
        cpuPsatPerMs: rounded(leastCpu), reservedPsatPerMs: rounded(reserved + max(rest, 0)))
    }
    let factor = max(rest, 0) / full
    return RateVector(
      cpuPsatPerMs: rounded(leastCpu + split.cpu * factor),
      memoryPsatPerMiBMs: rounded(split.memory * factor), reservedPsatPerMs: rounded(reserved))
  }

  /// The larger of both fractions, at most 1.
  static func fraction(of share: ShareLimits, _ machine: MachineCapacity) -> Double {
    let cpus = Double(share.milliCpus) / Double(max(machine.milliCpus, 1))
    let memory = Double(share.memoryMiB) / Double(max(machine.memoryMiB, 1))
    return min(max(cpus, memory), 1)
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

  /// What a millisecond of a processor and of a MiB are worth beside each other, where an hour of the
  /// whole machine is worth 1 a millisecond.
  private static func fit(
    _ runs: [UsageVector], _ machine: MachineCapacity
  ) -> (cpu: Double, memory: Double) {
    // Per millisecond, so that a long run weighs no more than a short one.
    var rows: [[Double]] = []
    var targets: [Double] = []
    for run in runs {
      let ms = Double(run.runningMs)
      rows.append([Double(run.cpuMs) / ms, Double(run.memoryMiBMs) / ms])
      targets.append(share(of: run, machine))
    }
    let solved = NonNegativeLeastSquares.solve(rows: rows, targets: targets)
    return (solved[0], solved[1])
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
