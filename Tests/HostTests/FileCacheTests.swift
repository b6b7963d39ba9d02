import CHost
import Foundation
import Host
import Testing

/// Files under a quota.
struct FileCacheTests {
  private let folder = FileManager.default.temporaryDirectory.path + "/zennet-cache-\(UUID())"

  private func store(_ cache: FileCache, _ name: String, _ size: Int) throws -> Bool {
    let bytes = [UInt8](repeating: UInt8(name.utf8.first!), count: size)
    return try cache.store(name, sizeBytes: UInt64(size)) { offset in
      Array(bytes[Int(offset)...].prefix(7))
    }
  }

  private func read(_ cache: FileCache, _ name: String) throws -> [UInt8]? {
    var bytes: [UInt8] = []
    return try cache.read(name) { bytes += $0 } ? bytes : nil
  }

  @Test func theOneThatWasNotUsedForLongestGoes() throws {
    defer { try? Files.removeTree(folder) }
    let cache = try FileCache(path: folder, quotaBytes: 100)
    for name in ["a", "b", "c"] { #expect(try store(cache, name, 30)) }
    #expect(try read(cache, "a") == [UInt8](repeating: 0x61, count: 30))
    #expect(try store(cache, "d", 40))
    #expect(cache.names == ["a", "d"] || cache.names == ["c", "a", "d"])
    #expect(cache.names == ["c", "a", "d"] && cache.sizeBytes == 100)
    #expect(try store(cache, "e", 71) && cache.names == ["e"])
    // Larger than all of it: what is there stays.
    #expect(try !store(cache, "f", 101) && cache.names == ["e"])
    #expect(try read(cache, "a") == nil && cache.size("e") == 71)
    #expect(try store(cache, "e", 5) && cache.sizeBytes == 5)
    #expect(try !store(cache, "../x", 5))
    #expect(try Files.list(folder) == ["e"])
  }

  @Test func itSurvivesARestartAndASmallerQuota() throws {
    defer { try? Files.removeTree(folder) }
    let cache = try FileCache(path: folder, quotaBytes: 100)
    for (age, name) in ["a", "b", "c"].enumerated() {
      #expect(try store(cache, name, 30))
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: TimeInterval(1000 + age))],
        ofItemAtPath: folder + "/" + name)
    }
    _ = try read(cache, "a")
    try Files.writeAtomically(folder + "/d.new", [1])
    try Files.makeFolder(folder + "/odd")
    let again = try FileCache(path: folder, quotaBytes: 100)
    #expect(again.names == ["b", "c", "a"] && again.sizeBytes == 90)
    #expect(try Files.list(folder) == ["a", "b", "c"])
    #expect(try FileCache(path: folder, quotaBytes: 60).names == ["c", "a"])
    #expect(try FileCache(path: folder, quotaBytes: 0).names.isEmpty)
    #expect(try Files.list(folder).isEmpty)
    try Files.removeTree(folder)
    _ = try FileCache(path: folder, quotaBytes: 0)
    #expect(!Files.exists(folder))
  }

  @Test func aFileThatCannotBeWrittenLeavesNothing() throws {
    defer { try? Files.removeTree(folder) }
    let cache = try FileCache(path: folder, quotaBytes: 100)
    #expect(throws: HostError.notAFile(path: "x")) {
      try cache.store("a", sizeBytes: 10) { _ throws(HostError) in throw .notAFile(path: "x") }
    }
    #expect(cache.names.isEmpty)
    #expect(try Files.list(folder).isEmpty)
  }
}
