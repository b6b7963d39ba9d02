import CHost

/// A lock file, so that one process at a time uses a data folder. It is given up when the last
/// reference goes or the process ends, however it ends.
public final class FileLock {
  private let file: Descriptor

  /// Takes the lock at `path`, which is made when missing. ``HostError/locked(path:)`` when another
  /// process has it.
  public init(_ path: String) throws(HostError) {
    file = try Files.open(path, HOST_OPEN_UPDATE, mode: 0o600)
    let result = host_lock(file.fd)
    if result == -Int32(HOST_EAGAIN) { throw .locked(path: path) }
    try HostError.check(result, "flock", path)
  }
}
