import CHost

/// An unnamed file for measurements; removed with the value or the process.
public final class ScratchFile {
  private let file: Descriptor

  /// Created in `folder` and unlinked at once.
  public init(in folder: String) throws(HostError) {
    let path = folder + "/.scratch-\(Machine.processId)-\(Entropy.u64())"
    file = try Files.open(path, HOST_OPEN_SCRATCH, mode: 0o600)
    try Files.remove(path)
  }

  /// Writes all of `bytes` at `offset`; false if that fails.
  public func write(at offset: UInt64, _ bytes: [UInt8]) -> Bool {
    var done = 0
    while done < bytes.count {
      let result = bytes.withUnsafeBufferPointer { buffer -> Int64 in
        guard let base = buffer.baseAddress else { return 0 }
        return host_write_at(
          file.fd, base + done, UInt64(buffer.count - done), offset + UInt64(done))
      }
      if result <= 0 { return false }
      done += Int(result)
    }
    return true
  }

  /// Exactly `count` bytes at `offset`; nil if that fails.
  public func read(at offset: UInt64, count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let result = bytes.withUnsafeMutableBufferPointer { buffer -> Int64 in
        guard let base = buffer.baseAddress else { return 0 }
        return host_read_at(file.fd, base + done, UInt64(count - done), offset + UInt64(done))
      }
      if result <= 0 { return nil }
      done += Int(result)
    }
    return bytes
  }

  /// Returns once the written bytes are on the disk.
  public func sync() -> Bool { host_sync_data(file.fd) == 0 }

  /// Asks the kernel to drop cached pages of this file that are on the disk.
  public func dropCache() { _ = host_drop_cache(file.fd) }
}
