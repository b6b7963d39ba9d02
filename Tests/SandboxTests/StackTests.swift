import Foundation
import Testing

@testable import Sandbox

/// A bundle of what `fill` adds.
private func bundle(_ fill: (inout BundleWriter) -> Void) -> [UInt8] {
  var writer = BundleWriter()
  fill(&writer)
  return try! writer.finish(level: 1)
}

private func raw(_ entries: [RawEntry]) -> [UInt8] {
  BundleWriter.compress(archive(entries), level: 1)
}

extension WithKernel {
  /// Several bundles of one job, one over another.
  struct StackTests {
    private func run(
      _ script: String, _ more: [[UInt8]], limits: JobLimits = .small,
      from origin: Origin = .agent
    ) throws -> Driver {
      let driver = Driver(
        try origin.sandbox().start(
          shell(script, limits: limits), bundles: [plainBundle] + more, nowMs: nowMs()))
      _ = driver.untilEnded()
      try driver.process.destroy()
      return driver
    }

    @Test(arguments: Origin.possible) func whatLiesOnTopReplacesAndFoldersMerge(
      from origin: Origin
    ) throws {
      let base = bundle { writer in
        writer.addFile("work/a", Array("base a\n".utf8))
        writer.addFile("work/d/b", Array("base b\n".utf8))
        writer.addFile("work/d/kept", Array("kept\n".utf8))
        writer.addSymlink("work/link", to: "a")
      }
      let middle = bundle { writer in
        writer.addFile("work/d/b", Array("middle b\n".utf8))
        writer.addFile("work/link", Array("a file\n".utf8))
      }
      let top = bundle { writer in
        writer.addFile("work/d/b", Array("top b\n".utf8), mode: 0o600)
        writer.addSymlink("work/a", to: "d/kept")
        writer.addFile("work/new/c", Array("c\n".utf8))
      }
      let script = "cat a d/b d/kept link new/c"
      let driver = try run(script, [base, middle, top], from: origin)
      #expect(driver.process.outcome == .exited(status: 0), "\(driver.errors)")
      #expect(driver.output == "kept\ntop b\nkept\na file\nc\n")
    }

    @Test(arguments: Origin.possible) func sixteenOfThemAndNoMore(from origin: Origin) throws {
      let inputs = (1..<16).map { index in
        bundle { $0.addFile("work/input-\(index)", Array("\(index)\n".utf8)) }
      }
      let driver = try run("cat input-* | busybox wc -l", inputs, from: origin)
      #expect(driver.output == "15\n", "\(driver.errors)")
      let sandbox = makeSandbox()
      for count in [0, 17] {
        #expect(throws: SandboxError.invalidSpec("bundles: 1 to 16")) {
          try sandbox.start(
            shell("true"), bundles: Array(repeating: inputs[0], count: count), nowMs: nowMs())
        }
      }
    }

