import Bytes
import Crypto
import Foundation
import TestSupport
import Testing

@testable import Capability

@Suite struct CapabilityReportTests {
  private static let keys = Ed25519.KeyPair(seed: Bytes32([UInt8](repeating: 3, count: 32)))

  private static func result(
    _ kernel: Kernel, _ status: KernelResult.Status = .measured
  ) -> KernelResult {
    if status != .measured { return .skipped(kernel, status) }
    return KernelResult(
      kernel: kernel, status: status, rounds: 12, median: 5_213_000_000, least: 4_900_000_000,
      most: UInt64.max, checksum: 0x0123_4567_89ab_cdef)
  }

  private static func report() -> CapabilityReport {
    var report = CapabilityReport(
      identity: .zero, blockHeight: 850_000, blockHash: Bytes32((0..<32).map { UInt8($0) }),
      unixSeconds: 1_700_000_000, architecture: "armv7l", processors: 4, memoryMiB: 1024,
      isolation: 2,
      results: [
        result(.integer), result(.memoryLatency), result(.diskWrite, .unavailable),
        result(.scaling, .oneProcessor),
      ])
    report.sign(keys)
    return report
  }

  private let report = CapabilityReportTests.report()

  /// Changes something, and tells whether the report is still read after encoding it.
  private func decoded(
    _ change: (inout CapabilityReport) -> Void
  ) throws -> CapabilityReport {
    var changed = report
    change(&changed)
    return try CapabilityReport.decode(changed.encode())
  }

  @Test func comesBackAsItWas() throws {
    let bytes = report.encode()
    let read = try CapabilityReport.decode(bytes)
    #expect(read == report)
    #expect(read.encode() == bytes)
    try read.verify()
    #expect(read.identity == CapabilityReportTests.keys.publicKey)
    #expect(read.result(.integer)?.median == 5_213_000_000)
    #expect(read.result(.diskWrite) == nil && read.result(.compression) == nil)
  }

  @Test func theLongestReportFits() throws {
    let read = try decoded {
      $0.results = Kernel.all.map { CapabilityReportTests.result($0) }
      $0.architecture = String(repeating: "a", count: 32)
      $0.sign(CapabilityReportTests.keys)
    }
    try read.verify()
    #expect(read.encode().count < CapabilityReport.sizeLimit)
  }

