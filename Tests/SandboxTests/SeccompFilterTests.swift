import Testing

@testable import Sandbox

struct SeccompFilterTests {
  @Test func theProgramFitsTheKernel() throws {
    let program = try SeccompFilter.program()
    #expect(program.count % 8 == 0)
    #expect(program.count / 8 <= 4096 && program.count / 8 > 100)
    #expect(try SeccompFilter.program() == program)
  }

  @Test func dangerousCallsAreNotListed() {
    for name in [
      "bpf", "keyctl", "add_key", "request_key", "userfaultfd", "io_uring_setup", "perf_event_open",
      "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "mount", "umount2", "pivot_root",
      "chroot", "setns", "unshare", "init_module", "finit_module", "kexec_load", "reboot",
      "clock_settime", "settimeofday", "adjtimex", "swapon", "open_by_handle_at", "syslog",
      "fsopen", "move_mount", "open_tree", "fanotify_init", "pidfd_getfd", "quotactl", "acct",
    ] {
      #expect(!SystemCalls.allowed.contains(name))
    }
  }
}
