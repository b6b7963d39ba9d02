import CHost

/// The kernel's information about the host and this process.
public enum Machine {
  /// Processors that this process may use, at least 1.
  public static var processors: UInt32 { host_processors() }

  /// Physical memory in MiB.
  public static var memoryMiB: UInt64 { host_memory_kib() / 1024 }

  /// The peak resident set of this process, in KiB.
  public static var peakResidentKiB: UInt64 { host_peak_resident_kib() }

  /// The kernel's name of the architecture of this program, for example `x86_64` or `armv7l`. A
  /// 32-bit agent may run on a 64-bit kernel; its tasks then are 32-bit, too.
  public static var architecture: String { systemName().machine }

  /// The kernel's release, for example `6.1.0-18-amd64`.
  public static var kernelRelease: String { systemName().release }

  private static func systemName() -> (machine: String, release: String) {
    var machine = [CChar](repeating: 0, count: 128)
    var release = [CChar](repeating: 0, count: 128)
    if host_system_name(&machine, &release, 128) < 0 { return ("unknown", "unknown") }
    return (String(terminated: machine), String(terminated: release))
  }

  /// The value of an environment variable, or nil.
  public static func environment(_ name: String) -> String? {
    guard let name = name.terminated, let value = host_environment(name) else { return nil }
    return String(cString: value)
  }

  public static var processId: Int32 { host_pid() }

  /// The real user id; 0 is root.
  public static var userId: UInt32 { host_user() }
}
