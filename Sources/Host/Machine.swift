import CHost

/// What the kernel says of the machine and of this process.
public enum Machine {
  /// Processors that this process may use, 1 or more.
  public static var processors: UInt32 { host_processors() }

  /// Physical memory in MiB.
  public static var memoryMiB: UInt64 { host_memory_kib() / 1024 }

  /// The largest resident set of this process so far, in KiB.
  public static var peakResidentKiB: UInt64 { host_peak_resident_kib() }

  /// The kernel's name of the architecture of programs like this one, as `x86_64` or `armv7l`: an agent of
  /// 32 bits runs on a kernel of 64, too, and its jobs are like itself.
  public static var architecture: String { systemName().machine }

  /// The kernel's release, as `6.1.0-18-amd64`.
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
