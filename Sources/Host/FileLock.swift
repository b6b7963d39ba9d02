import CHost

/// A lock file, so that only one process at a time uses a data folder. Released when the last
/// reference is released, or when the process ends for any reason.
public final class FileLock {
  private let file: Descriptor

  /// A child of the former owner also holds the lock until it closes the inherited descriptor:
  /// flock(2).
  private static let patienceMs: UInt64 = 1000
  private static let lookMs: Int32 = 20

  /// Takes the lock at `path`; creates the file if missing. Throws ``HostError/locked(path:)`` if
  /// another process still holds it after a second.
  public init(_ path: String) throws(HostError) {
    file = try Files.open(path, HOST_OPEN_UPDATE, mode: 0o600)
    let endsMs = Clock.monotonicMs() + FileLock.patienceMs
    var result = host_lock(file.fd)
    while result == -Int32(HOST_EAGAIN) && Clock.monotonicMs() < endsMs {
      var none = host_watch(fd: -1, interest: 0, ready: 0)
      _ = host_poll(&none, 0, FileLock.lookMs)
      result = host_lock(file.fd)
    }
    if result == -Int32(HOST_EAGAIN) { throw .locked(path: path) }
    try HostError.check(result, "flock", path)
  }
}