  /// Every bit matters: a changed report is not read, or its signature is wrong.
  @Test func everyChangedBitIsFound() {
    let bytes = report.encode()
    for index in bytes.indices {
      for bit in 0..<8 as Range<UInt8> {
        var changed = bytes
        changed[index] ^= 1 << bit
        #expect(throws: CapabilityError.self) {
          try CapabilityReport.decode(changed).verify()
        }
      }
    }
  }

  @Test func everyCutIsFound() {
    let bytes = report.encode()
    for length in 0..<bytes.count {
      #expect(throws: CapabilityError.self) {
        try CapabilityReport.decode(Array(bytes[0..<length]))
      }
    }
    #expect(throws: CapabilityError.malformed(.trailing(offset: bytes.count))) {
      try CapabilityReport.decode(bytes + [0])
    }
    #expect(throws: CapabilityError.refused(field: "size")) {
      try CapabilityReport.decode([UInt8](repeating: 0, count: 1025))
    }
  }

  @Test func noiseIsRefused() {
    var random = SeededGenerator(seed: 8)
    for _ in 0..<2000 {
      var bytes = random.bytes(random.int(0...400))
      if bytes.count > 2 && random.once(in: 2) { bytes.replaceSubrange(0..<2, with: [1, 0]) }
      #expect(throws: CapabilityError.self) { try CapabilityReport.decode(bytes) }
    }
  }

  @Test func anotherIdentityCannotSignForThisOne() throws {
    var stolen = report
    stolen.sign(Ed25519.KeyPair(seed: Bytes32([UInt8](repeating: 4, count: 32))))
    stolen.identity = report.identity
    #expect(throws: CapabilityError.wrongSignature) {
      try CapabilityReport.decode(stolen.encode()).verify()
    }
  }

  @Test func absurdValuesAreRefused() {
    func refuses(_ field: String, _ change: (inout CapabilityReport) -> Void) {
      #expect(throws: CapabilityError.refused(field: field)) { try decoded(change) }
    }
    refuses("architecture") { $0.architecture = "" }
    refuses("architecture") { $0.architecture = "a\"b" }
    refuses("processors") { $0.processors = 0 }
    refuses("processors") { $0.processors = 4097 }
    refuses("memory") { $0.memoryMiB = 0 }
    refuses("memory") { $0.memoryMiB = UInt32.max }
    refuses("isolation") { $0.isolation = 3 }
    refuses("time") { $0.unixSeconds = UInt64.max }
    refuses("order of results") { $0.results.swapAt(0, 1) }
    refuses("order of results") { $0.results[1] = $0.results[0] }
    refuses("integer") { $0.results[0].rounds = 0 }
    refuses("integer") { $0.results[0].rounds = 1000 }
    refuses("integer") { $0.results[0].least = 0 }
    refuses("integer") { $0.results[0].least = $0.results[0].median + 1 }
    refuses("integer") { $0.results[0].most = $0.results[0].median - 1 }
    refuses("disk_write") { $0.results[2].median = 1 }
    #expect(throws: CapabilityError.self) {
      try decoded { $0.architecture = String(repeating: "a", count: 33) }
    }
    var bytes = report.encode()
    bytes[0] = 2
    #expect(throws: CapabilityError.unknownVersion(2)) { try CapabilityReport.decode(bytes) }
  }

  @Test func jsonIsJson() throws {
    let parsed = try JSONSerialization.jsonObject(with: Data(report.json.utf8))
    let object = try #require(parsed as? [String: Any])
    #expect(object["identity"] as? String == report.identity.hex)
    #expect(object["block_hash"] as? String == report.blockHash.reversed.hex)
    #expect(object["memory_mib"] as? Int == 1024)
    #expect(object["isolation"] as? String == "full")
    let results = try #require(object["results"] as? [[String: Any]])
    #expect(results.count == 4)
    #expect(results[0]["kernel"] as? String == "integer")
    #expect(results[0]["median"] as? Int == 5_213_000_000)
    #expect(results[0]["checksum"] as? String == "0123456789abcdef")
    #expect(results[2]["status"] as? String == "not available")
    #expect(results[2]["median"] == nil)
  }

  @Test func linesAreForPeople() {
    let lines = report.lines
    #expect(lines[2] == "architecture      armv7l")
    #expect(
      lines[6]
        == "integer           5.21 Gop/s      4.90 Gop/s to 18446744073.70 Gop/s in 12 rounds")
    #expect(lines[8] == "disk write        not available")
    #expect(Kernel.memoryLatency.scaled(87_654) == "87.65 ns")
    #expect(Kernel.memoryBandwidth.scaled(1_048_576 * 3 / 2) == "1.50 GiB/s")
    #expect(Kernel.diskRead.scaled(999) == "999 reads/s")
    #expect(Kernel.scaling.scaled(1_950) == "1.95 cores")
  }

  @Test func reportsCanBeRechecked() throws {
    var report = report
    var plan = BenchmarkPlan(nowNs: { DispatchTime.now().uptimeNanoseconds })
    plan.kernels = [.integer, .floatingPoint]
    plan.budgetMs = 0
    report.results = try Benchmark.run(seed: report.seed, plan: plan)
    report.sign(CapabilityReportTests.keys)
    // The seed is of the identity, which signing set: it was the same before.
    #expect(report.recheck(.integer) == true && report.recheck(.floatingPoint) == true)
    #expect(report.recheck(.memoryLatency) == nil)
    report.blockHash = .zero
    #expect(report.recheck(.integer) == false)
  }
}
