import Bundles
import Bytes
import Foundation
import Hiring
import Host
import Market
import Sandbox
import Testing

@testable import Publisher

/// Tasks from the lines of a file.
final class MapTests {
  private let folder = NSTemporaryDirectory() + "zennet-map-\(UUID().uuidString)"

  init() throws { try Files.makeFolder(folder) }
  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private func file(_ name: String, _ text: String) throws -> String {
    let path = folder + "/" + name
    try Files.writeAtomically(path, Array(text.utf8))
    return path
  }

  @Test func bracesStandForTheArgument() {
    #expect(
      TaskArgument.fill(["cp", "{}", "/out/{}.bak"], with: "a b") == ["cp", "a b", "/out/a b.bak"])
    #expect(TaskArgument.fill(["echo"], with: "x") == ["echo", "x"])
    #expect(TaskArgument.fill(["{}{}"], with: "{}") == ["{}{}"])
    #expect(TaskArgument.fill("a{b}c", with: "x") == "a{b}c")
    #expect(TaskArgument.fill(["echo", ""], with: "") == ["echo", "", ""])
  }

  private func lines(_ reader: ArgumentReader) throws -> [String] {
    var lines: [String] = []
    while !reader.hasEnded || reader.hasLine {
      if !reader.hasLine { try reader.read() }
      while let line = try reader.next() { lines.append(line) }
    }
    return lines
  }

  @Test func aLineIsAnArgument() throws {
    #expect(
      try lines(ArgumentReader(file("a", "one\n\ntwo words\nlast"))) == [
        "one", "", "two words", "last",
      ])
    #expect(try lines(ArgumentReader(file("b", ""))) == [])
    #expect(try lines(ArgumentReader(file("c", "\n"))) == [""])
    let many = (0..<30_000).map { "line \($0)" }
    #expect(try lines(ArgumentReader(file("d", many.joined(separator: "\n")))) == many)
    #expect(throws: RunError.self) { try ArgumentReader(folder + "/none") }
    #expect(throws: RunError.self) { try lines(ArgumentReader(folder)) }
  }

  @Test func whatIsNoArgumentIsNamed() throws {
    func problem(_ bytes: [UInt8]) throws -> String? {
      let path = folder + "/bad"
      try Files.writeAtomically(path, bytes)
      do {
        _ = try lines(ArgumentReader(path))
        return nil
      } catch { return (error as? RunError)?.message }
    }
    #expect(try problem([0x61, 0x0a, 0xff, 0x0a])?.hasSuffix("line 2: not UTF-8 text") == true)
    #expect(try problem([0x61, 0, 0x0a])?.hasSuffix("line 1: not UTF-8 text") == true)
    let long = [UInt8](repeating: 0x61, count: 4097)
    #expect(try problem([0x61, 0x0a] + long)?.contains("line 2: longer than 4096") == true)
    #expect(try problem(long + [0x0a])?.contains("line 1: longer than 4096") == true)
    #expect(try problem(Array(long.dropFirst()) + [0x0a]) == nil)
  }

  /// A pipe that nobody writes to yet has not ended; a line is there when it was written.
  @Test func aPipeIsReadAsItIsWritten() throws {
    let path = folder + "/pipe"
    try #require(mkfifo(path, 0o600) == 0)
    let reader = try ArgumentReader(path)
    let writer = try #require(FileHandle(forWritingAtPath: path))
    try writer.write(contentsOf: Data("one\ntw".utf8))
    try reader.read()
    #expect(try reader.next() == "one")
    #expect(try !reader.hasLine && reader.next() == nil && !reader.hasEnded)
    try reader.read()
    #expect(!reader.hasEnded)
    try writer.write(contentsOf: Data("o".utf8))
    try writer.close()
    while !reader.hasEnded { try reader.read() }
    #expect(try reader.next() == "two" && !reader.hasLine)
  }

  @Test func outputIsHeldInMemoryAndThenOnTheDisk() throws {
    let budget = OutputSpool.Budget(bytes: 10)
    let path = folder + "/spool"
    let spool = OutputSpool(path: path, budget: budget)
    func all(_ spool: OutputSpool) throws -> [UInt8] {
      var bytes: [UInt8] = []
      try spool.read { bytes += $0 }
      return bytes
    }
    try spool.append(offset: 0, [1, 2, 3])
    #expect(!Files.exists(path))
    try spool.append(offset: 3, [UInt8](repeating: 4, count: 8))
    // Less would fit again, and stands behind it all the same.
    try spool.append(offset: 11, [5])
    #expect(try all(spool) == [1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5] && spool.sizeBytes == 12)
    let other = OutputSpool(path: folder + "/other", budget: budget)
    try other.append(offset: 0, [UInt8](repeating: 6, count: 7))
    #expect(!Files.exists(folder + "/other"))
    // A task that runs again prints from the start.
    try spool.append(offset: 0, [9])
    #expect(try all(spool) == [9])
    try other.append(offset: 7, [7, 7])
    #expect(try all(other).count == 9)
  }

  // MARK: Tasks

  private static let share = ShareLimits(memoryMiB: 64, milliCpus: 1000, pids: 32, diskMiB: 64)

  private func feeder(
    _ arguments: String, input: String? = nil, known: [[[UInt8]]] = []
  ) throws -> (ArgumentFeeder, BundleStore) {
    var map = MapOptions(arguments: try file("arguments", arguments))
    map.taskInput = input
    var options = StoredRun.options(map: map)
    options.tasks.command = ["/bin/work", "{}"]
    options.tasks.bundles = [KeptBundle(BundleRef(digest: .zero, sizeBytes: 5))]
    let store = BundleStore()
    try store.use(folder + "/bundles")
    let feeder = ArgumentFeeder(
      options, map, share: MapTests.share, base: CheckedBundle(), store: store,
      reader: try ArgumentReader(map.arguments), known: known)
    return (feeder, store)
  }

  private func all(_ feeder: ArgumentFeeder) throws -> [ArgumentFeeder.Ready] {
    var ready: [ArgumentFeeder.Ready] = []
    while !feeder.hasEnded {
      if !feeder.hasWork { try feeder.read() }
      while let one = try feeder.next(untilMs: 0) { ready.append(one) }
    }
    return ready
  }

  @Test func everyLineBecomesATask() throws {
    let (feeder, _) = try feeder("a\nb b\n")
    let ready = try all(feeder)
    #expect(ready.map(\.argument) == ["a", "b b"])
    let spec = ready[1].spec
    #expect(spec.arguments == [Array("/bin/work".utf8), Array("b b".utf8)])
    #expect(spec.environment.contains(Array("ZENNET_TASK=1".utf8)))
    #expect(TaskTemplate.argument(of: spec) == "b b" && spec.worker == nil)
    #expect(spec.bundles.count == 1 && spec.maxResultBytes == 0)
  }

  @Test func aTasksOwnFilesAreOnTopOfTheBase() throws {
    for name in ["a", "b"] {
      try Files.makeFolder(folder + "/in/" + name)
      try Files.writeAtomically(
        folder + "/in/\(name)/part", Array(repeating: UInt8(name.utf8.first!), count: 300_000))
    }
    let (feeder, store) = try feeder("a\nb\na\n", input: folder + "/in/{}")
    let ready = try all(feeder)
    #expect(ready.map(\.spec.bundles.count) == [2, 2, 2])
    #expect(ready[0].input == ready[2].input && ready[0].input != ready[1].input)
    let input = try #require(ready[1].input)
    let bytes = try #require(store.read(input.digest, offset: 0, count: Int(input.sizeBytes)))
    #expect(try FolderBundle.make(folder + "/in/b") == bytes)
    #expect(ready[1].spec.bundles.last == input)
    // A bundle that was made before.
    try Files.writeAtomically(folder + "/made-x.tar.zst", bytes)
    let (other, _) = try self.feeder("x\n", input: folder + "/made-{}.tar.zst")
    #expect(try all(other).first?.input == input)
  }

  @Test func filesThatNoMachineWouldTakeEndTheMaking() throws {
    let (missing, _) = try feeder("none\n", input: folder + "/in/{}")
    #expect(throws: RunError.self) { try all(missing) }
    try Files.writeAtomically(folder + "/bad.tar.zst", [1, 2, 3])
    let (bad, _) = try feeder("bad\n", input: folder + "/{}.tar.zst")
    #expect(throws: RunError.self) { try all(bad) }
  }

  @Test func aMapThatIsTakenUpPassesOverWhatItHas() throws {
    let known = ["a", "b"].map { [Array("/bin/work".utf8), Array($0.utf8)] }
    let (feeder, _) = try feeder("a\nb\nc\n", known: known)
    let ready = try all(feeder)
    #expect(ready.map(\.argument) == ["c"])
    #expect(ready[0].spec.environment.contains(Array("ZENNET_TASK=2".utf8)))
    let (other, _) = try self.feeder("a\nx\n", known: known)
    #expect(throws: RunError.self) { try all(other) }
  }
}