    /// Nothing of a folder that is beneath goes because of one entry on top, and no link is followed.
    @Test func foldersAndOtherThingsDoNotTakeEachOthersPlace() throws {
      let base = raw([
        entry("work/d", type: "5"), entry("work/d/x", body: [1]), entry("work/f", body: [2]),
        entry("work/l", link: "d", type: "2"),
      ])
      let attempts: [([RawEntry], Int32)] = [
        ([entry("work/d", body: [3])], 21), ([entry("work/d", link: "f", type: "2")], 21),
        ([entry("work/f", type: "5")], 20), ([entry("work/f/y", body: [3])], 20),
        ([entry("work/l/y", body: [3])], 20),
      ]
      for (entries, code) in attempts {
        let outcome = try run("echo ran", [base, raw(entries)]).process.outcome
        #expect(
          outcome == .bundleRefused(.writeFailed(offset: 0, code: code), bundle: 2),
          "\(String(decoding: entries[0].path, as: UTF8.self))")
      }
    }

    /// A second name of a file that is beneath is the file; what replaces one of them leaves the other.
    @Test func hardLinksReachBeneath() throws {
      let base = raw([entry("work/f", body: Array("old\n".utf8))])
      let middle = raw([entry("work/g", link: "work/f", type: "1")])
      let top = raw([entry("work/f", body: Array("new\n".utf8))])
      #expect(try run("cat f g", [base, middle, top]).output == "new\nold\n")
    }

    @Test func limitsAreThoseOfAllTogether() throws {
      var limits = JobLimits.small
      limits.files = 64
      let many = bundle { writer in
        for index in 0..<30 { writer.addFile("work/\(index)", [1]) }
      }
      #expect(try run("true", [many], limits: limits).process.outcome == .exited(status: 0))
      // Names that are there already count again.
      #expect(
        try run("true", [many, many], limits: limits).process.outcome
          == .bundleRefused(.tooManyEntries(offset: 1024 * 23, limit: 64), bundle: 2))
      let large = raw([entry("work/x", claimedSize: 40 << 20)])
      guard
        case .bundleRefused(.truncated, 1)? = try run("true", [large]).process.outcome
      else {
        Issue.record("accepted")
        return
      }
      let busyboxBytes = UInt64(FileManager.default.contents(atPath: busyboxPath)!.count)
      limits = .small
      limits.diskBytes = busyboxBytes + 1000
      let file = { (size: Int) in
        bundle { $0.addFile("work/y", [UInt8](repeating: 1, count: size)) }
      }
      let refused = try run("true", [file(600), file(600)], limits: limits).process.outcome
      #expect(refused == .bundleRefused(.tooLarge(offset: 0, limit: limits.diskBytes), bundle: 2))
    }

    @Test func aBundleOfNoneOrOfGarbageIsNamed() throws {
      let good = bundle { $0.addFile("work/a", [1]) }
      for (index, stack) in [[[], good], [good, Array("no".utf8)]].enumerated() {
        guard
          case .bundleRefused(_, let number)? = try run("echo ran", stack).process.outcome
        else {
          Issue.record("accepted")
          continue
        }
        #expect(number == index + 1)
      }
    }

    /// Whoever unpacks could be taken over by what it unpacks: other jobs unpack the same file.
    @Test func noProcessInsideCanWriteTheBundle() throws {
      let file = memoryFile(plainBundle)
      defer { close(file) }
      var ends: [Int32] = [-1, -1]
      #expect(pipe(&ends) == 0)
      defer { ends.forEach { close($0) } }
      let driver = Driver(
        try makeSandbox().start(shell("sleep 1000"), bundles: [file, ends[0]], nowMs: nowMs()))
      driver.process.awaitFirst()
      var seen = 0
      driver.until { driver in
        for pid in driver.process.cgroup.processes() {
          let folder = "/proc/\(pid)/fd"
          for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            let path = folder + "/" + name
            let target = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) ?? ""
            if !target.contains("memfd:zennet") { continue }
            let info = "/proc/\(pid)/fdinfo/" + name
            guard let text = try? String(contentsOfFile: info, encoding: .utf8) else { continue }
            let flags = text.split(separator: "\n").first { $0.hasPrefix("flags:") }
            #expect(flags?.last == "0", "\(text)")
            seen += 1
          }
        }
        return seen > 0
      }
      #expect(seen > 0)
      try driver.process.destroy()
    }
  }

  /// What of /out comes back.
  struct CollectTests {
    private func names(_ tar: [UInt8]) throws -> [String] {
      try items(tar, limits: BundleLimits(entries: 100, bytes: 1 << 20), isLenient: true).compactMap
      {
        switch $0 {
        case .file(let path, _, _), .directory(let path, _), .symlink(let path, _):
          return String(decoding: path, as: UTF8.self)
        case .leftOut(let path): return "-" + String(decoding: path, as: UTF8.self)
        default: return nil
        }
      }
    }

    private static let script = """
      mkdir -p /out/a/b /out/c; echo 1 > /out/a/b/x; echo 2 > /out/a/y; echo 3 > /out/c/z
      ln -s a /out/l; ln -s /proc /out/p; mkfifo /out/c/f
      """

    private func collected(_ path: String, from origin: Origin) throws -> ([String], Bool) {
      let driver = try run(shell(Self.script), in: origin.sandbox())
      #expect(driver.process.outcome == .exited(status: 0))
      try driver.collect(path)
      let isWhole = driver.events.contains(.resultsCollected(.all))
      #expect(isWhole || driver.events.contains(.resultsCollected(.some)))
      #expect(throws: SandboxError.self) { try driver.process.collect() }
      try driver.process.destroy()
      return (try names(driver.tar), isWhole)
    }

    @Test(arguments: Origin.possible) func onlyWhatIsWanted(from origin: Origin) throws {
      let all = try collected("/", from: origin)
      #expect(all.0 == ["a", "a/b", "a/b/x", "a/y", "c", "-c/f", "c/z", "l", "p"])
      #expect(!all.1)
      let wanted: [(String, [String], Bool)] = [
        ("a", ["a", "a/b", "a/b/x", "a/y"], true), ("/a/b", ["a/b", "a/b/x"], true),
        ("./a//y", ["a/y"], true), ("c", ["c", "-c/f", "c/z"], false), ("l", ["l"], true),
        ("c/f", ["-c/f"], false), ("none/of/it", ["-none/of/it"], false),
        // A link is not followed.
        ("l/y", ["-l/y"], false), ("p/1/status", ["-p/1/status"], false),
      ]
      for (path, expected, isWhole) in wanted {
        let got = try collected(path, from: origin)
        #expect(got.0 == expected && got.1 == isWhole, "\(path)")
      }
    }

    @Test func aPathThatLeavesIsRefused() throws {
      let driver = try run(shell("echo x > /out/y"))
      for path in ["..", "a/../..", "/../etc", "a\0b", String(repeating: "d/", count: 2100)] {
        #expect(throws: SandboxError.self) { try driver.process.collect(Array(path.utf8)) }
      }
      // None of it was the one time.
      try driver.collect("y")
      #expect(try names(driver.tar) == ["y"])
      try driver.process.destroy()
    }
  }
}
