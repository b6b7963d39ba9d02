import Bytes
import CZstd

/// Writes a bundle: the same content always gives the same bytes (entries sorted by path, no times, no
/// owners).
public struct BundleWriter {
  private enum Content {
    case directory
    case file([UInt8])
    case source(Int, sizeBytes: UInt64)
    case symlink([UInt8])
  }
  private struct Entry {
    var path: [UInt8]
    var mode: UInt32
    var content: Content
  }

  private var entries: [Entry] = []

  public init() {}

  /// Adds a directory. Parents need not be added. A later entry of the same path replaces an earlier.
  public mutating func addDirectory(_ path: String, mode: UInt32 = 0o755) {
    entries.append(Entry(path: Array(path.utf8), mode: mode, content: .directory))
  }

  public mutating func addFile(_ path: String, _ bytes: [UInt8], mode: UInt32 = 0o644) {
    entries.append(Entry(path: Array(path.utf8), mode: mode, content: .file(bytes)))
  }

  /// A file whose bytes are put in later, where ``pieces()`` say.
  public mutating func addFile(
    _ path: String, sizeBytes: UInt64, source: Int, mode: UInt32 = 0o644
  ) {
    entries.append(
      Entry(
        path: Array(path.utf8), mode: mode, content: .source(source, sizeBytes: sizeBytes)))
  }

  /// `target` is relative to the link's own folder.
  public mutating func addSymlink(_ path: String, to target: String) {
    entries.append(
      Entry(path: Array(path.utf8), mode: 0o777, content: .symlink(Array(target.utf8))))
  }

  /// A part of an archive.
  public enum Piece: Equatable, Sendable {
    case bytes([UInt8])
    /// Exactly so many bytes of what was added under this number.
    case content(source: Int, sizeBytes: UInt64)
  }

  /// The archive, uncompressed. Paths that a bundle may not have are an error, here as in the sandbox.
  /// What was added without its bytes must not be among it.
  public func tar() throws(BundleError) -> [UInt8] {
    var all: [UInt8] = []
    for piece in try pieces() {
      guard case .bytes(let bytes) = piece else { preconditionFailure("a file without its bytes") }
      if all.isEmpty { all = bytes } else { all += bytes }
    }
    return all
  }

  /// The archive in order.
  public func pieces() throws(BundleError) -> [Piece] {
    var pieces: [Piece] = []
    var offset: UInt64 = 0
    let order = Order.of(entries.count) {
      entries[$0].path.lexicographicallyPrecedes(entries[$1].path)
    }
    var bytes: [UInt8] = []
    for (position, index) in order.enumerated() {
      let entry = entries[index]
      if position + 1 < order.count && entries[order[position + 1]].path.elementsEqual(entry.path) {
        continue
      }
      let path = try BundlePath.clean(entry.path, offset: offset + UInt64(bytes.count))
      if path.isEmpty { continue }
      switch entry.content {
      case .directory:
        TarWriter.header(&bytes, path: path, mode: entry.mode, type: UInt8(ascii: "5"))
      case .symlink(let target):
        try BundlePath.checkSymlink(
          path: path, target: target, offset: offset + UInt64(bytes.count))
        TarWriter.header(
          &bytes, path: path, link: target, mode: entry.mode, type: UInt8(ascii: "2"))
      case .file(let content):
        TarWriter.header(
          &bytes, path: path, mode: entry.mode, size: UInt64(content.count), type: UInt8(ascii: "0")
        )
        bytes.append(contentsOf: content)
        TarWriter.pad(&bytes, size: UInt64(content.count))
      case .source(let number, let sizeBytes):
        TarWriter.header(
          &bytes, path: path, mode: entry.mode, size: sizeBytes, type: UInt8(ascii: "0"))
        offset += UInt64(bytes.count) + sizeBytes
        pieces += [.bytes(bytes), .content(source: number, sizeBytes: sizeBytes)]
        bytes = []
        TarWriter.pad(&bytes, size: sizeBytes)
      }
    }
    TarWriter.end(&bytes)
    return pieces + [.bytes(bytes)]
  }

  /// The archive as `tar.zst`.
  public func finish(level: Int32 = 9) throws(BundleError) -> [UInt8] {
    BundleWriter.compress(try tar(), level: level)
  }

  /// One zstd frame with a checksum.
  public static func compress(_ bytes: [UInt8], level: Int32 = 9) -> [UInt8] {
    let context = ZSTD_createCCtx()
    defer { ZSTD_freeCCtx(context) }
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    // What the reader accepts: see ``Unzstd``.
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, min(Unzstd.windowLog, 20))
    var output = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
    let size = output.withUnsafeMutableBufferPointer { into in
      bytes.withUnsafeBufferPointer { from in
        ZSTD_compress2(context, into.baseAddress, into.count, from.baseAddress, from.count)
      }
    }
    // Only running out of memory can fail here, and that would have trapped before.
    precondition(ZSTD_isError(size) == 0)
    output.removeLast(output.count - size)
    return output
  }
}

/// The pieces of an archive, for ``BundleWriter`` and for collecting results.
public enum TarWriter {
  /// A header, preceded by a pax record where ustar has no room for the names or the size.
  public static func header(
    _ bytes: inout [UInt8], path: [UInt8], link: [UInt8] = [], mode: UInt32, size: UInt64 = 0,
    type: UInt8
  ) {
    var records: [UInt8] = []
    if path.count > 100 { record("path", path, &records) }
    if link.count > 100 { record("linkpath", link, &records) }
    if size >> 33 != 0 { record("size", Array("\(size)".utf8), &records) }
    if !records.isEmpty {
      bytes += TarHeader.encode(
        path: Array("pax".utf8), link: [], mode: 0o644, size: UInt64(records.count),
        type: UInt8(ascii: "x"))
      bytes += records
      pad(&bytes, size: UInt64(records.count))
    }
    bytes += TarHeader.encode(
      path: path, link: link, mode: mode, size: size >> 33 == 0 ? size : 0, type: type)
  }

  private static func record(_ key: String, _ value: [UInt8], _ records: inout [UInt8]) {
    let body = Array(" ".utf8) + Array(key.utf8) + Array("=".utf8) + value + [0x0a]
    // The length counts its own digits.
    var digits = 1
    while "\(body.count + digits)".utf8.count != digits { digits += 1 }
    records += Array("\(body.count + digits)".utf8) + body
  }

  public static func pad(_ bytes: inout [UInt8], size: UInt64) {
    let count = Int((512 - size % 512) % 512)
    bytes.append(contentsOf: repeatElement(0, count: count))
  }

  public static func end(_ bytes: inout [UInt8]) {
    bytes.append(contentsOf: repeatElement(0, count: 1024))
  }
}
