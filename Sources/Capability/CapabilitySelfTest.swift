import Bytes
import Crypto

/// Results that must be the same on every processor and with both compilers.
public enum CapabilitySelfTest {
  static let seed = Bytes32((0..<32).map { UInt8($0) })

  /// Checksums of two rounds; the first two were also computed by a program in another language.
  static let checksums: [(kernel: Kernel, checksum: UInt64)] = [
    (.integer, 13_263_768_579_360_617_192), (.floatingPoint, 2_750_309_716_760_795_646),
    (.compression, 5_362_749_473_380_669_687),
  ]

  public static func run(_ report: (StaticString, Bool) -> Void) {
    for (kernel, checksum) in checksums {
      let isRight = Benchmark.checksum(of: kernel, seed: seed, rounds: 2) == checksum
      switch kernel {
      case .integer: report("capability: integer kernel", isRight)
      case .floatingPoint: report("capability: floating point kernel", isRight)
      default: report("capability: compression kernel's text", isRight)
      }
    }
    var memory = MemoryLatencyKernel(KernelSeed(seed, .memoryLatency), sizeBytes: 65_536)
    let line = memory.run()
    report("capability: memory walk", memory.isRight(line))
    let compression = CompressionKernel(KernelSeed(seed, .compression), round: 0)
    report(
      "capability: zstd round trip",
      compression.compress().flatMap { compression.decompress($0) } == compression.text)
    report("capability: signed report", reportHolds())
  }

  private static func reportHolds() -> Bool {
    let keys = Ed25519.KeyPair(seed: seed)
    var report = CapabilityReport(
      identity: keys.publicKey, blockHeight: 1, blockHash: seed, unixSeconds: 1_700_000_000,
      architecture: "armv6l", processors: 1, memoryMiB: 48, isolation: 1,
      results: [
        KernelResult(
          kernel: .integer, status: .measured, rounds: 3, median: 2, least: 1, most: 3,
          checksum: UInt64.max), .skipped(.scaling, .oneProcessor),
      ])
    report.sign(keys)
    var bytes = report.encode()
    do throws(CapabilityError) {
      let read = try CapabilityReport.decode(bytes)
      try read.verify()
      if read != report { return false }
    } catch { return false }
    bytes[bytes.count - 1] ^= 1
    do throws(CapabilityError) {
      try CapabilityReport.decode(bytes).verify()
      return false
    } catch { return error == .wrongSignature }
  }
}
