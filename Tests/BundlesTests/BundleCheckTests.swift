import Sandbox
import Testing

@testable import Bundles

/// A bundle that no machine would take is not paid for.
struct BundleCheckTests {
  private func problem(_ bundle: [UInt8], diskMiB: UInt32 = 4, memoryMiB: UInt32 = 4) -> String? {
    do throws(BundlesError) {
      try BundleCheck.check(bundle, name: "it", diskMiB: diskMiB, memoryMiB: memoryMiB)
      return nil
    } catch { return error.message }
  }

  private func tar(_ entries: [(path: String, link: String?)]) -> [UInt8] {
    var bytes: [UInt8] = []
    for entry in entries {
      TarWriter.header(
        &bytes, path: Array(entry.path.utf8), link: Array((entry.link ?? "").utf8), mode: 0o644,
        type: UInt8(ascii: entry.link == nil ? "0" : "2"))
    }
    TarWriter.end(&bytes)
    return bytes
  }

  @Test func whatAMachineTakesIsTaken() {
    let bundle = BundleWriter.compress(tar([("a", nil), ("b", "a")]))
    #expect(problem(bundle) == nil)
  }

  @Test func whatAMachineRefusesIsNamed() {
    let linked = BundleWriter.compress(tar([("a", nil), ("b", "/etc/passwd")]))
    #expect(problem(linked) == "it, after a: byte 512: a link to an absolute path")
    #expect(problem(tar([("a", nil)]))?.hasPrefix("it: byte 0: not zstd data") == true)
    #expect(problem([]) == "it: byte 0: the compressed stream ends early")
    let whole = BundleWriter.compress(tar([("a", nil)]))
    #expect(
      problem(Array(whole.dropLast(3)))?.hasSuffix("the compressed stream ends early") == true)
    var damaged = whole
    damaged[damaged.count - 1] ^= 1
    #expect(problem(damaged) != nil)
  }

  @Test func whatDoesNotFitSaysByWhichOption() throws {
    var writer = BundleWriter()
    var noise: [UInt8] = []
    var state: UInt32 = 7
    for _ in 0..<(2 << 20) {
      state = state &* 1_664_525 &+ 1_013_904_223
      noise.append(UInt8(state >> 24))
    }
    writer.addFile("noise", noise)
    let bundle = try writer.finish(level: 1)
    #expect(problem(bundle) == nil)
    #expect(problem(bundle, diskMiB: 1) == "it: its files have more than 1 MiB (--disk)")
    #expect(
      problem(bundle, memoryMiB: 1)
        == "it: its files have more than 1 MiB (--memory, which includes files)")
  }
}
