import Bytes
import Foundation
import Host
import Sandbox
import Testing

@testable import Bundles

/// Bundles from images that Python made, and from folders.
final class ImageBundleTests {
  private let folder: String

  init() throws {
    folder = FileManager.default.temporaryDirectory.path + "/zennet-images-\(UUID())"
    try Files.makeFolder(folder)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
    process.arguments = ["python3", script + "/make_images.py", folder]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  deinit { try? Files.removeTree(folder) }

  private func amd64() -> ImageBundle {
    var bundle = ImageBundle()
    bundle.platform = ImagePlatform(text: "x86_64")!
    return bundle
  }

  /// What is in a bundle, by name: content of files, `-> target` of links, `= name` of hard links.
  private func contents(_ path: String) throws -> [String: String] {
    var found: [String: String] = [:]
    var reader = BundleReader(limits: BundleLimits(entries: 1000, bytes: 1 << 30))
    var name = ""
    let unzstd = Unzstd(ratio: 1000)
    let bytes = try Files.read(path, limit: 1 << 30)
    try unzstd.feed(bytes) { (piece) throws(BundleError) in
      try reader.feed(piece) { (item, _) throws(BundleError) in
        switch item {
        case .directory(let path, let mode):
          found[text(path)] = "folder \(String(mode, radix: 8))"
        case .file(let path, let mode, _):
          name = text(path)
          found[name] = mode & 0o100 == 0 ? "" : "x "
        case .data(let bytes):
          found[name]! += bytes.count > 100 ? "+\(bytes.count % 7)" : text(bytes)
        case .fileEnded: break
        case .symlink(let path, let target): found[text(path)] = "-> " + text(target)
        case .hardlink(let path, let target): found[text(path)] = "= " + text(target)
        case .leftOut(let path): found[text(path)] = "left out"
        }
      }
    }
    try unzstd.finish()
    try reader.finish()
    return found
  }

  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  @Test func layersWhiteoutsAndLinksOfALayout() throws {
    let made = try amd64().make(of: folder + "/layout", to: folder + "/a.tar.zst")
    var found = try contents(folder + "/a.tar.zst")
    #expect(found.removeValue(forKey: "usr/lib/big")?.isEmpty == false)
    #expect(
      found == [
        "bin": "folder 755", "bin/alias": "x tool", "bin/late": "= bin/alias",
        "bin/link": "-> ../bin/tool", "bin/tool": "= bin/alias", "data": "folder 755",
        "data/again": "again", "data/stays": "stays", "opaque": "folder 755", "opaque/new": "new",
        "opaque/sub": "folder 755", "opaque/sub/new": "new", "lib64": "-> usr/lib",
        "usr": "folder 755", "usr/lib": "folder 755", "outside": "-> etc/passwd",
        "file-then-folder": "folder 755", "file-then-folder/inside": "y", "folder-then-file": "y",
        "way": "-> up", "up": "folder 755", "up/file": "up",
      ])
    #expect(made.platform?.text == "linux/amd64" && made.entries == 23)
    #expect(made.defaults.arguments == ["/bin/tool", "one", "two"])
    #expect(made.defaults.environment == ["PATH=/bin", "COLOUR=red"])
    #expect(made.defaults.workdir == "/data" && made.defaults.processor == "x86_64")
    let bytes = try Files.read(folder + "/a.tar.zst", limit: 1 << 30)
    #expect(BundleDefaults(bundle: bytes) == made.defaults)
    // The same from an archive of it, byte for byte.
    let again = try amd64().make(of: folder + "/layout.tar.gz", to: folder + "/b.tar.zst")
    #expect(again.digest == made.digest)
    // And zstd itself understands it.
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["zstd", "-q", "-t", folder + "/a.tar.zst"]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  @Test func theRightPlatformIsChosen() throws {
    var bundle = ImageBundle()
    bundle.platform = ImagePlatform(text: "linux/arm/v7")!
    let best = try bundle.make(of: folder + "/layout", to: folder + "/c.tar.zst")
    #expect(best.platform?.text == "linux/arm/v7")
    #expect(try contents(folder + "/c.tar.zst")["v7"] == "")
    bundle.platform = ImagePlatform(text: "armv6")!
    let older = try bundle.make(of: folder + "/layout", to: folder + "/c.tar.zst")
    #expect(older.platform?.text == "linux/arm/v6" && older.defaults.processor == "armv6")
    #expect(throws: ImageError.self) {
      try self.amd64().make(of: self.folder + "/arm-only", to: self.folder + "/d.tar.zst")
    }
    do {
      _ = try amd64().make(of: folder + "/arm-only", to: folder + "/d.tar.zst")
    } catch {
      #expect(error == .noPlatform(wanted: "linux/amd64", has: ["linux/arm/v7", "linux/riscv64"]))
    }
    #expect(!Files.exists(folder + "/d.tar.zst") && !Files.exists(folder + "/d.tar.zst.new"))
  }

