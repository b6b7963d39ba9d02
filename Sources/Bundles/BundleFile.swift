import Bytes
import CZstd
import Crypto
import Foundation
import Host
import Sandbox

/// Writes a ``FileTree`` as a bundle: names sorted by their bytes, no times, no owners, so that the
/// same files always give the same bytes. The output is streamed; memory use does not grow with it.
final class BundleFile {
  private let file: FileHandle
  private let context: OpaquePointer?
  private var output = [UInt8](repeating: 0, count: 262_144)
  private var buffer: [UInt8] = []
  private var hash = Sha256()
  private(set) var sizeBytes: UInt64 = 0
  private(set) var entries: UInt64 = 0
  private var failure: ImageError?

  /// The largest window that the agent's decoder accepts: 1 MiB.
  private static let windowLog: Int32 = 20

  init(_ path: String, level: Int32, defaults: BundleDefaults) throws(ImageError) {
    guard FileManager.default.createFile(atPath: path, contents: nil),
      let file = FileHandle(forWritingAtPath: path)
    else { throw .malformed(path: path, problem: "cannot be written") }
    self.file = file
    context = ZSTD_createCCtx()
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, BundleFile.windowLog)
    emit(defaults.frame())
  }

  deinit { ZSTD_freeCCtx(context) }

  /// Writes the whole bundle; returns its digest.
  func write(_ layers: LayerReader) throws(ImageError) -> Bytes32 {
    try add(layers.tree.root, path: [], layers)
    TarWriter.end(&buffer)
    flush(ends: true)
    if let failure { throw failure }
    do { try file.close() } catch {
      throw .malformed(path: "bundle", problem: "cannot be written")
    }
    return hash.finish()
  }

  private func add(
    _ folder: FileTree.Node, path: [UInt8], _ layers: LayerReader
  ) throws(ImageError) {
    let names = folder.children.keys.sorted { $0.lexicographicallyPrecedes($1) }
    for name in names {
      guard let node = folder.children[name] else { continue }
      let place = path.isEmpty ? name : path + [0x2f] + name
      if name.count > 255 || place.count > 4095 {
        throw .malformed(path: LayerReader.shown(place), problem: "its name is too long")
      }
      entries += 1
      switch node.kind {
      case .folder:
        TarWriter.header(&buffer, path: place, mode: node.mode, type: UInt8(ascii: "5"))
        try add(node, path: place, layers)
      case .link(let target):
        TarWriter.header(
          &buffer, path: place, link: BundleFile.relative(target, at: place), mode: 0o777,
          type: UInt8(ascii: "2"))
      case .file(let content):
        if let first = content.written {
          TarWriter.header(
            &buffer, path: place, link: first, mode: content.mode, type: UInt8(ascii: "1"))
        } else {
          content.written = place
          TarWriter.header(
            &buffer, path: place, mode: content.mode, size: content.size, type: UInt8(ascii: "0"))
          try layers.read(content) { bytes in
            self.buffer += bytes
            self.flush()
          }
          TarWriter.pad(&buffer, size: content.size)
        }
      }
      flush()
      if let failure { throw failure }
    }
  }

  /// The relative target of a link at `path`: absolute targets start at the bundle's root, and `..`
  /// at the root stays there.
  static func relative(_ target: [UInt8], at path: [UInt8]) -> [UInt8] {
    var up = path.split(separator: 0x2f).count - 1
    var parts: [[UInt8]] = []
    if target.first == 0x2f {
      parts = Array(repeating: [0x2e, 0x2e], count: up)
      up = 0
    }
    var depth = up
    for part in target.split(separator: 0x2f) {
      if part.elementsEqual([0x2e]) { continue }
      if part.elementsEqual([0x2e, 0x2e]) {
        if depth == 0 { continue }
        depth -= 1
      } else {
        depth += 1
      }
      parts.append(Array(part))
    }
    if parts.isEmpty { return [0x2e] }
    return Array(parts.joined(separator: [0x2f]))
  }

  // MARK: Compression

  private func flush(ends: Bool = false) {
    if !ends && buffer.count < 1 << 20 { return }
    var position = 0
    while failure == nil {
      let (left, made, taken) = compress(from: position, ends: ends)
      position += taken
      if ZSTD_isError(left) != 0 {
        failure = .compression(path: "bundle")
      } else {
        emit(Array(output[0..<made]))
        if position == buffer.count && (ends ? left == 0 : made < output.count) { break }
      }
    }
    buffer.removeAll(keepingCapacity: true)
  }

  private func compress(from position: Int, ends: Bool) -> (left: Int, made: Int, taken: Int) {
    buffer.withUnsafeBufferPointer { from in
      output.withUnsafeMutableBufferPointer { into in
        var input = ZSTD_inBuffer(src: from.baseAddress, size: from.count, pos: position)
        var made = ZSTD_outBuffer(dst: into.baseAddress, size: into.count, pos: 0)
        let left = ZSTD_compressStream2(
          context, &made, &input, ends ? ZSTD_e_end : ZSTD_e_continue)
        return (left, made.pos, input.pos - position)
      }
    }
  }

  private func emit(_ bytes: [UInt8]) {
    if bytes.isEmpty { return }
    hash.update(bytes)
    sizeBytes += UInt64(bytes.count)
    do { try file.write(contentsOf: Data(bytes)) } catch {
      failure = .malformed(path: "bundle", problem: "cannot be written")
    }
  }
}
