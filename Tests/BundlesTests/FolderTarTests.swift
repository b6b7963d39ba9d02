import Foundation
import Sandbox
import TestSupport
import Testing

@testable import Bundles

/// A folder on its way into an archive that is never whole in memory.
struct FolderTarTests {
  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "zennet-tar-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(
      at: folder.appending(path: "tree/inner"), withIntermediateDirectories: true)
    try body(folder.path)
  }

  private func write(_ bytes: [UInt8], to path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  private func all(_ tar: FolderTar) throws -> (bytes: [UInt8], largest: Int) {
    var bytes: [UInt8] = []
    var largest = 0
    while let piece = try tar.next() {
      bytes += piece
      largest = max(largest, piece.count)
    }
    return (bytes, largest)
  }

  @Test func itIsWhatIsWrittenAtOnce() throws {
    try withFolder { folder in
      var random = SeededGenerator(seed: 4)
      let large = random.bytes(700_001)
      try write(large, to: folder + "/tree/inner/large")
      try write([], to: folder + "/tree/empty")
      try write(Array("#!/bin/sh\n".utf8), to: folder + "/tree/run")
      chmod(folder + "/tree/run", 0o755)
      chmod(folder + "/tree/empty", 0o600)
      chmod(folder + "/tree/inner/large", 0o644)
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/tree/link", withDestinationPath: "inner/large")
      for (isNamed, prefix) in [(true, "tree/"), (false, "")] {
        var writer = BundleWriter()
        if isNamed { writer.addDirectory("tree") }
        writer.addDirectory(prefix + "inner")
        writer.addFile(prefix + "inner/large", large)
        writer.addFile(prefix + "empty", [], mode: 0o600)
        writer.addFile(prefix + "run", Array("#!/bin/sh\n".utf8), mode: 0o755)
        writer.addSymlink(prefix + "link", to: "inner/large")
        let tar = try all(FolderTar(folder + "/tree", isNamed: isNamed))
        let isSame = tar.bytes == (try writer.tar())
        #expect(isSame)
        #expect(tar.largest <= FolderTar.pieceBytes)
      }
    }
  }

  @Test func oneFileHasItsOwnName() throws {
    try withFolder { folder in
      try write([1, 2, 3], to: folder + "/one")
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/link", withDestinationPath: "one")
      for name in ["one", "link"] {
        var writer = BundleWriter()
        writer.addFile(name, [1, 2, 3], mode: 0o644)
        chmod(folder + "/one", 0o644)
        #expect(try all(FolderTar(folder + "/" + name, isNamed: true)).bytes == writer.tar())
      }
    }
  }

  /// What is absolute begins at a bundle's root. A copy has no root: such links are left out of it, and told.
  @Test func linksThatLeadOut() throws {
    try withFolder { folder in
      for (name, target) in [
        ("absolute", "/bin/sh"), ("inner/out", "../../../x"), ("inner/near", "../absolute"),
      ] {
        try FileManager.default.createSymbolicLink(
          atPath: folder + "/tree/" + name, withDestinationPath: target)
      }
      var bundle = BundleWriter()
      bundle.addDirectory("inner")
      bundle.addSymlink("absolute", to: "bin/sh")
      bundle.addSymlink("inner/out", to: "../x")
      bundle.addSymlink("inner/near", to: "../absolute")
      let whole = try FolderTar(folder + "/tree", isNamed: false)
      let isSame = try all(whole).bytes == bundle.tar()
      #expect(isSame && whole.skipped == 0)
      var copy = BundleWriter()
      copy.addDirectory("tree")
      copy.addDirectory("tree/inner")
      copy.addSymlink("tree/inner/near", to: "../absolute")
      let tar = try FolderTar(folder + "/tree", isNamed: true)
      let isWithout = try all(tar).bytes == copy.tar()
      #expect(isWithout && tar.skipped == 2)
    }
  }

  /// Nothing is left out without a word.
  @Test func aNameThatIsNotTextIsRefused() throws {
    try withFolder { folder in
      let name = (folder + "/tree/a").utf8CString.dropLast() + [CChar(bitPattern: 0xe9), 0]
      let file = name.withUnsafeBufferPointer { open($0.baseAddress!, O_CREAT | O_WRONLY, 0o644) }
      #expect(file >= 0)
      close(file)
      #expect(throws: BundlesError.self) { try FolderTar(folder + "/tree", isNamed: false) }
      #expect(throws: ImageError.self) {
        try ImageBundle().make(of: folder + "/tree", to: folder + "/made.tar.zst")
      }
    }
  }

  @Test func whatCannotBeReadIsNamed() throws {
    try withFolder { folder in
      #expect(throws: BundlesError.self) { try FolderTar(folder + "/none", isNamed: true) }
      #expect(throws: BundlesError.self) { try FolderTar("/dev/null", isNamed: true) }
      let file = folder + "/tree/shrinks"
      try write([UInt8](repeating: 7, count: 200_000), to: file)
      let tar = try FolderTar(folder + "/tree", isNamed: false)
      try write([UInt8](repeating: 7, count: 100_000), to: file)
      #expect(throws: BundlesError.usage("\(file): became shorter while it was read")) {
        try all(tar)
      }
    }
  }

  @Test func aBundleIsBoundedWithAClearError() throws {
    try withFolder { folder in
      var random = SeededGenerator(seed: 5)
      let file = folder + "/tree/noise"
      try write(random.bytes(300_000), to: file)
      let whole = try FolderBundle.make(folder + "/tree")
      #expect(try FolderBundle.make(folder + "/tree", limit: whole.count) == whole)
      // What the sandbox's own reader makes of it is what went in.
      var sizes: [UInt64] = []
      var reader = BundleReader(limits: BundleLimits(entries: 10, bytes: 1 << 20))
      let unzstd = Unzstd(ratio: 100)
      try unzstd.feed(whole) { bytes throws(BundleError) in
        try reader.feed(bytes) { (item, _) throws(BundleError) in
          if case .file(_, _, let size) = item { sizes.append(size) }
        }
      }
      try unzstd.finish()
      try reader.finish()
      #expect(sizes == [300_000])
      let path = folder + "/tree"
      #expect(
        throws: BundlesError.usage(
          "\(path): larger than 299999 bytes as a bundle, the limit for a task")
      ) { try FolderBundle.make(path, limit: 299_999) }
      try write(whole, to: folder + "/made")
      #expect(
        throws: BundlesError.usage(
          "\(folder)/made: larger than 1000 bytes as a bundle, the limit for a task")
      ) { try FolderBundle.read(folder + "/made", limit: 1000) }
    }
  }
}
