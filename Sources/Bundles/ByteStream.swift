import CZlib
import Crypto
import Foundation
import Host
import Sandbox

/// Reads an image's file from start to end; gzip and zstd are detected by their first bytes and
/// decompressed.
final class ByteStream {
  private let path: String
  private let file: FileHandle
  private var gunzip: Gunzip?
  private var unzstd: Unzstd?
  private var isFirst = true
  /// Hashes of the stored bytes and of the decompressed bytes.
  private(set) var storedHash = Sha256()
  private(set) var hash = Sha256()
  private(set) var storedBytes: UInt64 = 0

  init(_ path: String) throws(ImageError) {
    self.path = path
    guard let file = FileHandle(forReadingAtPath: path) else {
      throw .malformed(path: path, problem: "cannot be read")
    }
    self.file = file
  }

  /// Passes the decompressed bytes to `use`, in pieces.
  func run(_ use: (ArraySlice<UInt8>) throws(ImageError) -> Void) throws(ImageError) {
    while true {
      let read: Data?
      do { read = try file.read(upToCount: 262_144) } catch {
        throw .malformed(path: path, problem: "cannot be read")
      }
      guard let read, !read.isEmpty else { break }
      let bytes = Array(read)
      storedHash.update(bytes)
      storedBytes += UInt64(bytes.count)
      if isFirst {
        isFirst = false
        if bytes.starts(with: [0x1f, 0x8b]) { gunzip = Gunzip() }
        // A zstd frame, or a skippable frame.
        if bytes.starts(with: [0x28, 0xb5, 0x2f, 0xfd])
          || (bytes.count > 4 && bytes[0] & 0xf0 == 0x50
            && bytes[1...3].elementsEqual([0x2a, 0x4d, 0x18]))
        {
          unzstd = Unzstd(ratio: ImageLimits.ratio)
        }
      }
      try pass(bytes, use)
    }
    if let gunzip, !gunzip.isDone { throw .compression(path: path) }
    do throws(BundleError) { try unzstd?.finish() } catch { throw .compression(path: path) }
  }

  private func pass(
    _ bytes: [UInt8], _ use: (ArraySlice<UInt8>) throws(ImageError) -> Void
  ) throws(ImageError) {
    if let gunzip {
      try gunzip.feed(bytes, path: path) { (piece) throws(ImageError) in
        hash.update(Array(piece))
        try use(piece)
      }
    } else if let unzstd {
      var failure: ImageError?
      do throws(BundleError) {
        try unzstd.feed(bytes) { (piece) throws(BundleError) in
          if failure != nil { return }
          hash.update(Array(piece))
          do throws(ImageError) { try use(piece) } catch { failure = error }
        }
      } catch { throw .compression(path: path) }
      if let failure { throw failure }
    } else {
      hash.update(bytes)
      try use(bytes[...])
    }
  }
}

/// Decompresses gzip in a stream (RFC 1952; several members one after another), with bounded
/// memory.
private final class Gunzip {
  private var stream = z_stream()
  private var output = [UInt8](repeating: 0, count: 262_144)
  /// The last member is complete.
  private(set) var isDone = false

  init() { precondition(zennet_gunzip_init(&stream) == Z_OK, "zlib: out of memory") }
  deinit { inflateEnd(&stream) }

  func feed(
    _ bytes: [UInt8], path: String, _ use: (ArraySlice<UInt8>) throws(ImageError) -> Void
  ) throws(ImageError) {
    var position = 0
    while true {
      if isDone {
        if position == bytes.count { return }
        // Zeros after the end are padding; other bytes start another member.
        if bytes[position...].allSatisfy({ $0 == 0 }) { return }
        if inflateReset(&stream) != Z_OK { throw .compression(path: path) }
        isDone = false
      }
      let (code, taken, made) = step(bytes, position)
      position += taken
      if code == Z_STREAM_END {
        isDone = true
      } else if code != Z_OK && code != Z_BUF_ERROR {
        throw .compression(path: path)
      }
      if made > 0 { try use(output[0..<made]) }
      if !isDone && position == bytes.count && made < output.count { return }
    }
  }

  private func step(_ bytes: [UInt8], _ position: Int) -> (code: Int32, taken: Int, made: Int) {
    bytes.withUnsafeBufferPointer { from in
      output.withUnsafeMutableBufferPointer { into in
        stream.next_in = UnsafeMutablePointer(mutating: from.baseAddress.map { $0 + position })
        stream.avail_in = UInt32(from.count - position)
        stream.next_out = into.baseAddress
        stream.avail_out = UInt32(into.count)
        let code = inflate(&stream, Z_NO_FLUSH)
        return (
          code, from.count - position - Int(stream.avail_in), into.count - Int(stream.avail_out)
        )
      }
    }
  }
}
