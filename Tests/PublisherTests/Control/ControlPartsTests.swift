import Bundles
import Foundation
import Host
import Sandbox
import TestSupport
import Testing

@testable import Publisher

/// Frames of the control socket, what is kept of a job's output, text for terminals, copied files.
struct ControlPartsTests {
  private static let frames: [ControlFrame] = [
    .request([1, 2]), .input([]), .input([7]), .inputEnded, .resize(rows: 24, columns: 513),
    .signal(15), .answer([0x7b, 0x7d]), .output(isError: false, [1]),
    .output(isError: true, [2, 3]), .ended(status: 137, text: [0x61]), .failed([0x62]),
  ]

  @Test func framesComeOutAsTheyWentInHoweverTheyAreCut() {
    let all = ControlPartsTests.frames.flatMap { $0.encode() }
    var random = SeededGenerator(seed: 4)
    for _ in 0..<200 {
      var frames = ControlFrames()
      var seen: [ControlFrame] = []
      var start = 0
      while start < all.count {
        let next = min(all.count, start + random.int(1...9))
        frames.append(Array(all[start..<next]))
        while let frame = frames.next() { seen.append(frame) }
        start = next
      }
      #expect(seen == ControlPartsTests.frames && !frames.isBroken)
    }
  }

  @Test(arguments: [
    [0, 0, 0, 0, 1] as [UInt8], [0xff, 0xff, 0xff, 0x7f, 1], [1, 0, 0, 0, 99], [2, 0, 0, 0, 3, 1],
    [2, 0, 0, 0, 4, 1], [1, 0, 0, 0, 19],
  ])
  func nonsenseBreaksTheSocket(bytes: [UInt8]) {
    var frames = ControlFrames()
    frames.append(bytes)
    #expect(frames.next() == nil && frames.isBroken)
    frames.append(ControlFrame.inputEnded.encode())
    #expect(frames.next() == nil)
  }

  @Test func nothingThatAJobPrintsCommandsATerminal() {
    var text = TerminalText()
    let nasty = Array("a\u{1b}[2Jb\rc\u{7}d\u{9b}e\tf\nä\u{7f}".utf8)
    #expect(text.clean(nasty) == Array("a?[2Jb?c?d?e\tf\nä?".utf8))
    // Also where a character is cut in two.
    #expect(text.clean([0x61, 0xc2]) == [0x61])
    #expect(text.clean([0x9b, 0x62]) == [0x3f, 0x62])
    #expect(text.clean([0xc2]) + text.clean([0xa9]) == [0xc2, 0xa9])
    #expect(text.clean([0xf0, 0x9f]) + text.clean([0x98, 0x80]) == [0xf0, 0x9f, 0x98, 0x80])
    #expect(text.finish() == [] && text.clean([0xe2, 0x82]) == [])
    #expect(text.finish() == [0x3f] && text.finish() == [])
  }

