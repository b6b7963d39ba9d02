import CHost

/// Processes that this one has made.
enum Child {
  /// Waits for a child that has been killed or is about to end.
  static func reap(_ pid: Int32) throws(SandboxError) {
    // Twenty seconds: on a machine that swaps or is far too busy even dying takes its time.
    for round in 0..<20_000 {
      var status: Int32 = 0
      // A negative answer: not our child any more, so there is nothing to wait for.
      if host_sandbox_reap(pid, &status) != 0 { return }
      if round == 0 && host_sandbox_wait_end(pid, 20_000) == 1 { continue }
      host_sandbox_sleep_us(round < 20 ? 10 : round < 500 ? 200 : 1000)
    }
    throw SandboxError.leftover("process \(pid)")
  }
}
