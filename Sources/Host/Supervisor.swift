import CHost

/// The small parent process that reports how the program ended, and restarts it.
public enum Supervisor {
  /// Returns in a child process, which runs the program; the parent never returns. Call it first,
  /// while the process is small.
  ///
  /// - Parameters:
  ///   - restarts: most consecutive restarts after a fault; 0 to report the first fault and exit.
  ///   - faultStatus: the parent's exit status after the last attempt.
  ///   - memoryStatus: the same after a lack of memory, see ``exitWithoutMemory(status:)``.
  public static func enter(restarts: UInt32, faultStatus: Int32, memoryStatus: Int32) {
    host_supervise(restarts, faultStatus, memoryStatus)
  }

  /// When an allocation by Swift fails, the program reports it and exits with `status`; without
  /// this call it traps. Static program only: the ordinary runtime handles this itself.
  public static func exitWithoutMemory(status: Int32) { host_exit_without_memory(status) }
}
