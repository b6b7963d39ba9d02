import CHost

/// An open file descriptor; closed when the last reference is released.
public final class Descriptor {
  /// The descriptor's number, or -1 after ``close()`` or ``release()``.
  public private(set) var fd: Int32

  /// Takes over an open descriptor.
  public init(owning fd: Int32) { self.fd = fd }

  deinit { if fd >= 0 { _ = host_close(fd) } }

  public enum Read: Equatable {
    case bytes([UInt8])
    /// No data is available; only for a non-blocking descriptor.
    case wouldBlock
    /// End of file.
    case ended
  }

  public enum Write: Equatable {
    /// The number of bytes written, possibly fewer than given.
    case wrote(Int)
    case wouldBlock
  }

  public func close() {
    if fd >= 0 { _ = host_close(fd) }
    fd = -1
  }

  /// Returns the descriptor without closing it.
  public func release() -> Int32 {
    let given = fd
    fd = -1
    return given
  }

  public func setNonblocking(_ on: Bool) throws(HostError) {
    try HostError.check(host_set_nonblocking(fd, on ? 1 : 0), "fcntl", name)
  }

  /// At most `limit` bytes, from at most `calls` read(2).
  public func read(limit: Int, calls: UInt32 = 1) throws(HostError) -> Read {
    var bytes = [UInt8](repeating: 0, count: limit)
    let got = host_gather(fd, &bytes, UInt64(limit), calls)
    if got == -Int64(HOST_EAGAIN) { return .wouldBlock }
    if got < 0 { throw .failed(errno: Int32(-got), operation: "read", subject: name) }
    if got == 0 { return .ended }
    bytes.removeLast(limit - Int(got))
    return .bytes(bytes)
  }

  /// Writes `bytes` from `start` on, with one write(2).
  public func write(_ bytes: [UInt8], from start: Int = 0) throws(HostError) -> Write {
    let done = bytes.withUnsafeBufferPointer { buffer -> Int64 in
      guard let base = buffer.baseAddress, start < buffer.count else { return 0 }
      return host_write(fd, base + start, UInt64(buffer.count - start))
    }
    if done == -Int64(HOST_EAGAIN) { return .wouldBlock }
    if done < 0 { throw .failed(errno: Int32(-done), operation: "write", subject: name) }
    return .wrote(Int(done))
  }

  /// Writes all of `bytes`; waits if necessary, also for a non-blocking descriptor.
  public func writeAll(_ bytes: [UInt8]) throws(HostError) {
    var start = 0
    while start < bytes.count {
      switch try write(bytes, from: start) {
      case .wrote(let count): start += count
      case .wouldBlock:
        var watch = host_watch(fd: fd, interest: Int16(HOST_WRITABLE), ready: 0)
        _ = host_poll(&watch, 1, 1000)
      }
    }
  }

  /// A pipe, close-on-exec and blocking.
  public static func pipe() throws(HostError) -> (reading: Descriptor, writing: Descriptor) {
    var ends: [Int32] = [-1, -1]
    try HostError.check(host_pipe(&ends), "pipe", "pipe")
    return (Descriptor(owning: ends[0]), Descriptor(owning: ends[1]))
  }

  private var name: String { fd == 1 ? "standard output" : "descriptor \(fd)" }
}
