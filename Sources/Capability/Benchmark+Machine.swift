import Bytes

/// The kernels that use more than one core and memory: disk and scaling.
extension Benchmark {
  // MARK: Disk

  /// Both disk kernels use one seed, so that one reads what the other wrote.
  private static func disk(_ seed: Bytes32, _ plan: BenchmarkPlan) -> DiskKernel? {
    guard let probe = plan.disk, probe.sizeBytes >= 4 * UInt64(DiskKernel.roundBytes) else {
      return nil
    }
    return DiskKernel(seed: KernelSeed(seed, .diskWrite), probe: probe)
  }

  /// Writes a round's blocks and syncs.
  private static func writeRound(
    _ disk: DiskKernel, at start: UInt64, _ blocks: [[UInt8]], _ kernel: Kernel
  ) throws(CapabilityError) {
    var offset = start
    for block in blocks {
      if !disk.probe.write(offset, block) { throw .notRun(kernel, problem: "writing failed") }
      offset += UInt64(block.count)
    }
    if !disk.probe.sync() { throw .notRun(kernel, problem: "syncing failed") }
  }

  private static func blocks(_ disk: DiskKernel, at start: UInt64) -> [[UInt8]] {
    var blocks: [[UInt8]] = []
    var offset = start
    while offset < start + UInt64(DiskKernel.roundBytes) {
      blocks.append(disk.block(at: offset))
      offset += UInt64(DiskKernel.blockBytes)
    }
    return blocks
  }

  static func diskWrite(
    _ seed: Bytes32, _ plan: BenchmarkPlan
  ) throws(CapabilityError) -> KernelResult {
    guard let disk = disk(seed, plan) else { return .skipped(.diskWrite, .unavailable) }
    let roundBytes = UInt64(DiskKernel.roundBytes)
    let fitting = disk.probe.sizeBytes / roundBytes
    var rounds = rounds(.diskWrite, plan)
    while let round = rounds.next, UInt64(round) * roundBytes < DiskKernel.writeLimitBytes {
      let start = UInt64(round) % fitting * roundBytes
      let blocks = blocks(disk, at: start)
      let startNs = plan.nowNs()
      try writeRound(disk, at: start, blocks, .diskWrite)
      let ns = plan.nowNs() - startNs
      disk.probe.dropCache()
      for (index, block) in blocks.enumerated() where index % 5 == Int(round % 5) {
        let offset = start + UInt64(index * DiskKernel.blockBytes)
        guard let read = disk.probe.read(offset, block.count), read == block else {
          throw .wrongResult(.diskWrite)
        }
      }
      rounds.add(perSecondKiB(DiskKernel.roundBytes, ns), checksum: UInt64(round))
    }
    return rounds.result
  }

  static func diskRead(
    _ seed: Bytes32, _ plan: BenchmarkPlan
  ) throws(CapabilityError) -> KernelResult {
    guard let disk = disk(seed, plan) else { return .skipped(.diskRead, .unavailable) }
    var offset: UInt64 = 0
    while offset + UInt64(DiskKernel.roundBytes) <= disk.probe.sizeBytes {
      try writeRound(disk, at: offset, blocks(disk, at: offset), .diskRead)
      offset += UInt64(DiskKernel.roundBytes)
    }
    let pages = UInt32(offset / UInt64(DiskKernel.pageBytes))
    let own = KernelSeed(seed, .diskRead)
    var rounds = rounds(.diskRead, plan)
    while let round = rounds.next {
      var numbers = own.numbers(round)
      disk.probe.dropCache()
      var ns: UInt64 = 0
      var checksum: UInt64 = 0
      for _ in 0..<DiskKernel.readsPerRound {
        let index = numbers.below(pages)
        let startNs = plan.nowNs()
        let page = disk.probe.read(
          UInt64(index) * UInt64(DiskKernel.pageBytes), DiskKernel.pageBytes)
        ns += plan.nowNs() - startNs
        guard let page else { throw .notRun(.diskRead, problem: "reading failed") }
        if page != disk.page(index) { throw .wrongResult(.diskRead) }
        checksum = Rounds.fold(checksum, UInt64(index))
      }
      rounds.add(Rounds.perSecond(UInt64(DiskKernel.readsPerRound), ns: ns), checksum: checksum)
    }
    return rounds.result
  }

  // MARK: All cores

  /// Integer rounds in one process, then in one process for each core. The single process is
  /// measured in the same way, so that both include the overhead of processes.
  static func scaling(
    _ seed: KernelSeed, _ plan: BenchmarkPlan
  ) throws(CapabilityError) -> KernelResult {
    guard let inParallel = plan.inParallel else { return .skipped(.scaling, .unavailable) }
    if plan.processors < 2 { return .skipped(.scaling, .oneProcessor) }
    let startNs = plan.nowNs()
    _ = IntegerKernel(seed, round: 0).run()
    let onceNs = max(plan.nowNs() - startNs, 1)
    // Three rounds, each of one process and of all, within the budget; half of the time is
    // checking.
    let repeats = max(min(plan.budgetMs * 1_000_000 / 12 / onceNs, 200), 1)
    func rate(_ workers: UInt32, _ round: UInt32) throws(CapabilityError) -> (UInt64, UInt64) {
      let answers = inParallel(workers) { worker in
        work(seed, round &* 4096 &+ worker, repeats, plan.nowNs)
      }
      guard let answers, answers.count == Int(workers) else {
        throw .notRun(.scaling, problem: "a process failed")
      }
      var rate: UInt64 = 0
      var checksum: UInt64 = 0
      for answer in answers {
        var reader = ByteReader(answer)
        guard let ns = try? reader.u64le(), let sum = try? reader.u64le(), reader.isAtEnd else {
          throw .wrongResult(.scaling)
        }
        rate += Rounds.perSecond(IntegerKernel.operations, ns: ns / repeats)
        checksum = Rounds.fold(checksum, sum)
      }
      return (rate, checksum)
    }
    var rounds = Rounds(.scaling, budgetNs: 0, nowNs: plan.nowNs)
    while let round = rounds.next {
      let (alone, _) = try rate(1, round)
      let (together, checksum) = try rate(plan.processors, round)
      rounds.add(together * 1000 / max(alone, 1), checksum: checksum)
    }
    return rounds.result
  }

  /// Runs in its own process; returns the time and the checksum, or nothing if a result was wrong.
  private static func work(
    _ seed: KernelSeed, _ round: UInt32, _ repeats: UInt64, _ nowNs: () -> UInt64
  ) -> [UInt8] {
    var ns: UInt64 = 0
    var checksum: UInt64 = 0
    for _ in 0..<repeats {
      let kernel = IntegerKernel(seed, round: round)
      let startNs = nowNs()
      let found = kernel.run()
      ns += nowNs() - startNs
      // Checking takes as long as computing, so that all cores stay busy meanwhile.
      if !kernel.isRight(found) { return [] }
      checksum = Rounds.fold(checksum, IntegerKernel.checksum(found))
    }
    var writer = ByteWriter()
    writer.u64le(ns)
    writer.u64le(checksum)
    return writer.bytes
  }
}
