import Foundation
import Testing

@testable import Host

/// A folder that goes with the test.
final class Scratch {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/zennet-host-\(UUID().uuidString)"
    try Files.makeFolder(path)
  }

  deinit { try? Files.removeTree(path) }

  func file(_ name: String) -> String { path + "/" + name }
}

@Suite struct FilesTests {
  @Test func writesAndReadsWhole() throws {
    let scratch = try Scratch()
    let path = scratch.file("a")
    #expect(!Files.exists(path))
    try Files.writeAtomically(path, [1, 2, 3])
    #expect(try Files.read(path, limit: 3) == [1, 2, 3])
    #expect(try Files.status(path)?.mode == 0o600)
    try Files.writeAtomically(path, [], mode: 0o644)
    #expect(try Files.read(path, limit: 0) == [])
    let status = try #require(try Files.status(path))
    #expect(status.mode == 0o644 && status.kind == .file && status.sizeBytes == 0)
    #expect(try Files.list(scratch.path) == ["a"])
  }

  @Test func refusesWhatIsTooLargeOrNoFile() throws {
    let scratch = try Scratch()
    let path = scratch.file("a")
    try Files.writeAtomically(path, [1, 2, 3])
    #expect(throws: HostError.tooLarge(path: path, limit: 2)) {
      try Files.read(path, limit: 2)
    }
    #expect(throws: HostError.notAFile(path: scratch.path)) {
      try Files.read(scratch.path, limit: 10)
    }
    #expect(throws: HostError.notAFile(path: path + "\0b")) {
      try Files.read(path + "\0b", limit: 10)
    }
    // A file that says it is empty and is not.
    #expect(try Files.read("/proc/self/stat", limit: 65536).count > 10)
    #expect(throws: HostError.tooLarge(path: "/dev/zero", limit: 100_000)) {
      try Files.read("/dev/zero", limit: 100_000)
    }
  }

  @Test func errorsNameTheFile() throws {
    let scratch = try Scratch()
    let path = scratch.file("missing")
    #expect {
      try Files.read(path, limit: 1)
    } throws: { error in
      let error = error as? HostError
      return error?.isNotFound == true
        && error?.message == "\(path): open: No such file or directory"
    }
    #expect(throws: HostError.self) { try Files.writeAtomically(path + "/b", [1]) }
  }

  @Test func replacesWhatACrashLeftBehind() throws {
    let scratch = try Scratch()
    let path = scratch.file("a")
    try Files.writeAtomically(path + ".new", [9, 9, 9])
    try Files.writeAtomically(path, [1])
    #expect(try Files.list(scratch.path) == ["a"])
  }

  @Test func makesFolders() throws {
    let scratch = try Scratch()
    let path = scratch.file("x/y/z")
    try Files.makeFolder(path, mode: 0o750)
    try Files.makeFolder(path, mode: 0o750)
    #expect(try Files.status(scratch.file("x"))?.mode == 0o750)
    #expect(Files.isFolder(path))
    try Files.writeAtomically(scratch.file("f"), [])
    #expect(throws: HostError.self) { try Files.makeFolder(scratch.file("f")) }
    #expect(throws: HostError.self) { try Files.makeFolder(scratch.file("f/g")) }
    #expect(Files.parent(of: "/a/b/") == "/a" && Files.parent(of: "/a") == "/")
    #expect(Files.parent(of: "a") == ".")
  }

  @Test func removesTreesAndNothingBehindLinks() throws {
    let scratch = try Scratch()
    try Files.makeFolder(scratch.file("kept"))
    try Files.writeAtomically(scratch.file("kept/file"), [7])
    try Files.makeFolder(scratch.file("tree/sub/.hidden"))
    try Files.writeAtomically(scratch.file("tree/sub/.hidden/f"), [7])
    let manager = FileManager.default
    try manager.createSymbolicLink(
      atPath: scratch.file("tree/link"), withDestinationPath: scratch.file("kept"))
    try manager.createSymbolicLink(
      atPath: scratch.file("tree/dangling"), withDestinationPath: "/nowhere")
    try manager.setAttributes(
      [.posixPermissions: 0], ofItemAtPath: scratch.file("tree/sub/.hidden"))
    try Files.removeTree(scratch.file("tree"))
    #expect(!Files.exists(scratch.file("tree")))
    #expect(Files.exists(scratch.file("kept/file")))
    try Files.removeTree(scratch.file("tree"))
    // A link itself is removed, not what it points to.
    try manager.createSymbolicLink(
      atPath: scratch.file("link"), withDestinationPath: scratch.file("kept"))
    try Files.removeTree(scratch.file("link"))
    #expect(Files.exists(scratch.file("kept/file")))
  }

  /// A job may nest folders deeper than any path is long.
  @Test func removesTreesOfAnyDepth() throws {
    let scratch = try Scratch()
    try Files.makeFolder(scratch.file("deep"))
    let script = """
      import os
      os.chdir('\(scratch.path)/deep')
      for _ in range(1500): open('f', 'w').close(); os.mkdir('a' * 10); os.chdir('a' * 10)
      """
    let made = try ChildProcess(["/usr/bin/python3", "-c", script])
    #expect(try made.wait() == .exited(status: 0))
    try Files.removeTree(scratch.file("deep"))
    #expect(!Files.exists(scratch.file("deep")))
    // Only descriptors within it: other tests of this process open and close theirs.
    let name = URL(fileURLWithPath: scratch.path).lastPathComponent
    let left = try Files.list("/proc/self/fd").filter { descriptor in
      let opened = try? FileManager.default.destinationOfSymbolicLink(
        atPath: "/proc/self/fd/" + descriptor)
      return opened?.contains(name) == true
    }
    #expect(left == [])
  }

  @Test func listsSorted() throws {
    let scratch = try Scratch()
    for name in ["b", "a", ".c", "Z"] { try Files.writeAtomically(scratch.file(name), []) }
    #expect(try Files.list(scratch.path) == [".c", "Z", "a", "b"])
    #expect(throws: HostError.self) { try Files.list(scratch.file("missing")) }
  }

  @Test func appends() throws {
    let scratch = try Scratch()
    try Files.append(scratch.file("log"), [1])
    try Files.append(scratch.file("log"), [2])
    #expect(try Files.read(scratch.file("log"), limit: 9) == [1, 2])
    #expect(try Files.freeBytes(at: scratch.path) > 0)
  }

  @Test func oneProcessHasTheLock() throws {
    let scratch = try Scratch()
    let path = scratch.file("lock")
    var lock: FileLock? = try FileLock(path)
    #expect(lock != nil)
    #expect(throws: HostError.locked(path: path)) { try FileLock(path) }
    lock = nil
    lock = try FileLock(path)
    #expect(lock != nil)
    // A child that was made meanwhile goes on having it for a moment.
    let child = open(path, O_RDWR)
    lock = nil
    #expect(flock(child, LOCK_EX | LOCK_NB) == 0)
    Thread.detachNewThread {
      usleep(100_000)
      close(child)
    }
    lock = try FileLock(path)
    #expect(lock != nil)
  }
}
