/// More of the hostile program: what would be felt by the owner, or by the sandbox's own process 1.
let hostileToOwner = #"""
  /* The machine's device, or the sandbox's: what else is in its folder is the sandbox's. */
  static int is_hosts(const char *path) {
    struct stat found, folder;
    return stat(path, &found) == 0 && stat("/dev", &folder) == 0 && found.st_dev != folder.st_dev;
  }
  static const char *const nodes[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
                                      "/dev/tty"};
  static int watched(int call) {
    for (int index = 0; index < 6; index++) {
      int made = call ? syscall(call) : inotify_init1(0);
      if (made < 0) return -1;
      if (is_hosts(nodes[index]) && inotify_add_watch(made, nodes[index], IN_ALL_EVENTS) >= 0) return 0;
      close(made);
    }
    errno = ENODEV;
    return -1;
  }
  static int locked(int command) {
    struct flock whole = {.l_type = F_RDLCK};
    int fd = open("/dev/null", O_RDWR);
    if (!is_hosts("/dev/null")) { errno = ENODEV; return -1; }
    return command < 0 ? flock(fd, LOCK_SH | LOCK_NB) : fcntl(fd, command, &whole);
  }
  /* Everything that a job can do to use of the devices, for as long as it is let. */
  static void watch_devices(void) {
    int made = 0;
    for (int index = 0; index < 3; index++) flock(open(nodes[index], O_RDONLY), LOCK_EX);
    for (int instance = 0; instance < 128; instance++) {
      int fd = inotify_init1(IN_NONBLOCK);
      for (int index = 0; fd >= 0 && index < 6; index++)
        made += inotify_add_watch(fd, nodes[index], IN_ALL_EVENTS) >= 0;
    }
    printf("%d\n", made);
    fflush(stdout);
    for (;;) pause();
  }
  /* Of process 1, and as they are: nothing changes if it is let. */
  static int limit_of(int pid) {
    struct rlimit limit;
    if (syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, 0, &limit) != 0) return -1;
    return syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, &limit, 0);
  }
  static int affinity_of(int pid) {
    cpu_set_t set;
    if (sched_getaffinity(pid, sizeof set, &set) != 0) return -1;
    return sched_setaffinity(pid, sizeof set, &set);
  }
  static int scheduler_of(int pid, int call) {
    struct sched_param priority = {0};
    uint64_t attributes[6] = {48};
    if (call == 0) return sched_setscheduler(pid, SCHED_OTHER, &priority);
    if (call == 1) return sched_setparam(pid, &priority);
    return syscall(SYS_sched_setattr, pid, attributes, 0);
  }
  static int own_filter(int call) {
    struct { unsigned short code; unsigned char yes, no; uint32_t value; } allow = {6, 0, 0, 0x7fff0000};
    struct { unsigned short count; void *filter; } program = {1, &allow};
    return call ? syscall(call, 1, 0, &program) : prctl(PR_SET_SECCOMP, 2, &program, 0, 0);
  }

  static void owners(void) {
    TRY("watch-device", watched(0));
  #ifdef SYS_inotify_init
    TRY("watch-device-by-number", watched(SYS_inotify_init));
  #endif
    TRY("lock-device", locked(-1));
    TRY("lock-device-record", locked(F_SETLK));
    TRY("lock-device-description", locked(37));
    TRY("limit-init", limit_of(1));
    TRY("limit-parent", limit_of(getppid()));
    TRY("affinity-init", affinity_of(1));
    TRY("scheduler-init", scheduler_of(1, 0));
    TRY("parameter-init", scheduler_of(1, 1));
    TRY("attributes-init", scheduler_of(1, 2));
    TRY("priority-init", setpriority(PRIO_PROCESS, 1, 0));
    TRY("own-filter", own_filter(0));
  #ifdef SYS_seccomp
    TRY("own-filter-by-number", own_filter(SYS_seccomp));
  #endif
    TRY("core-scheduling", prctl(62, 1, 0, 0, 0));
    int ends[2];
    TRY("pair-10", socketpair(10, SOCK_STREAM, 0, ends));
    TRY("pair-40", socketpair(40, SOCK_STREAM, 0, ends));
  #ifdef SYS_socketcall
    long family[4] = {16, SOCK_RAW, 0, (long)ends};
    NUMBER("socket-by-call", SYS_socketcall, 1, family);
    NUMBER("pair-by-call", SYS_socketcall, 8, family);
  #endif
    NUMBER("call-of-later", 4000);
  }
  """#
