import Bytes
import Foundation
import Host
import Testing

@testable import Capability

/// A file in memory that is a disk.
final class MemoryDisk {
  var bytes: [UInt8]
  var writes = 0
  var flipsABit = false
  var fails = false

  init(_ size: Int) { bytes = [UInt8](repeating: 0, count: size) }

  var probe: DiskProbe {
    DiskProbe(
      sizeBytes: UInt64(bytes.count),
      write: { offset, block in
        if self.fails { return false }
        self.bytes.replaceSubrange(Int(offset)..<(Int(offset) + block.count), with: block)
        self.writes += block.count
        return true
      }, sync: { true }, dropCache: {},
      read: { offset, count in
        var read = Array(self.bytes[Int(offset)..<(Int(offset) + count)])
        if self.flipsABit { read[count / 2] ^= 4 }
        return read
      })
  }
}

@Suite struct BenchmarkTests {
  private let seed = Bytes32([UInt8](repeating: 1, count: 32))

  private func plan(_ kernels: [Kernel], budgetMs: UInt64 = 20) -> BenchmarkPlan {
    var plan = BenchmarkPlan(nowNs: { Clock.monotonicNs() })
    plan.budgetMs = budgetMs
    plan.bufferBytes = 1_048_576
    plan.kernels = kernels
    return plan
  }

  @Test(arguments: Array(Kernel.all.prefix(6)))
  func measures(_ kernel: Kernel) throws {
    let results = try Benchmark.run(seed: seed, plan: plan([kernel]))
    let result = try #require(results.first)
    #expect(results.count == 1 && result.kernel == kernel && result.status == .measured)
    #expect(result.isSound)
    #expect(result.median > 0 && result.checksum != 0)
  }

  @Test(arguments: [Kernel.integer, .floatingPoint, .compression, .decompression])
  func checksumsCanBeComputedAgain(_ kernel: Kernel) throws {
    let result = try #require(try Benchmark.run(seed: seed, plan: plan([kernel])).first)
    #expect(
      Benchmark.checksum(of: kernel, seed: seed, rounds: result.rounds) == result.checksum)
    #expect(
      Benchmark.checksum(of: kernel, seed: seed, rounds: result.rounds - 1) != result.checksum)
  }

  /// Three rounds are the least, so a budget of nothing always gives three.
  @Test func otherSeedsGiveOtherChecksums() throws {
    var seen: Set<UInt64> = []
    for byte in 0..<4 as Range<UInt8> {
      let seed = Benchmark.seed(
        blockHash: Bytes32([UInt8](repeating: byte & 1, count: 32)),
        identity: Bytes32([UInt8](repeating: byte >> 1, count: 32)))
      for kernel in Kernel.all.prefix(5) {
        let plan = plan([kernel], budgetMs: 0)
        let first = try #require(try Benchmark.run(seed: seed, plan: plan).first)
        let second = try #require(try Benchmark.run(seed: seed, plan: plan).first)
        #expect(first.rounds == 3 && first.checksum == second.checksum)
        #expect(seen.insert(first.checksum).inserted)
      }
    }
  }

  @Test func theTimeOfCheckingDoesNotCount() throws {
    // A clock that moves by a second each time it is asked: each round takes one.
    var nowNs: UInt64 = 0
    var plan = BenchmarkPlan(nowNs: {
      nowNs += 1_000_000_000
      return nowNs
    })
    plan.kernels = [.integer]
    plan.budgetMs = 0
    let result = try #require(try Benchmark.run(seed: seed, plan: plan).first)
    #expect(result.median == IntegerKernel.operations)
    #expect(result.least == result.most)
  }

  @Test func measuresADisk() throws {
    let disk = MemoryDisk(4_194_304)
    var plan = plan([.diskWrite, .diskRead])
    plan.disk = disk.probe
    let results = try Benchmark.run(seed: seed, plan: plan)
    #expect(results.map { $0.kernel } == [.diskWrite, .diskRead])
    #expect(results.allSatisfy { $0.isSound && $0.median > 0 && $0.status == .measured })
    #expect(UInt64(disk.writes) <= DiskKernel.writeLimitBytes + 4_194_304)
  }

  @Test(arguments: [Kernel.diskWrite, .diskRead])
  func aDiskThatLiesIsFound(_ kernel: Kernel) throws {
    let disk = MemoryDisk(4_194_304)
    var plan = plan([kernel])
    disk.flipsABit = true
    plan.disk = disk.probe
    #expect(throws: CapabilityError.wrongResult(kernel)) {
      try Benchmark.run(seed: seed, plan: plan)
    }
    disk.fails = true
    #expect(throws: CapabilityError.notRun(kernel, problem: "writing failed")) {
      try Benchmark.run(seed: seed, plan: plan)
    }
  }

  @Test func measuresARealDisk() throws {
    let file = try ScratchFile(in: NSTemporaryDirectory())
    var plan = plan([.diskWrite, .diskRead])
    plan.disk = DiskProbe(
      sizeBytes: 4_194_304, write: { file.write(at: $0, $1) }, sync: { file.sync() },
      dropCache: { file.dropCache() }, read: { file.read(at: $0, count: $1) })
    let results = try Benchmark.run(seed: seed, plan: plan)
    #expect(results.count == 2 && results.allSatisfy { $0.isSound && $0.median > 0 })
  }

  @Test func scalesOverProcesses() throws {
    var plan = plan([.scaling])
    plan.processors = 2
    plan.inParallel = { Parallel.run($0, $1) }
    let result = try #require(try Benchmark.run(seed: seed, plan: plan).first)
    #expect(result.isSound && result.median > 0)
    plan.inParallel = { count, _ in Parallel.run(count) { _ in [] } }
    #expect(throws: CapabilityError.wrongResult(.scaling)) {
      try Benchmark.run(seed: seed, plan: plan)
    }
    plan.inParallel = { _, _ in nil }
    #expect(throws: CapabilityError.notRun(.scaling, problem: "a process failed")) {
      try Benchmark.run(seed: seed, plan: plan)
    }
  }

  @Test func saysWhatItLeftOut() throws {
    var plan = plan([.diskWrite, .diskRead, .scaling])
    #expect(
      try Benchmark.run(seed: seed, plan: plan) == [
        .skipped(.diskWrite, .unavailable), .skipped(.diskRead, .unavailable),
        .skipped(.scaling, .unavailable),
      ])
    plan.processors = 1
    plan.inParallel = { Parallel.run($0, $1) }
    plan.kernels = [.scaling]
    #expect(
      try Benchmark.run(seed: seed, plan: plan) == [.skipped(.scaling, .oneProcessor)])
  }

  @Test func buffersSuitTheMemory() {
    #expect(BenchmarkPlan.bufferBytes(memoryMiB: 0) == 1_048_576)
    #expect(BenchmarkPlan.bufferBytes(memoryMiB: 48) == 3 * 1_048_576)
    #expect(BenchmarkPlan.bufferBytes(memoryMiB: 100_000) == 64 * 1_048_576)
  }
}
