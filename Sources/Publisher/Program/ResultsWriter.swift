import Foundation
import Host
import Sandbox

/// Results as they arrive, and their unpacking. They come from a machine that nobody trusts: only
/// regular files and folders are made, in a folder that is new, so no link can lead elsewhere.
struct ResultsWriter {
  /// Folder of the archives.
  let folder: String
  /// Where they are unpacked; nil leaves them as they are.
  let target: String?
  let limitBytes: UInt64

  static let maxEntries: UInt64 = 100_000

  func archive(_ worker: UInt16) -> String { folder + "/worker-\(worker).tar" }

  func append(worker: UInt16, offset: UInt64, _ bytes: [UInt8]) throws(HostError) {
    if offset == 0 { try Files.remove(archive(worker)) }
    try Files.append(archive(worker), bytes)
  }

  /// Puts the archive on the disk for good.
  func keep(worker: UInt16) throws {
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: archive(worker)))
    try file.synchronize()
    try file.close()
  }

  // MARK: Unpacking

  /// There while an archive could not be unpacked: it is tried again when the run is taken up.
  private func mark(_ worker: UInt16) -> String { folder + "/worker-\(worker).packed" }

  func isUnwritten(worker: UInt16) -> Bool { Files.exists(mark(worker)) }

  /// ``unpack(worker:)``, and on the disk whether it has to be done again.
  func write(worker: UInt16) throws -> LeftOut {
    do {
      let leftOut = try unpack(worker: worker)
      try Files.remove(mark(worker))
      return leftOut
    } catch {
      try? Files.writeAtomically(mark(worker), [])
      throw error
    }
  }

  /// Unpacks an archive; returns what was left out.
  func unpack(worker: UInt16) throws -> LeftOut {
    var leftOut = LeftOut()
    guard let target else { return leftOut }
    let root = target + "/worker-\(worker)"
    try Files.removeTree(root)
    try Files.makeFolder(root, mode: 0o755)
    let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: archive(worker)))
    defer { try? file.close() }
    var reader = BundleReader(
      limits: BundleLimits(entries: ResultsWriter.maxEntries, bytes: limitBytes),
      isLenient: true)
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

  private func write(
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
