/// The allow list by purpose. What is left out on purpose: namespaces and mounts, keyrings, bpf, perf,
/// userfaultfd, io_uring, modules, kexec, clock setting, ptrace and access to other processes' memory,
/// open_by_handle_at, quotas, accounting, swap, reboot, system log, vhangup, NUMA placement, I/O ports;
/// a higher disk priority; what one program can use up for the whole machine (io_setup) or make it do
/// (sync); filters (seccomp). Some are in ``FilterExceptions``, as they are allowed only in part.
enum SystemCalls {
  static var allowed: [String] {
    var names: [String] = []
    for group in groups { names += Text.names(group) }
    return names
  }

  /// The highest call number that the filter knows; calls above it fail with ENOSYS. A test compares it with
  /// the newest installed kernel headers.
  static let newest: Int32 = 471

  /// Calls newer than some versions of libseccomp. From 424 on numbers are the same on every processor.
  private static let newerNames: StaticString = """
    close_range openat2 faccessat2 epoll_pwait2 landlock_create_ruleset landlock_add_rule
    landlock_restrict_self process_mrelease futex_waitv cachestat fchmodat2 map_shadow_stack
    futex_wake futex_wait futex_requeue mseal setxattrat getxattrat listxattrat removexattrat
    file_getattr file_setattr
    """
  private static let newerNumbers: [Int32] = [
    436, 437, 439, 441, 444, 445, 446, 448, 449, 451, 452, 453, 454, 455, 456, 462, 463, 464, 465,
    466, 468, 469,
  ]

  private static let newerCalls = Text.names(newerNames)

  /// The number of a call that libseccomp may not know, below -10,000 if this processor lacks the call; nil for
  /// other calls.
  static func newer(_ name: String) -> Int32? {
    if Text.same(name, "riscv_hwprobe") {
      #if arch(riscv64)
        return 258
      #else
        return -10_258
      #endif
    }
    return newerCalls.firstIndex { Text.same($0, name) }.map { newerNumbers[$0] }
  }

  /// The number of the call that has its arguments in registers. 32-bit x86 has two numbers for some calls, and
  /// libseccomp then returns a negative number for both.
  static func direct(_ name: String, _ number: (String) -> Int32) -> Int32 {
    #if arch(i386)
      if Text.same(name, "socket") { return 359 }
      if Text.same(name, "socketpair") { return 360 }
    #endif
    return number(name)
  }

  /// Whether ``FilterExceptions`` judges this allowed call if the sandbox has the host's device nodes.
  static func isPart(_ name: String) -> Bool {
    Text.names("inotify_init inotify_init1 flock fcntl fcntl64").contains { Text.same($0, name) }
  }

  /// Words in a text: an array of 400 texts would be 11 KB of code.
  private static var groups: [StaticString] {
    [
      // Files and directories.
      """
      access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3
      faccessat faccessat2 fadvise64 fadvise64_64 arm_fadvise64_64 fallocate fchdir fchmod fchmodat
      fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock
      fremovexattr fsetxattr getxattrat setxattrat listxattrat removexattrat file_getattr
      file_setattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat
      getcwd getdents getdents64 getxattr inotify_add_watch inotify_init inotify_init1
      inotify_rm_watch lchown lchown32 lgetxattr link linkat listxattr llistxattr _llseek
      lremovexattr lseek lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat newfstatat oldfstat
      oldlstat oldstat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read
      readahead readlink readlinkat readv removexattr rename renameat renameat2 rmdir sendfile
      sendfile64 setxattr splice stat stat64 statfs statfs64 statx symlink symlinkat
      sync_file_range sync_file_range2 arm_sync_file_range syncfs tee truncate truncate64 umask
      unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice write writev
      """,
      // Memory.
      """
      brk madvise membarrier mseal cachestat mincore mlock mlock2 mlockall mprotect mremap msync
      munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease
      remap_file_pages get_mempolicy
      """,
      // Processes and threads.
      """
      arch_prctl capget capset execve execveat exit exit_group fork futex futex_time64 futex_waitv
      futex_wait futex_wake futex_requeue get_robust_list get_thread_area getcpu getegid getegid32
      geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid
      getpriority getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid gettid
      getuid getuid32 ioprio_get kill pause pidfd_open pidfd_send_signal rseq
      sched_setaffinity sched_setattr sched_setparam sched_setscheduler setpriority
      sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
      sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_yield
      set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32
      setgid setgid32 setgroups setgroups32 setpgid setregid setregid32 setresgid setresgid32
      setresuid setresuid32 setreuid setreuid32 setsid setuid setuid32 tgkill tkill ugetrlimit
      vfork wait4 waitid waitpid landlock_create_ruleset landlock_add_rule landlock_restrict_self
      breakpoint cacheflush set_tls get_tls riscv_flush_icache riscv_hwprobe map_shadow_stack
      """,
      // Signals and waiting.
      """
      alarm epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
      epoll_wait_old eventfd eventfd2 getitimer poll ppoll ppoll_time64 pselect6 pselect6_time64
      restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
      rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo select _newselect
      setitimer sigaction sigaltstack signal signalfd signalfd4 sigpending sigprocmask sigreturn
      sigsuspend timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64
      timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64
      timerfd_settime timerfd_settime64
      """,
      // Time (reading only) and the machine.
      """
      clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
      clock_nanosleep_time64 getrandom gettimeofday nanosleep sysinfo time times uname
      """,
      // Between processes.
      """
      accept accept4 bind connect getpeername getsockname getsockopt listen mq_getsetattr mq_notify
      mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink
      msgctl msgget msgrcv msgsnd pipe pipe2 recv recvfrom recvmmsg recvmmsg_time64 recvmsg semctl
      semget semop semtimedop semtimedop_time64 send sendmmsg sendmsg sendto setsockopt shmat
      shmctl shmdt shmget shutdown ipc
      """,
    ]
  }
}
