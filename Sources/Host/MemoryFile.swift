import CHost

/// Bytes in memory outside of the heap, appended at the end and read at any offset: a bundle for
/// tasks, or results to send. They are never written to a disk, and freed with the value.
public final class MemoryFile {
  private let descriptor: Descriptor
  public private(set) var sizeBytes: UInt64 = 0

  /// For reopening the file; closed with the value.
  public var fd: Int32 { descriptor.fd }

  public init() throws(HostError) {
    descriptor = Descriptor(
      owning: try HostError.check(host_memory_file(), "memfd_create", "memory"))
  }

  public func append(_ bytes: [UInt8]) throws(HostError) {
    var start = 0
    while start < bytes.count {
      let done = bytes.withUnsafeBufferPointer { buffer -> Int64 in
        guard let base = buffer.baseAddress else { return 0 }
        return host_write_at(
          descriptor.fd, base + start, UInt64(buffer.count - start), sizeBytes)
      }
      if done < 0 { throw .failed(errno: Int32(-done), operation: "write", subject: "memory") }
      start += Int(done)
      sizeBytes += UInt64(done)
    }
  }

  /// Up to `count` bytes from `offset` on; fewer only at the end.
  public func read(at offset: UInt64, count: Int) throws(HostError) -> [UInt8] {
    if offset >= sizeBytes || count <= 0 { return [] }
    let length = Int(min(UInt64(count), sizeBytes - offset))
    var bytes = [UInt8](repeating: 0, count: length)
    var got = 0
    while got < length {
      let done = bytes.withUnsafeMutableBufferPointer { buffer -> Int64 in
        guard let base = buffer.baseAddress else { return 0 }
        return host_read_at(
          descriptor.fd, base + got, UInt64(length - got), offset + UInt64(got))
      }
      if done < 0 { throw .failed(errno: Int32(-done), operation: "read", subject: "memory") }
      if done == 0 { break }
      got += Int(done)
    }
    if got < length { bytes.removeLast(length - got) }
    return bytes
  }
}
