import CHost

/// The small parent process that tells what became of the program, and starts it again.
public enum Supervisor {
  /// Returns in a child process, which is the program from here on; the parent never returns. To be
  /// called first, while the process is small.
  ///
  /// - Parameters:
  ///   - restarts: attempts after a fault, in a row; 0 where the first is told and is the end.
  ///   - faultStatus: what the parent exits with after the last attempt.
  ///   - memoryStatus: the same where it was memory, see ``exitWithoutMemory(status:)``.
  public static func enter(restarts: UInt32, faultStatus: Int32, memoryStatus: Int32) {
    host_supervise(restarts, faultStatus, memoryStatus)
  }

  /// Where Swift is refused memory the program says so and exits with `status`; without this it traps.
  /// The static program only: the ordinary runtime has its own way to end.
  public static func exitWithoutMemory(status: Int32) { host_exit_without_memory(status) }
}
