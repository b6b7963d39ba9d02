import Bytes
import Crypto

/// Runs the kernels. Each result is checked before its time counts; the checks are not timed.
public enum Benchmark {
  /// The seed of a host's measurements, which proves that they are newer than the block and were
  /// made for this identity.
  public static func seed(blockHash: Bytes32, identity: Bytes32) -> Bytes32 {
    Sha256.tagged("zennet/benchmark", blockHash.array + identity.array)
  }

  /// Results in the order of ``Kernel/all``, including kernels that could not be measured.
  ///
  /// - Parameter starting: called before each kernel, to show progress.
  /// - Throws: `wrongResult`, or `notRun` if the disk or a process failed.
  public static func run(
    seed: Bytes32, plan: BenchmarkPlan, starting: (Kernel) -> Void = { _ in }
  ) throws(CapabilityError) -> [KernelResult] {
    var results: [KernelResult] = []
    for kernel in Kernel.all where plan.kernels.contains(kernel) {
      starting(kernel)
      let own = KernelSeed(seed, kernel)
      switch kernel {
      case .integer: results.append(try integer(own, plan))
      case .floatingPoint: results.append(try floatingPoint(own, plan))
      case .memoryBandwidth: results.append(try memoryBandwidth(own, plan))
      case .memoryLatency: results.append(try memoryLatency(own, plan))
      case .compression: results.append(try compression(own, plan))
      case .decompression: results.append(try decompression(own, plan))
      case .diskWrite: results.append(try diskWrite(seed, plan))
      case .diskRead: results.append(try diskRead(seed, plan))
      case .scaling: results.append(try scaling(own, plan))
      }
    }
    return results
  }

  /// The checksum of a kernel after so many rounds, for checking a report. Nil for kernels whose
  /// work depends on the host: memory, disk, scaling.
  public static func checksum(of kernel: Kernel, seed: Bytes32, rounds: UInt32) -> UInt64? {
    let own = KernelSeed(seed, kernel)
    var checksum: UInt64 = 0
    for round in 0..<min(rounds, Rounds.most) {
      switch kernel {
      case .integer:
        let found = IntegerKernel(own, round: round).run()
        checksum = Rounds.fold(checksum, IntegerKernel.checksum(found))
      case .floatingPoint:
        let found = FloatingPointKernel(own, round: round).run()
        checksum = Rounds.fold(checksum, FloatingPointKernel.checksum(found))
      case .compression, .decompression:
        checksum = Rounds.fold(checksum, CompressionKernel(own, round: round).checksum)
      default: return nil
      }
    }
    return checksum
  }

  static func rounds(_ kernel: Kernel, _ plan: BenchmarkPlan) -> Rounds {
    Rounds(kernel, budgetNs: plan.budgetMs * 1_000_000, nowNs: plan.nowNs)
  }

  // MARK: Processor

  private static func integer(
    _ seed: KernelSeed, _ plan: BenchmarkPlan
  ) throws(CapabilityError) -> KernelResult {
    // One untimed round lets the processor raise its clock.
    _ = IntegerKernel(seed, round: 0).run()
    var rounds = rounds(.integer, plan)
    while let round = rounds.next {
      let kernel = IntegerKernel(seed, round: round)
      let startNs = plan.nowNs()
      let found = kernel.run()
      let ns = plan.nowNs() - startNs
      if !kernel.isRight(found) { throw .wrongResult(.integer) }
      rounds.add(
        Rounds.perSecond(IntegerKernel.operations, ns: ns), checksum: IntegerKernel.checksum(found))
    }
    return rounds.result
  }

  private static func floatingPoint(
    _ seed: KernelSeed, _ plan: BenchmarkPlan
  ) throws(CapabilityError) -> KernelResult {
    _ = FloatingPointKernel(seed, round: 0).run()
    var rounds = rounds(.floatingPoint, plan)
    while let round = rounds.next {
      let kernel = FloatingPointKernel(seed, round: round)
      let startNs = plan.nowNs()
      let found = kernel.run()
      let ns = plan.nowNs() - startNs
      if !kernel.isRight(found) { throw .wrongResult(.floatingPoint) }
      rounds.add(
        Rounds.perSecond(FloatingPointKernel.operations, ns: ns),
        checksum: FloatingPointKernel.checksum(found))
    }
    return rounds.result
  }

  // MARK: Memory

  private static func memoryBandwidth(
    _ seed: KernelSeed, _ plan: BenchmarkPlan
  ) throws(CapabilityError) -> KernelResult {
    var kernel = MemoryBandwidthKernel(seed, sizeBytes: plan.bufferBytes)
    var rounds = rounds(.memoryBandwidth, plan)
    while let round = rounds.next {
      var numbers = seed.numbers(round + 1)
      let addend = numbers.next()
      let startNs = plan.nowNs()
      let sum = kernel.run(addend)
      let ns = plan.nowNs() - startNs
      if sum != kernel.expectedSum { throw .wrongResult(.memoryBandwidth) }
      rounds.add(Rounds.perSecond(kernel.movedKiB, ns: ns), checksum: sum)
    }
    return rounds.result
  }

  private static func memoryLatency(
    _ seed: KernelSeed, _ plan: BenchmarkPlan
  ) throws(CapabilityError) -> KernelResult {
    var kernel = MemoryLatencyKernel(seed, sizeBytes: plan.bufferBytes)
    var rounds = rounds(.memoryLatency, plan)
    while rounds.next != nil {
      let startNs = plan.nowNs()
      let line = kernel.run()
      let ns = plan.nowNs() - startNs
      if !kernel.isRight(line) { throw .wrongResult(.memoryLatency) }
      rounds.add(ns * 1000 / UInt64(MemoryLatencyKernel.steps), checksum: UInt64(line))
    }
    return rounds.result
  }

  // MARK: Compression

  private static func compression(
    _ seed: KernelSeed, _ plan: BenchmarkPlan
  ) throws(CapabilityError) -> KernelResult {
    var rounds = rounds(.compression, plan)
    while let round = rounds.next {
      let kernel = CompressionKernel(seed, round: round)
      let startNs = plan.nowNs()
      let packed = kernel.compress()
      let ns = plan.nowNs() - startNs
      guard let packed, kernel.decompress(packed) == kernel.text else {
        throw .wrongResult(.compression)
      }
      rounds.add(perSecondKiB(kernel.text.count, ns), checksum: kernel.checksum)
    }
    return rounds.result
  }

  private static func decompression(
    _ seed: KernelSeed, _ plan: BenchmarkPlan
  ) throws(CapabilityError) -> KernelResult {
    var rounds = rounds(.decompression, plan)
    while let round = rounds.next {
      let kernel = CompressionKernel(seed, round: round)
      guard let packed = kernel.compress() else { throw .wrongResult(.decompression) }
      let startNs = plan.nowNs()
      let unpacked = kernel.decompress(packed)
      let ns = plan.nowNs() - startNs
      if unpacked != kernel.text { throw .wrongResult(.decompression) }
      rounds.add(perSecondKiB(kernel.text.count, ns), checksum: kernel.checksum)
    }
    return rounds.result
  }

  static func perSecondKiB(_ bytes: Int, _ ns: UInt64) -> UInt64 {
    Rounds.perSecond(UInt64(bytes), ns: ns) / 1024
  }
}
