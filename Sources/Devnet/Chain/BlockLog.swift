import Bytes
import Crypto
import Foundation

/// Every block that the node accepted, in order, in one append-only file.
///
/// libbitcoinkernel writes its databases only when it is closed: if the process were killed, every
/// block since its start would be lost, and light clients would see the chain shrink. So a block is
/// written here before it is announced, and is processed by the kernel again at the next start.
///
/// A record is: length (4 bytes, little-endian), the first four bytes of the block's double
/// SHA-256, the block. An incomplete record at the end is removed.
public final class BlockLog {
  private let path: String
  private let descriptor: Int32

  /// Opens or creates the file and returns the blocks in it.
  public static func open(
    path: String
  ) throws(DevnetError) -> (log: BlockLog, blocks: [[UInt8]]) {
    let descriptor = Foundation.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    if descriptor < 0 { throw DevnetError.file(path: path, operation: "open", code: errno) }
    let log = BlockLog(path: path, descriptor: descriptor)
    return (log, try log.load())
  }

  private init(path: String, descriptor: Int32) {
    self.path = path
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Writes one block. It survives a crash of this process at once, and of the host after
  /// ``sync()``.
  public func append(_ block: [UInt8]) throws(DevnetError) {
    var writer = ByteWriter(reserving: block.count + 8)
    writer.u32le(UInt32(block.count))
    writer.append(Array(Sha256.double(block).array[0..<4]))
    writer.append(block)
    try writeAll(writer.bytes)
  }

  /// Returns once everything is on disk.
  public func sync() throws(DevnetError) {
    if fdatasync(descriptor) != 0 { throw failure("fdatasync") }
  }

  private func load() throws(DevnetError) -> [[UInt8]] {
    var blocks: [[UInt8]] = []
    var good = 0
    let size = Int(lseek(descriptor, 0, SEEK_END))
    lseek(descriptor, 0, SEEK_SET)
    while good < size {
      guard let head = try read(8) else { break }
      let length = Int(head[0]) | Int(head[1]) << 8 | Int(head[2]) << 16 | Int(head[3]) << 24
      guard length <= size - good - 8, let block = try read(length) else { break }
      if Array(Sha256.double(block).array[0..<4]) != Array(head[4..<8]) { break }
      blocks.append(block)
      good += 8 + length
    }
    if good < size && ftruncate(descriptor, off_t(good)) != 0 { throw failure("ftruncate") }
    lseek(descriptor, off_t(good), SEEK_SET)
    return blocks
  }

  /// Exactly `count` bytes, or nil if the file ends before.
  private func read(_ count: Int) throws(DevnetError) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let got = bytes.withUnsafeMutableBytes {
        Foundation.read(descriptor, $0.baseAddress.map { $0 + done }, count - done)
      }
      if got < 0 && errno == EINTR { continue }
      if got < 0 { throw failure("read") }
      if got == 0 { return nil }
      done += got
    }
    return bytes
  }

  private func writeAll(_ bytes: [UInt8]) throws(DevnetError) {
    var done = 0
    while done < bytes.count {
      let got = bytes.withUnsafeBytes {
        Foundation.write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done)
      }
      if got < 0 && errno == EINTR { continue }
      if got < 0 { throw failure("write") }
      done += got
    }
  }

  private func failure(_ operation: String) -> DevnetError {
    DevnetError.file(path: path, operation: operation, code: errno)
  }
}