  /// A terminal that takes 8-bit controls obeys one byte; others turn a line round.
  @Test func neitherLoneBytesNorTurnedLinesReachATerminal() {
    func shown(_ bytes: [UInt8]) -> String {
      var text = TerminalText()
      return String(decoding: text.clean(bytes) + text.finish(), as: UTF8.self)
    }
    #expect(shown([0x9b, 0x32, 0x4a]) == "?2J")
    #expect(shown([0x90, 0x61, 0x9c]) == "?a?")
    // Overlong, cut, surrogates, beyond the last character, alone.
    for bytes: [UInt8] in [
      [0xc0, 0x9b], [0xe0, 0x80, 0x9b], [0xe2, 0x9b], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80],
      [0xf5, 0x80], [0xff], [0xc2], [0xe2, 0x82], [0xc2, 0xc2, 0x9b], [0xe2, 0x82, 0x1b],
    ] {
      let text = shown(bytes)
      #expect(text.utf8.allSatisfy { $0 == 0x3f } && !text.isEmpty, "\(bytes)")
    }
    for value: UInt32 in [0x61c, 0x85, 0x9b, 0x200e, 0x200f] + Array(0x2028...0x202e)
      + Array(0x2066...0x2069)
    {
      #expect(shown(Array("a\(Character(Unicode.Scalar(value)!))b".utf8)) == "a?b")
    }
    for kept in ["ä", "€", "\u{200d}", "😀", "漢字", "\u{2027}", "\u{202f}", "\u{61b}", "\u{a0}"] {
      #expect(shown(Array(kept.utf8)) == kept)
    }
  }

  private func scratch() throws -> String {
    let folder = FileManager.default.temporaryDirectory.path + "/zennet-control-\(UUID())"
    try Files.makeFolder(folder)
    return folder
  }

  @Test func outputIsKeptAndFollowedAndBounded() throws {
    let folder = try scratch()
    defer { try? Files.removeTree(folder) }
    var reader = JobLog.Reader(folder, worker: 2)
    #expect(reader.next() == nil)
    JobLog.append(folder, worker: 2, task: 7, isError: false, Array("one".utf8))
    JobLog.append(folder, worker: 2, task: 7, isError: true, Array("two".utf8))
    #expect(reader.next()?.bytes == Array("one".utf8))
    #expect(reader.next().map { $0.isError && $0.unixMs > 0 && $0.task == 7 } == true)
    #expect(JobLog.workers(folder) == [2])
    #expect(reader.next() == nil)
    let piece = [UInt8](repeating: 0x61, count: 1 << 20)
    var last = 0
    for number in 0..<14 {
      JobLog.append(folder, worker: 2, task: 7, isError: false, [UInt8(number)] + piece)
      while let record = reader.next() {
        // Followed as it grows, nothing is missed where a file gives way to the next.
        #expect(Int(record.bytes[0]) == last)
        last += 1
      }
    }
    #expect(last == 14)
    let sizes = try ["worker-2.log", "worker-2.log.old"].map {
      try Files.status(folder + "/" + $0)?.sizeBytes ?? 0
    }
    #expect(sizes.allSatisfy { $0 <= JobLog.fileBytes + (2 << 20) } && sizes[1] > 0)
    var late = JobLog.Reader(folder, worker: 2)
    var kept = 0
    while let record = late.next() {
      kept += 1
      last = Int(record.bytes[0])
    }
    #expect(kept >= 4 && last == 13)
  }

  @Test func copiedFilesCannotLeaveTheirFolder() throws {
    let folder = try scratch()
    defer { try? Files.removeTree(folder) }
    try Files.makeFolder(folder + "/into")
    try Files.makeFolder(folder + "/victim")
    // A link that is in the way, where the copy goes.
    try FileManager.default.createSymbolicLink(
      atPath: folder + "/into/link", withDestinationPath: folder + "/victim")
    var writer = BundleWriter()
    writer.addFile("link/file", [1])
    var unpacker = try CopyUnpacker(target: folder + "/into", source: "/x")
    let archive = try writer.tar()
    #expect(throws: HostError.notAFile(path: folder + "/into/link")) {
      try unpacker.feed(archive)
    }
    #expect(try Files.list(folder + "/victim").isEmpty)
    var plain = BundleWriter()
    plain.addDirectory("a")
    plain.addFile("a/b", [1, 2], mode: 0o755)
    plain.addSymlink("a/c", to: "b")
    var renamed = try CopyUnpacker(target: folder + "/other", source: "/out/a")
    try renamed.feed(try plain.tar())
    try renamed.finish()
    #expect(renamed.leftOut.text == "left out: 1 link")
    #expect(try Files.list(folder + "/other") == ["b"])
    #expect(try Files.status(folder + "/other/b")?.mode == 0o755)
    // What is in a folder goes into one that is made for it.
    var several = BundleWriter()
    several.addFile("a", [1])
    several.addFile("b", [2])
    for source in ["/out/.", "/", "/out/d/.."] {
      let target = folder + "/made" + String(source.count)
      var unpacker = try CopyUnpacker(target: target, source: source)
      try unpacker.feed(try several.tar())
      try unpacker.finish()
      #expect(try Files.list(target) == ["a", "b"])
    }
  }

  /// A job's names are any bytes: two of them do not become one, and none is left out.
  @Test func copiedNamesNeedNotBeText() throws {
    let folder = try scratch()
    defer { try? Files.removeTree(folder) }
    var tar: [UInt8] = []
    for byte: UInt8 in [0xe8, 0xe9] {
      TarWriter.header(&tar, path: [0x61, byte], mode: 0o644, size: 1, type: UInt8(ascii: "0"))
      tar.append(byte)
      TarWriter.pad(&tar, size: 1)
    }
    TarWriter.end(&tar)
    var unpacker = try CopyUnpacker(target: folder, source: "/out/.")
    try unpacker.feed(tar)
    try unpacker.finish()
    #expect(try Files.list(folder) == ["a%E8", "a%E9"])
    #expect(try Files.read(folder + "/a%E9", limit: 9) == [0xe9])
    let results = ResultsWriter(folder: folder, target: folder + "/out", prefix: "task")
    try results.append(task: 0, offset: 0, tar)
    #expect(try results.write(task: 0, limitBytes: 1 << 20).text == nil)
    #expect(try Files.list(folder + "/out/task-0") == ["a%E8", "a%E9"])
  }

  @Test func jobsAreFoundByTheBeginningOfTheirName() throws {
    let folder = try scratch()
    defer { try? Files.removeTree(folder) }
    for name in ["aa11", "aa22", "bb33"] { try Files.makeFolder(folder + "/runs/" + name) }
    #expect(try LiveRuns.find("b", in: folder).run == "bb33")
    #expect(try LiveRuns.find("aa1/7", in: folder).worker == 7)
    #expect(try LiveRuns.find("aa1/worker-7", in: folder).worker == 7)
    let task = try LiveRuns.find("bb33/task-70000", in: folder)
    #expect(task.task == 70_000 && task.worker == nil)
    for wrong in ["", "aa", "cc", "bb33/x", "bb33/task-", "bb33/worker-x", "bb33/", "bb33/-1"] {
      #expect(throws: RunError.self) { try LiveRuns.find(wrong, in: folder) }
    }
    #expect(LiveRuns.all(folder).isEmpty)
  }
}
