import Bytes
import Crypto
import Foundation
import Host
import Sandbox

/// Applies an image's layers to a ``FileTree``, by the rules of the OCI image specification
/// (`layer.md`): `.wh.NAME` removes the lower layers' NAME, `.wh..wh..opq` all lower layers'
/// entries of the folder. Owners, times and device nodes are left out, because a bundle has none.
final class LayerReader {
  private static let whiteout = Array(".wh.".utf8)
  private static let opaque = Array(".wh..wh..opq".utf8)

  let tree = FileTree()
  private let limits: ImageLimits
  private let spool: FileHandle
  private var spoolBytes: UInt64 = 0
  private var leftBytes: UInt64
  private var leftEntries: UInt64
  private var layer = 0
  /// The current file.
  private var path: [UInt8] = []
  private var mode: UInt32 = 0
  private var start: UInt64 = 0
  /// Local files are read when the bundle is written, and need no spool.
  init(limits: ImageLimits) throws(ImageError) {
    self.limits = limits
    leftBytes = limits.bytes
    leftEntries = limits.entries
    let path = FileManager.default.temporaryDirectory.path + "/zennet-spool-\(UUID().uuidString)"
    let made = FileManager.default.createFile(
      atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
    guard made, let file = FileHandle(forUpdatingAtPath: path) else {
      throw .malformed(path: path, problem: "cannot be written")
    }
    // Unlinked, so that it is removed however this program ends.
    try? FileManager.default.removeItem(atPath: path)
    spool = file
  }

  /// Applies one layer; returns the SHA-256 of its tar and of the stored file.
  func apply(_ file: String, name: String) throws(ImageError) -> (diff: Bytes32, stored: Bytes32) {
    layer += 1
    let stream = try ByteStream(file)
    var reader = BundleReader(
      limits: BundleLimits(entries: leftEntries, bytes: leftBytes), isLenient: true)
    // A whiteout only removes names of lower layers; earlier names of the same layer are recognised
    // by their layer's number.
    try stream.run { (piece) throws(ImageError) in
      var items: [BundleItem] = []
      do throws(BundleError) {
        try reader.feed(piece) { (item, _) throws(BundleError) in items.append(item) }
      } catch { throw self.explain(error, name) }
      for item in items { try self.take(item, name) }
    }
    do throws(BundleError) { try reader.finish() } catch { throw explain(error, name) }
    var diff = stream.hash
    var stored = stream.storedHash
    return (diff.finish(), stored.finish())
  }

  private func explain(_ error: BundleError, _ name: String) -> ImageError {
    switch error {
    case .tooLarge, .tooManyEntries: return .tooLarge(limit: limits.bytes)
    default: return .bundle(path: name, error)
    }
  }

  private func take(_ item: BundleItem, _ name: String) throws(ImageError) {
    switch item {
    case .data(let bytes):
      do { try spool.write(contentsOf: Data(bytes)) } catch {
        throw .malformed(path: name, problem: "no room to unpack it")
      }
      spoolBytes += UInt64(bytes.count)
      return
    case .fileEnded:
      let size = spoolBytes - start
      leftBytes -= min(size, leftBytes)
      if isMark(path) { return }
      let content = FileTree.Content(.spool(offset: start), size: size, mode: mode)
      return try check(
        tree.put(path, .file(content), mode: mode, layer: layer), name, path)
    default: break
    }
    leftEntries -= min(1, leftEntries)
    switch item {
    case .directory(let path, let mode):
      try check(tree.putFolder(path, mode: mode & 0o777, layer: layer), name, path)
    case .file(let path, let mode, _):
      self.path = path
      self.mode = mode & 0o777
      start = spoolBytes
      try mark(path, name)
    case .symlink(let path, let target):
      if isMark(path) { return try mark(path, name) }
      try check(tree.put(path, .link(target), mode: 0o777, layer: layer), name, path)
    case .hardlink(let path, let target):
      if isMark(path) { return try mark(path, name) }
      try check(tree.putHardlink(path, to: target, layer: layer), name, path)
    case .data, .fileEnded, .leftOut: break
    }
  }

  private func check(_ done: Bool, _ name: String, _ path: [UInt8]) throws(ImageError) {
    if done { return }
    throw .malformed(
      path: name, problem: "its entry " + LayerReader.shown(path) + " cannot be resolved")
  }

  /// Makes an untrusted name safe for messages.
  static func shown(_ path: [UInt8]) -> String {
    String(decoding: TerminalText.line(String(decoding: path, as: UTF8.self)), as: UTF8.self)
  }

  private func isMark(_ path: [UInt8]) -> Bool {
    last(path).starts(with: LayerReader.whiteout)
  }

  private func last(_ path: [UInt8]) -> ArraySlice<UInt8> {
    path[((path.lastIndex(of: 0x2f) ?? -1) + 1)...]
  }

  private func mark(_ path: [UInt8], _ name: String) throws(ImageError) {
    if !isMark(path) { return }
    let last = last(path)
    let folder = Array(path.dropLast(last.count))
    if last.elementsEqual(LayerReader.opaque) {
      return tree.makeOpaque(folder, layer: layer)
    }
    // Other names with this prefix (.wh..wh.plnk) are metadata of AUFS.
    if last.dropFirst(4).starts(with: LayerReader.whiteout) { return }
    let victim = Array(last.dropFirst(4))
    if victim.isEmpty || victim.elementsEqual([0x2e]) || victim.elementsEqual([0x2e, 0x2e]) {
      throw .malformed(path: name, problem: "a whiteout without a name")
    }
    tree.whiteOut(folder + victim, layer: layer)
  }

  /// Reads the bytes of a file.
  func read(_ content: FileTree.Content, _ use: ([UInt8]) -> Void) throws(ImageError) {
    var left = content.size
    let file: FileHandle
    var name = "spool"
    switch content.place {
    case .spool(let offset):
      file = spool
      do { try file.seek(toOffset: offset) } catch {
        throw .malformed(path: name, problem: "cannot be read")
      }
    case .file(let path):
      name = path
      guard let opened = FileHandle(forReadingAtPath: path) else {
        throw .malformed(path: path, problem: "cannot be read")
      }
      file = opened
    }
    while left > 0 {
      guard let piece = try? file.read(upToCount: Int(min(left, 1 << 20))), !piece.isEmpty else {
        throw .malformed(path: name, problem: "changed while it was read")
      }
      left -= UInt64(piece.count)
      use(Array(piece))
    }
  }
}
