import Testing

@testable import Sandbox

struct UnzstdTests {
  private func unpack(
    _ bytes: [UInt8], step: Int = 1000, ratio: UInt64 = 250
  ) throws(BundleError) -> [UInt8] {
    let unzstd = Unzstd(ratio: ratio)
    var all: [UInt8] = []
    var at = 0
    while at < bytes.count {
      try unzstd.feed(Array(bytes[at..<min(at + step, bytes.count)])) {
        (piece) throws(BundleError) in all += piece
      }
      at += step
    }
    try unzstd.finish()
    return all
  }

  @Test func framesOfManySizesComeBack() throws {
    var random = SeededGenerator(seed: 3)
    for size in [0, 1, 1000, 131_071, 131_072, 131_073, 262_144, 500_000] {
      let bytes = (0..<size).map { _ in UInt8.random(in: 0...15, using: &random) }
      let packed = BundleWriter.compress(bytes)
      #expect(try unpack(packed) == bytes)
      #expect(try unpack(packed + packed, step: 1 << 20) == bytes + bytes)
    }
  }

  @Test func damageIsRefused() {
    let packed = BundleWriter.compress([UInt8]((0..<200_000).map { UInt8($0 * $0 % 251) }))
    #expect(throws: BundleError.notZstd(offset: 0)) { try unpack(Array("not zstd".utf8)) }
    #expect(throws: BundleError.compressedTruncated(offset: UInt64(packed.count - 5))) {
      try unpack(Array(packed.dropLast(5)))
    }
    #expect(throws: BundleError.compressedTruncated(offset: 0)) { try unpack([]) }
    var changed = packed
    changed[packed.count / 2] ^= 0x40
    #expect(throws: BundleError.self) { try unpack(changed) }
  }

  @Test func bombsAreRefusedEarly() {
    let packed = BundleWriter.compress([UInt8](repeating: 0, count: 64 << 20), level: 3)
    #expect(packed.count < 64_000)
    do throws(BundleError) {
      _ = try unpack(packed)
      Issue.record("unpacked a bomb")
    } catch {
      guard case .ratioTooHigh(let offset, 250) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(offset < 8 << 20)
    }
  }
}
