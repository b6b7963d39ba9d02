import Foundation
import Host
import Sandbox

/// A folder as a bundle: the same files always give the same bytes.
public enum FolderBundle {
  public static func make(_ folder: String) throws(RunError) -> [UInt8] {
    var writer = BundleWriter()
    do throws(HostError) { try add(folder, "", &writer) } catch { throw .host(error) }
    do throws(BundleError) { return try writer.finish() } catch {
      throw .bundle(path: folder, error)
    }
  }

  /// A file or a folder as an uncompressed tar below its own name. Links that lead out of it are left
  /// out.
  public static func tar(of path: String) throws(RunError) -> [UInt8] {
    let url = URL(fileURLWithPath: path).standardizedFileURL
    let name = url.lastPathComponent
    var writer = BundleWriter()
    do throws(HostError) {
      guard let status = try Files.status(url.resolvingSymlinksInPath().path) else {
        throw .failed(errno: 2, operation: "open", subject: path)
      }
      if status.kind == .folder {
        writer.addDirectory(name, mode: status.mode & 0o777)
        try add(url.path, name + "/", &writer)
      } else {
        writer.addFile(name, try Files.read(path, limit: 1 << 30), mode: status.mode & 0o777)
      }
    } catch { throw .host(error) }
    do throws(BundleError) { return try writer.tar() } catch { throw .bundle(path: path, error) }
  }

  /// A bundle that was made before.
  public static func read(_ path: String) throws(RunError) -> [UInt8] {
    do throws(HostError) { return try Files.read(path, limit: 1 << 30) } catch {
      throw .host(error)
    }
  }

  private static func add(
    _ folder: String, _ prefix: String, _ writer: inout BundleWriter
  ) throws(HostError) {
    for name in try Files.list(folder) {
      let path = folder + "/" + name
      let inside = prefix + name
      guard let status = try Files.status(path) else { continue }
      switch status.kind {
      case .folder:
        writer.addDirectory(inside, mode: status.mode & 0o777)
        try add(path, inside + "/", &writer)
      case .file:
        writer.addFile(inside, try Files.read(path, limit: 1 << 30), mode: status.mode & 0o777)
      case .link:
        if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path) {
          writer.addSymlink(inside, to: target)
        }
      case .other: throw .notAFile(path: path)
      }
    }
  }
}
