import Foundation
import Host
import Sandbox

/// A file or a folder as an uncompressed tar, read on demand: memory use does not grow with it. The
/// same files always give the same bytes.
public final class FolderTar {
  private var pieces: [BundleWriter.Piece] = []
  private var files: [String] = []
  private var index = 0
  private var open: FileHandle?
  private var leftBytes: UInt64 = 0
  private let isNamed: Bool
  /// Number of links in a copy that were left out because they lead out of it.
  public private(set) var skipped = 0

  /// The most bytes that ``next()`` returns.
  public static let pieceBytes = 65_536

  /// The content of a folder, or, if `isNamed`, the file or folder under its own name.
  public init(_ path: String, isNamed: Bool) throws(BundlesError) {
    var writer = BundleWriter()
    self.isNamed = isNamed
    do throws(HostError) {
      if isNamed { try addNamed(path, &writer) } else { try add(path, "", &writer) }
    } catch { throw .host(error) }
    do throws(BundleError) { pieces = try writer.pieces() } catch {
      throw .bundle(path: path, error)
    }
  }

  deinit { try? open?.close() }

  /// The next part of the archive; nil at its end. Throws if a file became shorter meanwhile.
  public func next() throws(BundlesError) -> [UInt8]? {
    while index < pieces.count {
      switch pieces[index] {
      case .bytes(let bytes):
        index += 1
        return bytes
      case .content(let number, let sizeBytes):
        let bytes = try content(files[number], sizeBytes)
        if !bytes.isEmpty { return bytes }
        index += 1
      }
    }
    return nil
  }

  private func content(_ path: String, _ sizeBytes: UInt64) throws(BundlesError) -> [UInt8] {
    do {
      if open == nil {
        open = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        leftBytes = sizeBytes
      }
      let wanted = Int(min(leftBytes, UInt64(FolderTar.pieceBytes)))
      let bytes = wanted == 0 ? nil : try open?.read(upToCount: wanted)
      if let bytes, !bytes.isEmpty {
        leftBytes -= UInt64(bytes.count)
        return [UInt8](bytes)
      }
      try open?.close()
      open = nil
    } catch { throw .usage("\(path): cannot be read") }
    if leftBytes > 0 { throw .usage("\(path): became shorter while it was read") }
    return []
  }

  // MARK: Entries

  private func addNamed(_ path: String, _ writer: inout BundleWriter) throws(HostError) {
    let url = URL(fileURLWithPath: path).standardizedFileURL
    let name = url.lastPathComponent
    let real = url.resolvingSymlinksInPath().path
    guard let status = try Files.status(real) else {
      throw .failed(errno: 2, operation: "open", subject: path)
    }
    if status.kind == .folder {
      writer.addDirectory(name, mode: status.mode & 0o777)
      return try add(url.path, name + "/", &writer)
    }
    if status.kind != .file { throw .notAFile(path: path) }
    addFile(real, status, as: name, &writer)
  }

  private func add(
    _ folder: String, _ prefix: String, _ writer: inout BundleWriter
  ) throws(HostError) {
    for entry in try FolderEntries.list(folder) {
      let inside = prefix + entry.name
      switch entry.status.kind {
      case .folder:
        writer.addDirectory(inside, mode: entry.status.mode & 0o777)
        try add(entry.path, inside + "/", &writer)
      case .file: addFile(entry.path, entry.status, as: inside, &writer)
      case .link:
        if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: entry.path) {
          addLink(inside, to: target, &writer)
        }
      case .other: throw .notAFile(path: entry.path)
      }
    }
  }

  private func addLink(_ name: String, to target: String, _ writer: inout BundleWriter) {
    if !isNamed {
      // Same as `zennet bundle`: absolute targets start at the bundle's root.
      let inside = BundleFile.relative(Array(target.utf8), at: Array(name.utf8))
      return writer.addSymlink(name, to: String(decoding: inside, as: UTF8.self))
    }
    // Absolute targets of a copy cannot be resolved on the other side.
    do throws(BundleError) {
      try BundlePath.checkSymlink(path: Array(name.utf8), target: Array(target.utf8), offset: 0)
      writer.addSymlink(name, to: target)
    } catch { skipped += 1 }
  }

  private func addFile(
    _ path: String, _ status: Files.Status, as name: String, _ writer: inout BundleWriter
  ) {
    writer.addFile(
      name, sizeBytes: status.sizeBytes, source: files.count, mode: status.mode & 0o777)
    files.append(path)
  }
}
