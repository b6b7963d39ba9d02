import CHost

/// A lock file, so that one process at a time uses a data folder. It is given up when the last
/// reference goes or the process ends, however it ends.
public final class FileLock {
  private let file: Descriptor

  /// A child of its former owner has the lock too until it closes what it inherited: flock(2).
  private static let patienceMs: UInt64 = 1000
  private static let lookMs: Int32 = 20

  /// Takes the lock at `path`, which is made when missing. ``HostError/locked(path:)`` when another
  /// process still has it after a second.
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
