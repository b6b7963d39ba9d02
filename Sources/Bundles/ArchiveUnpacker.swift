import Foundation
import Host
import Sandbox

/// Unpacks the archive of a task's results. The archive comes from an untrusted provider: only
/// regular files and folders are created, in a new folder, so that no link can lead out of it.
public enum ArchiveUnpacker {
  public static let maxEntries: UInt64 = 100_000

  /// Recreates `root`; returns what was left out.
  /// - Parameters:
  ///   - archive: path of a tar file.
  ///   - root: path of the target folder; its former content is removed.
  ///   - limitBytes: limit of all files' sizes together.
  public static func unpack(
    _ archive: String, to root: String, limitBytes: UInt64
  ) throws -> LeftOut {
    var leftOut = LeftOut()
    try Files.removeTree(root)
    try Files.makeFolder(root, mode: 0o755)
    let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: archive))
    defer { try? file.close() }
    var reader = BundleReader(
      limits: BundleLimits(entries: maxEntries, bytes: limitBytes), isLenient: true)
    var output: FileHandle?
    while let data = try file.read(upToCount: 65_536), !data.isEmpty {
      var items: [BundleItem] = []
      try reader.feed(Array(data)[...]) { item, _ throws(BundleError) in items.append(item) }
      for item in items {
        leftOut.add(item)
        try write(item, below: root, &output)
      }
    }
    try reader.finish()
    return leftOut
  }

  private static func write(
    _ item: BundleItem, below root: String, _ output: inout FileHandle?
  ) throws {
    switch item {
    case .directory(let path, _):
      try Files.makeFolder(root + "/" + LocalName.text(path), mode: 0o755)
    case .file(let path, let mode, _):
      let name = root + "/" + LocalName.text(path)
      try Files.makeFolder(Files.parent(of: name), mode: 0o755)
      try Files.remove(name)
      let made = FileManager.default.createFile(
        atPath: name, contents: nil,
        attributes: [.posixPermissions: mode & 0o111 == 0 ? 0o644 : 0o755])
      if !made { throw HostError.notAFile(path: name) }
      output = try FileHandle(forWritingTo: URL(fileURLWithPath: name))
    case .data(let bytes): try output?.write(contentsOf: Data(bytes))
    case .fileEnded:
      try output?.close()
      output = nil
    case .symlink, .hardlink, .leftOut: break
    }
  }
}