  @Test func archivesOfDockerSaveAndSeveralNames() throws {
    _ = try amd64().make(of: folder + "/old.tar", to: folder + "/e.tar.zst")
    #expect(try contents(folder + "/e.tar.zst")["bin/alias"] == "x tool")
    #expect(throws: ImageError.noReference(wanted: "", has: ["a", "b"])) {
      try self.amd64().make(of: self.folder + "/named", to: self.folder + "/f.tar.zst")
    }
    var bundle = amd64()
    bundle.reference = "b"
    _ = try bundle.make(of: folder + "/named", to: folder + "/f.tar.zst")
    #expect(try contents(folder + "/f.tar.zst") == ["b": ""])
    bundle.reference = "c"
    #expect(throws: ImageError.noReference(wanted: "c", has: ["a", "b"])) {
      try bundle.make(of: self.folder + "/named", to: self.folder + "/f.tar.zst")
    }
  }

  @Test(arguments: [
    "bad-layer", "bad-config", "no-blob", "escape", "link-blob", "parent", "absolute", "no-target",
    "circle", "bad-whiteout",
  ])
  func brokenAndHostileImagesAreRefused(name: String) throws {
    #expect(throws: ImageError.self) {
      try self.amd64().make(of: self.folder + "/" + name, to: self.folder + "/g.tar.zst")
    }
    #expect(!Files.exists(folder + "/g.tar.zst"))
  }

  @Test func bombsAreBounded() throws {
    var bundle = amd64()
    bundle.limits.bytes = 100 << 20
    #expect(throws: ImageError.tooLarge(limit: 100 << 20)) {
      try bundle.make(of: self.folder + "/bomb", to: self.folder + "/h.tar.zst")
    }
    bundle.limits = ImageLimits()
    bundle.limits.entries = 5
    #expect(throws: ImageError.tooLarge(limit: ImageLimits().bytes)) {
      try bundle.make(of: self.folder + "/layout", to: self.folder + "/h.tar.zst")
    }
    try Files.writeAtomically(folder + "/noise.tar", [UInt8](repeating: 0x31, count: 5000))
    #expect(throws: ImageError.notAnImage(path: folder + "/noise.tar")) {
      try self.amd64().make(of: self.folder + "/noise.tar", to: self.folder + "/h.tar.zst")
    }
  }

  @Test func aFolderGivesTheSameBytesAgain() throws {
    let source = folder + "/source"
    try Files.makeFolder(source + "/b/c", mode: 0o755)
    try Files.writeAtomically(source + "/b/c/file", Array("text".utf8), mode: 0o644)
    try Files.writeAtomically(source + "/a", Array("first".utf8), mode: 0o755)
    try FileManager.default.createSymbolicLink(
      atPath: source + "/b/link", withDestinationPath: "/a")
    let first = try ImageBundle().make(of: source, to: folder + "/i.tar.zst")
    try Files.removeTree(source + "/a")
    try Files.writeAtomically(source + "/a", Array("first".utf8), mode: 0o755)
    let second = try ImageBundle().make(of: source, to: folder + "/j.tar.zst")
    #expect(first.digest == second.digest && first.defaults.isEmpty)
    #expect(
      try contents(folder + "/i.tar.zst") == [
        "a": "x first", "b": "folder 755", "b/c": "folder 755", "b/c/file": "text",
        "b/link": "-> ../a",
      ])
  }
}
