import Foundation
import Testing

@testable import Sandbox

struct BundleWriterTests {
  private func sample(_ order: [Int]) throws -> [UInt8] {
    var writer = BundleWriter()
    for which in order {
      switch which {
      case 0: writer.addFile("b/two", [2, 2])
      case 1: writer.addDirectory("b")
      case 2: writer.addFile("a", [1], mode: 0o755)
      default: writer.addSymlink("c", to: "b/two")
      }
    }
    return try writer.tar()
  }

  @Test func theSameContentGivesTheSameBytes() throws {
    let first = try sample([0, 1, 2, 3])
    #expect(try sample([3, 2, 1, 0]) == first)
    #expect(BundleWriter.compress(first) == BundleWriter.compress(first))
  }

  @Test func theReaderReadsWhatTheWriterWrote() throws {
    let got = try items(sample([0, 1, 2, 3]))
    #expect(
      got == [
        .file(path: Array("a".utf8), mode: 0o755, size: 1), .data([1]), .fileEnded,
        .directory(path: Array("b".utf8), mode: 0o755),
        .file(path: Array("b/two".utf8), mode: 0o644, size: 2), .data([2, 2]), .fileEnded,
        .symlink(path: Array("c".utf8), target: Array("b/two".utf8)),
      ])
  }

  @Test func laterEntriesReplaceEarlierOnes() throws {
    var writer = BundleWriter()
    writer.addFile("f", [1])
    writer.addFile("f", [2])
    #expect(try items(writer.tar()).contains(.data([2])))
    #expect(try !items(writer.tar()).contains(.data([1])))
  }

  @Test func pathsOutsideAreNotWritten() {
    var writer = BundleWriter()
    writer.addFile("../f", [1])
    #expect(throws: BundleError.parentInPath(offset: 0)) { try writer.tar() }
  }

  /// GNU tar, which nobody here wrote, lists and extracts the same.
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/tar")))
  func gnuTarAgrees() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "zennet-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var writer = BundleWriter()
    let long = String(repeating: "long/", count: 40) + "name"
    writer.addFile(long, Array("content".utf8))
    writer.addSymlink("link", to: long)
    let file = folder.appending(path: "b.tar.zst")
    try Data(writer.finish()).write(to: file)
    let listing = try output("/usr/bin/tar", ["--zstd", "-tf", file.path])
    #expect(listing.split(separator: "\n") == ["link", Substring(long)])
    _ = try output("/usr/bin/tar", ["--zstd", "-xf", file.path, "-C", folder.path])
    #expect(try String(contentsOf: folder.appending(path: "link"), encoding: .utf8) == "content")

    // And the other way round, in each of the formats that GNU tar writes.
    for format in ["ustar", "pax", "gnu"] where format != "ustar" {
      let made = folder.appending(path: format)
      _ = try output(
        "/usr/bin/tar", ["--format", format, "-cf", made.path, "-C", folder.path, "link", "long"])
      let got = try items([UInt8](Data(contentsOf: made)))
      #expect(got.contains(.symlink(path: Array("link".utf8), target: Array(long.utf8))))
      #expect(got.contains(.file(path: Array(long.utf8), mode: 0o644, size: 7)))
    }
  }
}

func output(_ program: String, _ arguments: [String]) throws -> String {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: program)
  process.arguments = arguments
  let pipe = Pipe()
  process.standardOutput = pipe
  try process.run()
  let data = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return String(decoding: data, as: UTF8.self)
}
