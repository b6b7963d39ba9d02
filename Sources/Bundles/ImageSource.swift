import Bytes
import Crypto
import Foundation
import Host
import Sandbox

/// The files of an image: an OCI layout's folder, or an archive unpacked to a temporary folder
/// until deinitialisation. Names in an image's documents cannot lead out of it.
final class ImageSource {
  private let folder: String
  private let isTemporary: Bool
  /// Links in an archive to names inside (old `docker save` stores one layer under two names so).
  private var links: [String: String] = [:]

  init(_ path: String, limits: ImageLimits) throws(ImageError) {
    if Files.isFolder(path) {
      folder = path
      isTemporary = false
      return
    }
    folder = FileManager.default.temporaryDirectory.path + "/zennet-image-\(UUID().uuidString)"
    isTemporary = true
    do throws(HostError) { try Files.makeFolder(folder) } catch { throw .host(error) }
    try unpack(path, limits)
  }

  deinit { if isTemporary { try? Files.removeTree(folder) } }

  private func unpack(_ path: String, _ limits: ImageLimits) throws(ImageError) {
    var reader = BundleReader(
      limits: BundleLimits(entries: limits.entries, bytes: limits.bytes), isLenient: true)
    var output: FileHandle?
    try ByteStream(path).run { (piece) throws(ImageError) in
      var items: [BundleItem] = []
      do throws(BundleError) {
        try reader.feed(piece) { (item, _) throws(BundleError) in items.append(item) }
      } catch {
        switch error {
        case .badChecksum(offset: 0), .badNumber: throw ImageError.notAnImage(path: path)
        default: break
        }
        throw ImageError.bundle(path: path, error)
      }
      for item in items {
        do { try self.write(item, &output) } catch {
          throw ImageError.malformed(path: path, problem: "cannot be unpacked: \(error)")
        }
      }
    }
    do throws(BundleError) { try reader.finish() } catch {
      throw .bundle(path: path, error)
    }
  }

  private func write(_ item: BundleItem, _ output: inout FileHandle?) throws {
    switch item {
    case .directory(let path, _):
      try Files.makeFolder(folder + "/" + String(decoding: path, as: UTF8.self))
    case .file(let path, _, _):
      let name = folder + "/" + String(decoding: path, as: UTF8.self)
      try Files.makeFolder(Files.parent(of: name))
      try Files.remove(name)
      if !FileManager.default.createFile(atPath: name, contents: nil) {
        throw HostError.notAFile(path: name)
      }
      output = try FileHandle(forWritingTo: URL(fileURLWithPath: name))
    case .data(let bytes): try output?.write(contentsOf: Data(bytes))
    case .fileEnded:
      try output?.close()
      output = nil
    case .symlink(let path, let target):
      let name = String(decoding: path, as: UTF8.self)
      let above = Files.parent(of: name)
      links[name] = ImageSource.clean(
        (above == "." ? "" : above + "/") + String(decoding: target, as: UTF8.self))
    case .hardlink(let path, let target):
      links[String(decoding: path, as: UTF8.self)] = String(decoding: target, as: UTF8.self)
    case .leftOut: break
    }
  }

  /// Removes `.` and `..`; nil if the path leads out.
  private static func clean(_ path: String) -> String? {
    if path.hasPrefix("/") { return nil }
    var parts: [Substring] = []
    for part in path.split(separator: "/") where part != "." {
      if part == ".." {
        if parts.popLast() == nil { return nil }
      } else {
        parts.append(part)
      }
    }
    return parts.isEmpty ? nil : parts.joined(separator: "/")
  }

  /// The local path of a file of the image; nil if it is missing.
  func find(_ name: String) throws(ImageError) -> String? {
    guard var clean = ImageSource.clean(name) else {
      throw .malformed(path: name, problem: "leads out of the image")
    }
    for _ in 0..<8 {
      guard let target = links[clean] else { break }
      clean = target
    }
    var place = folder
    for (index, part) in clean.split(separator: "/").enumerated() {
      place += "/" + part
      let isLast = index == clean.split(separator: "/").count - 1
      let kind: Files.Kind?
      do throws(HostError) { kind = try Files.status(place)?.kind } catch { throw .host(error) }
      switch kind {
      case nil: return nil
      case .folder where !isLast: break
      case .file where isLast: break
      default: throw .malformed(path: name, problem: "is not a file of the image")
      }
    }
    return place
  }

  /// A JSON document.
  func document<Value: Decodable>(
    _ type: Value.Type, _ name: String, digest: Bytes32? = nil
  ) throws(ImageError) -> Value {
    guard let path = try find(name) else { throw .malformed(path: name, problem: "is missing") }
    let bytes: [UInt8]
    do throws(HostError) {
      bytes = try Files.read(path, limit: ImageLimits.documentBytes)
    } catch { throw .host(error) }
    if let digest, Sha256.hash(bytes) != digest { throw .digest(path: name) }
    do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
      throw .malformed(path: name, problem: "is not a valid document of an image")
    }
  }

  // MARK: Digests

  /// Parses `sha256:` and 64 hexadecimal digits.
  static func digest(_ text: String) throws(ImageError) -> Bytes32 {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0] == "sha256", parts[1].utf8.count == 64,
      let bytes = Hex.decode(String(parts[1]))
    else {
      throw .malformed(path: "image", problem: "a digest that is not SHA-256")
    }
    return Bytes32(bytes)
  }

  static func blob(_ digest: Bytes32) -> String { "blobs/sha256/" + digest.hex }
}
