import Foundation
import Testing

@testable import Sandbox

extension WithKernel {
  /// Hostile bundles, all the way: sent to a real sandbox, refused inside it, and nothing ran.
  struct BundleAttackTests {
    private func outcome(_ entries: [RawEntry], limits: JobLimits = .small) throws -> JobOutcome? {
      try run(
        shell("echo ran", limits: limits),
        bundle: BundleWriter.compress(archive(entries), level: 1)
      ).process.outcome
    }

    @Test func eachHasItsName() throws {
      #expect(try outcome([entry("../x")]) == .bundleRefused(.parentInPath(offset: 0)))
      #expect(try outcome([entry("/x")]) == .bundleRefused(.absolutePath(offset: 0)))
      #expect(
        try outcome([entry("l", link: "/etc", type: "2")])
          == .bundleRefused(.absoluteLink(offset: 0)))
      #expect(
        try outcome([entry("l", link: "..", type: "2")])
          == .bundleRefused(.linkLeavesRoot(offset: 0)))
      #expect(try outcome([entry("d", type: "3")]) == .bundleRefused(.deviceNode(offset: 0)))
      #expect(try outcome([entry("d", type: "S")]) == .bundleRefused(.sparseFile(offset: 0)))
      #expect(
        try outcome([entry("f", claimedSize: 65 << 20)])
          == .bundleRefused(.tooLarge(offset: 0, limit: 64 << 20)))
      var random = SeededGenerator(seed: 5)
      let many = (0..<4100).map { index in
        // Noise, so that the ratio is not what is refused.
        entry("f\(index)", body: (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) })
      }
      #expect(
        try outcome(many)
          == .bundleRefused(.tooManyEntries(offset: 4096 * 1024, limit: 4096)))
    }

    @Test func writingThroughALinkIsRefused() throws {
      let code: Int32 = 20  // ENOTDIR: O_DIRECTORY | O_NOFOLLOW on a link
      #expect(
        try outcome([
          entry("a", type: "5"), entry("l", link: "a", type: "2"), entry("l/x", body: [1]),
        ]) == .bundleRefused(.writeFailed(offset: 1024, code: code)))
    }

    @Test func writingIntoProcAndDevIsRefused() throws {
      for path in ["proc/self/oom_score_adj", "dev/null", "proc/sys/kernel/hostname", "dev/shm/x"] {
        guard
          case .bundleRefused(.writeFailed(_, let code), _) = try outcome([entry(path, body: [1])])
        else {
          Issue.record("\(path) was accepted")
          continue
        }
        #expect(code == 18)  // EXDEV: another file system
      }
    }

    @Test func aHardLinkToTheMachineIsRefused() throws {
      let got = try outcome([entry("h", link: "proc/1/environ", type: "1")])
      #expect(got == .bundleRefused(.writeFailed(offset: 0, code: 18)))
    }

    @Test func bombsAreRefused() throws {
      let zeros = [UInt8](repeating: 0, count: 40 << 20)
      guard case .bundleRefused(.ratioTooHigh, _)? = try outcome([entry("z", body: zeros)]) else {
        Issue.record("a bomb was accepted")
        return
      }
    }

    @Test func garbageAndCutBundlesAreRefused() throws {
      let garbage = try run(shell("true"), bundle: Array("garbage, not zstd".utf8))
      #expect(garbage.process.outcome == .bundleRefused(.notZstd(offset: 0)))
      let cut = try run(shell("true"), bundle: Array(plainBundle.dropLast(100)))
      guard case .bundleRefused(.compressedTruncated, _)? = cut.process.outcome else {
        Issue.record("\(String(describing: cut.process.outcome))")
        return
      }
      let empty = try run(shell("true"), bundle: [])
      #expect(empty.process.outcome == .bundleRefused(.compressedTruncated(offset: 0)))
    }

    @Test func aBundleLargerThanItsDiskIsRefused() throws {
      var limits = JobLimits.small
      limits.diskBytes = 1 << 20
      var random = SeededGenerator(seed: 1)
      let body = (0..<(1 << 20) - 100).map { _ in UInt8.random(in: 0...255, using: &random) }
      guard
        case .bundleRefused(.writeFailed(_, 28), _)? = try outcome(
          [entry("a", body: body), entry("b", body: [1])], limits: limits)
      else {
        Issue.record("accepted")
        return
      }
    }

    @Test func modesLosePrivileges() throws {
      var writer = BundleWriter()
      writer.addFile(
        "bin/busybox", Array(FileManager.default.contents(atPath: busyboxPath)!), mode: 0o4755)
      var tar = try writer.tar()
      // The writer masks the bits; put them back and correct the checksum (0o4000: one digit, 4).
      tar[103] = 0x34
      tar[104 - 4 + 0] = 0x30
      var sum: UInt32 = 0
      for index in 0..<512 { sum += (148..<156).contains(index) ? 0x20 : UInt32(tar[index]) }
      for index in 0..<6 { tar[148 + index] = 0x30 + UInt8(sum >> UInt32(3 * (5 - index)) & 7) }
      let spec = JobSpec(
        name: nextName(), arguments: ["/bin/busybox", "stat", "-c", "%a %u %g", "/bin/busybox"],
        limits: .small, isolation: features.level)
      let driver = try run(spec, bundle: BundleWriter.compress(tar, level: 1))
      if features.level == .full {
        #expect(driver.output == "755 1000 1000\n")
      } else {
        let words = driver.output.split(whereSeparator: \.isWhitespace)
        #expect(words.count == 3 && words[0] == "755" && words[1] == words[2])
        #expect(words.last.flatMap { UInt32($0) } ?? 0 >= IdentityRange.first)
      }
    }
  }
}
