import Bundles
import Bytes
import Foundation
import Sandbox
import Testing

@testable import Publisher

/// Results come from machines that nobody trusts.
struct ResultsWriterTests {
  private let folder = NSTemporaryDirectory() + "zennet-results-\(UUID().uuidString)"

  private func writer() throws -> ResultsWriter {
    try FileManager.default.createDirectory(
      atPath: folder + "/out", withIntermediateDirectories: true)
    return ResultsWriter(folder: folder, target: folder + "/out", prefix: "worker")
  }

  private static let limitBytes: UInt64 = 1 << 20

  private func remove() { try? FileManager.default.removeItem(atPath: folder) }

  private func read(_ path: String) -> String? {
    FileManager.default.contents(atPath: folder + "/out/worker-0/" + path).map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  @Test func filesArriveInPiecesAndAreUnpacked() throws {
    defer { remove() }
    let results = try writer()
    var bundle = BundleWriter()
    bundle.addDirectory("deep/empty")
    bundle.addFile("deep/words", Array("many\n".utf8))
    bundle.addFile("tool", Array("#!".utf8), mode: 0o4755)
    let tar = try bundle.tar()
    var offset = 0
    while offset < tar.count {
      let piece = Array(tar[offset..<min(tar.count, offset + 700)])
      try results.append(task: 0, offset: UInt64(offset), piece)
      offset += piece.count
    }
    try results.keep(task: 0)
    #expect(try results.write(task: 0, limitBytes: Self.limitBytes).text == nil)
    #expect(read("deep/words") == "many\n")
    let attributes = try FileManager.default.attributesOfItem(
      atPath: folder + "/out/worker-0/tool")
    #expect(attributes[.posixPermissions] as? Int == 0o755)
    // A second unpacking replaces the first: nothing of it is left.
    try Data("old".utf8).write(to: URL(fileURLWithPath: folder + "/out/worker-0/old"))
    _ = try results.write(task: 0, limitBytes: Self.limitBytes)
    #expect(read("old") == nil && read("deep/words") == "many\n")
  }

  @Test func offsetZeroBeginsAnew() throws {
    defer { remove() }
    let results = try writer()
    try results.append(task: 0, offset: 0, [1, 2, 3])
    try results.append(task: 0, offset: 0, [4])
    try results.append(task: 0, offset: 1, [5])
    #expect(FileManager.default.contents(atPath: results.archive(0)) == Data([4, 5]))
  }

  @Test func linksAreLeftOut() throws {
    defer { remove() }
    let results = try writer()
    var bundle = BundleWriter()
    bundle.addSymlink("etc", to: "deep")
    bundle.addFile("deep/words", [0x61])
    try results.append(task: 0, offset: 0, try bundle.tar())
    #expect(try results.write(task: 0, limitBytes: Self.limitBytes).text == "left out: 1 link")
    #expect(read("deep/words") == "a")
    #expect(!FileManager.default.fileExists(atPath: folder + "/out/worker-0/etc"))
  }

  /// A machine names what it could not pack: as a pipe.
  @Test func whatTheMachineLeftOutIsTold() throws {
    defer { remove() }
    let results = try writer()
    var tar: [UInt8] = []
    for name in ["pipe\u{1b}[2J", "a", "b", "c", "d"] {
      TarWriter.header(&tar, path: Array(name.utf8), mode: 0, type: UInt8(ascii: "6"))
    }
    TarWriter.header(&tar, path: [0x2e], mode: 0, type: UInt8(ascii: "6"))
    TarWriter.header(&tar, path: Array("l".utf8), link: [0x61], mode: 0, type: UInt8(ascii: "2"))
    TarWriter.end(&tar)
    try results.append(task: 0, offset: 0, tar)
    #expect(
      try results.write(task: 0, limitBytes: Self.limitBytes).text
        == "left out: 1 link; pipe?[2J, a, b and 3 more (no file, not readable, or beyond the limit of results)"
    )
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/out/worker-0") == [])
  }

  @Test func whatCannotBeWrittenIsRememberedAndTriedAgain() throws {
    defer { remove() }
    let results = try writer()
    var bundle = BundleWriter()
    bundle.addFile("words", [0x61])
    try results.append(task: 0, offset: 0, try bundle.tar())
    // Not even root makes a folder below a file.
    try FileManager.default.removeItem(atPath: folder + "/out")
    try Data().write(to: URL(fileURLWithPath: folder + "/out"))
    #expect(throws: (any Error).self) { try results.write(task: 0, limitBytes: Self.limitBytes) }
    #expect(results.isUnwritten(task: 0) && !results.isUnwritten(task: 1))
    try FileManager.default.removeItem(atPath: folder + "/out")
    #expect(try results.write(task: 0, limitBytes: Self.limitBytes).text == nil)
    #expect(!results.isUnwritten(task: 0) && read("words") == "a")
  }

  @Test func whereResultsCannotGoIsKnownBefore() throws {
    defer { remove() }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data().write(to: URL(fileURLWithPath: folder + "/file"))
    for path in [folder + "/file", folder + "/file/below", "/proc/none", "/dev/null"] {
      #expect(throws: RunError.self) { try OutputCheck.folder(path) }
    }
    try OutputCheck.folder(folder + "/made/deep")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/made/deep") == [])
    for path in [folder, folder + "/none/receipt", "/proc/receipt"] {
      #expect(throws: RunError.self) { try OutputCheck.file(path) }
    }
    try OutputCheck.file(folder + "/file")
    try OutputCheck.file(folder + "/new")
    try OutputCheck.file("/dev/null")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["file", "made"])
  }

  @Test func pathsThatLeaveTheFolderAreRefused() throws {
    defer { remove() }
    let results = try writer()
    // A name of the same length, so that only the header's checksum has to be mended.
    var bundle = BundleWriter()
    bundle.addFile("aa/escaped", [0x61])
    var tar = try bundle.tar()
    let place = try #require(tar.firstRange(of: Array("aa/escaped".utf8))?.lowerBound)
    let header = place - place % 512
    tar.replaceSubrange(place..<(place + 2), with: Array("..".utf8))
    tar.replaceSubrange((header + 148)..<(header + 156), with: Array(repeating: 0x20, count: 8))
    let sum = tar[header..<(header + 512)].reduce(0) { $0 + Int($1) }
    tar.replaceSubrange(
      (header + 148)..<(header + 156), with: Array((String(format: "%06o", sum) + "\0 ").utf8))
    try results.append(task: 0, offset: 0, tar)
    #expect(throws: (any Error).self) { try results.write(task: 0, limitBytes: Self.limitBytes) }
    #expect(!FileManager.default.fileExists(atPath: folder + "/out/escaped"))
  }

  @Test func moreBytesThanAgreedAreRefused() throws {
    defer { remove() }
    let results = try writer()
    var bundle = BundleWriter()
    bundle.addFile("large", [UInt8](repeating: 0, count: 101))
    try results.append(task: 0, offset: 0, try bundle.tar())
    #expect(throws: (any Error).self) { try results.write(task: 0, limitBytes: 100) }
  }

  @Test func resultsWithoutAByteAreKept() throws {
    defer { remove() }
    let results = try writer()
    try results.keep(task: 3)
    #expect(FileManager.default.contents(atPath: results.archive(3)) == Data())
    let unwanted = ResultsWriter(folder: folder, target: nil, prefix: "task")
    try unwanted.append(task: 3, offset: 0, [1])
    #expect(try unwanted.write(task: 3, limitBytes: 1).text == nil)
    #expect(FileManager.default.contents(atPath: folder + "/task-3.tar") == Data([1]))
  }
}
