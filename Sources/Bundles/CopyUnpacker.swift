import Foundation
import Host
import Sandbox

/// An error with a one-line message.
public protocol CopyProblem: Error { var message: String { get } }
extension BundleError: CopyProblem {}
extension HostError: CopyProblem {}
extension BundlesError: CopyProblem {}

/// Unpacks files that a running task sends, while they arrive. The provider is not trusted: only
/// regular files and folders are created, and existing links are not followed.
public struct CopyUnpacker {
  /// An existing folder, or the name for the single copied item.
  private let root: String
  private let name: String?
  private var reader = BundleReader(
    limits: BundleLimits(entries: 1 << 20, bytes: 1 << 44), isLenient: true)
  private var output: FileHandle?
  public private(set) var leftOut = LeftOut()

  /// - Parameter source: the copied path. For `.`, `..` and `/` the content is copied, to a folder
  ///   that is created if missing.
  public init(target: String, source: String) throws(HostError) {
    let last = source.split(separator: "/").last ?? "."
    if last == "." || last == ".." { try Files.makeFolder(target, mode: 0o755) }
    if Files.isFolder(target) {
      root = target
      name = nil
    } else {
      root = Files.parent(of: target)
      name = URL(fileURLWithPath: target).lastPathComponent
      if !Files.isFolder(root) {
        throw .failed(errno: ENOTDIR, operation: "copy into", subject: root)
      }
    }
  }

  public mutating func feed(_ bytes: [UInt8]) throws {
    var items: [BundleItem] = []
    try reader.feed(bytes[...]) { item, _ throws(BundleError) in items.append(item) }
    for item in items { try write(item) }
  }

  public func finish() throws { try reader.finish() }

  private func place(_ path: [UInt8]) throws(HostError) -> String {
    var parts = path.split(separator: 0x2f).map { LocalName.text($0) }
    if let name, !parts.isEmpty { parts[0] = name }
    // Every folder on the path must be a real folder, not a link.
    var above = root
    for part in parts.dropLast() {
      above += "/" + part
      switch try Files.status(above)?.kind {
      case .folder: break
      case nil: try Files.makeFolder(above, mode: 0o755)
      default: throw .notAFile(path: above)
      }
    }
    return above + "/" + (parts.last ?? "")
  }

  private mutating func write(_ item: BundleItem) throws {
    switch item {
    case .directory(let path, _):
      let folder = try place(path)
      switch try Files.status(folder)?.kind {
      case .folder: break
      case nil: try Files.makeFolder(folder, mode: 0o755)
      default: throw HostError.notAFile(path: folder)
      }
    case .file(let path, let mode, _):
      let file = try place(path)
      if try Files.status(file)?.kind == .folder { throw HostError.notAFile(path: file) }
      try Files.remove(file)
      let made = FileManager.default.createFile(
        atPath: file, contents: nil,
        attributes: [.posixPermissions: mode & 0o111 == 0 ? 0o644 : 0o755])
      if !made { throw HostError.notAFile(path: file) }
      output = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
    case .data(let bytes): try output?.write(contentsOf: Data(bytes))
    case .fileEnded:
      try output?.close()
      output = nil
    case .symlink, .hardlink, .leftOut: leftOut.add(item)
    }
  }
}
