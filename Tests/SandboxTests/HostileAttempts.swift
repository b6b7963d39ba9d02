/// More of the hostile program: ways out by paths and descriptors, and what the machine has only once.
let hostileAttempts = #"""
  /* As if refused for this reason. */
  static int unless(int happened) {
    if (happened) return 0;
    errno = ENOENT;
    return -1;
  }
  static int linked(const char *target) {
    unlink("/tmp/link");
    if (symlink(target, "/tmp/link") != 0) return -1;
    return opened("/tmp/link", O_RDONLY);
  }
  /* Any process but this one that lets itself be looked into. */
  static int others(const char *what) {
    DIR *all = opendir("/proc");
    struct dirent *entry;
    int found = -1;
    while (all && (entry = readdir(all))) {
      char path[300];
      int pid = atoi(entry->d_name);
      if (pid <= 0 || pid == getpid() || (alone && pid == getppid())) continue;
      snprintf(path, sizeof path, "/proc/%d/%s", pid, what);
      if (opened(path, O_RDONLY) >= 0) found = 0;
    }
    if (all) closedir(all);
    return found;
  }
  static int fchdir_inherited(void) {
    struct stat here, root;
    int found = -1;
    stat("/", &root);
    for (int fd = 0; fd < 1024; fd++)
      if (fchdir(fd) == 0 && stat(".", &here) == 0 && here.st_dev != root.st_dev) found = 0;
    if (chdir("/") != 0) return 0;
    errno = ENOTDIR;
    return found;
  }
  static int walked(const char *folder, int depth) {
    DIR *all = opendir(folder);
    struct dirent *entry;
    struct stat found;
    int written = 0;
    while (all && (entry = readdir(all))) {
      char path[600];
      if (entry->d_name[0] == '.' || (depth == 0 && atoi(entry->d_name) > 0)) continue;
      snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
      if (lstat(path, &found) != 0) continue;
      if (S_ISDIR(found.st_mode) && depth < 8) written += walked(path, depth + 1);
      if (S_ISREG(found.st_mode) && opened(path, O_WRONLY | O_NONBLOCK) >= 0) {
        printf("writable%s DONE\n", path);
        written++;
      }
    }
    if (all) closedir(all);
    return written;
  }
  static int sent(int over, const int *given, int count) {
    char control[CMSG_SPACE(64 * sizeof *given)] = {0};
    struct iovec part = {"x", 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = CMSG_SPACE(count * sizeof *given)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof *given);
    memcpy(CMSG_DATA(header), given, count * sizeof *given);
    return sendmsg(over, &message, MSG_DONTWAIT);
  }
  static int passed(int over) {
    int given = 0;
    return sent(over, &given, 1);
  }
  static int loopback_down(void) {
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), done = ioctl(fd, SIOCSIFFLAGS, &request), code = errno;
    close(fd);
    errno = code;
    return done;
  }
  static int on_socket(unsigned long command) {
    char zero[64] = {0};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), done = ioctl(fd, command, zero), code = errno;
    close(fd);
    errno = code;
    return done;
  }
  static int on_terminal(unsigned long command, int value) {
    int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY), done = ioctl(fd, command, &value), code = errno;
    close(fd);
    errno = code;
    return done;
  }
  /* Into the terminal whose other end is one's own, too. */
  static int typed(unsigned long command) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
      int number = 0, master = (setsid(), open("/dev/ptmx", O_RDWR | O_NOCTTY));
      char path[40], letter = 'x';
      ioctl(master, TIOCSPTLCK, &number);
      ioctl(master, TIOCGPTN, &number);
      snprintf(path, sizeof path, "/dev/pts/%d", number);
      int slave = open(path, O_RDWR);
      ioctl(slave, TIOCSCTTY, 0);
      signal(SIGHUP, SIG_IGN);
      _exit(ioctl(slave, command, &letter) == 0 ? 0 : errno);
    }
    waitpid(pid, &status, 0);
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
    return errno == 0 ? 0 : -1;
  }
  static int core_limit(unsigned long wanted) {
    struct rlimit limit = {wanted, wanted};
    setrlimit(RLIMIT_CORE, &limit);
    syscall(SYS_prlimit64, 0, 0x100000000 | RLIMIT_CORE, &limit, 0);
    if (getrlimit(RLIMIT_CORE, &limit) != 0) return 0;
    return unless(limit.rlim_cur != 1 || limit.rlim_max != 1);
  }
  static int crashed(void) {
    pid_t pid = fork();
    if (pid == 0) abort();
    int status = 0;
    waitpid(pid, &status, 0);
    return unless(WCOREDUMP(status) || !WIFSIGNALED(status));
  }
  /* The same number as of another table of calls: getpid, which would be answered. */
  static int as_x32(void) {
    pid_t pid = fork();
    if (pid == 0) _exit(syscall(0x40000000 | SYS_getpid) > 0 ? 7 : 0);
    int status = 0;
    waitpid(pid, &status, 0);
    return unless(WIFEXITED(status) && WEXITSTATUS(status) == 7);
  }
  static int to_cgroup(const char *file) {
    char line[512], path[700];
    FILE *own = fopen("/proc/self/cgroup", "r");
    int done = -1;
    while (own && fgets(line, sizeof line, own)) {
      char *names = strchr(line, ':'), *place = names ? strchr(names + 1, ':') : 0;
      if (!place) continue;
      *place = 0;
      place[strcspn(place + 1, "\n") + 1] = 0;
      snprintf(path, sizeof path, "/sys/fs/cgroup/%s%s/%s", names + 1, place + 1, file);
      if (put(path, "0") >= 0) done = 0;
    }
    if (own) fclose(own);
    if (put("/sys/fs/cgroup/cgroup.procs", "0") >= 0) done = 0;
    return done;
  }
  static int granted(const char *name, const void *value, int size) {
    close(open("/tmp/granted", O_CREAT | O_WRONLY, 0755));
    return setxattr("/tmp/granted", name, value, size, 0);
  }

  static void ways_out(void) {
    TRY("fchdir-inherited", fchdir_inherited());
    TRY("symlink-up", linked("/../../../../../../etc/passwd"));
    TRY("symlink-init-root", linked("/proc/1/root"));
    TRY("own-root-up", opened("/proc/self/root/../../../etc/passwd", O_RDONLY));
    TRY("own-cwd-up", opened("/proc/self/cwd/../../../../etc/passwd", O_RDONLY));
    TRY("thread-root-up", opened("/proc/thread-self/root/../etc/passwd", O_RDONLY));
    for (int index = 0; index < 7; index++) {
      const char *what[] = {"root", "cwd", "exe", "fd", "mem", "ns/mnt", "map_files"};
      char name[40];
      snprintf(name, sizeof name, "others-%s", what[index]);
      TRY(name, others(what[index]));
    }
    TRY("proc-writable", unless(walked("/proc", 0) > 0));
    TRY("bundle-writable", opened("/bin/probe", O_WRONLY));
    for (int fd = 0; fd < 3; fd++) TRY("descriptor-out", passed(fd));
    TRY("file-capability",
        granted("security.capability", "\1\0\0\2\377\377\377\377\377\377\377\377\0\0\0\0\0\0\0\0", 20));
    TRY("trusted-attribute", granted("trusted.x", "x", 1));
    TRY("cgroup-tasks", to_cgroup("tasks"));
    TRY("cgroup-procs", to_cgroup("cgroup.procs"));
    TRY("release-agent", to_cgroup("release_agent"));
    TRY("memory-limit", to_cgroup("memory.limit_in_bytes"));
    TRY("mount-cgroup2", mount("x", "/tmp", "cgroup2", 0, ""));
    NUMBER("fsconfig", 431, 0, 0, 0, 0, 0);
    NUMBER("fsmount", 432, 0, 0, 0);
    NUMBER("fspick", 433, AT_FDCWD, "/", 0);
    NUMBER("statmount", 457, arguments_zero(), arguments_zero(), 8, 0);
    NUMBER("listmount", 458, arguments_zero(), arguments_zero(), 8, 0);
    NUMBER("process-vm-writev", SYS_process_vm_writev, 1, 0, 0, 0, 0, 0);
    NUMBER("init-descriptor", 438, syscall(434, 1, 0), 0, 0);
    NUMBER("process-madvise", 440, syscall(434, 1, 0), arguments_zero(), 1, 4, 0);
    TRY("memory-map", prctl(PR_SET_MM, PR_SET_MM_START_BRK, arguments_zero(), 0, 0));
  }
  static void machine(void) {
    char zero[256] = {0};
    int timex[64] = {0x4000};  // ADJ_TICK
    NUMBER("adjtimex", SYS_adjtimex, timex);
    NUMBER("clock-adjtime", SYS_clock_adjtime, 0, timex);
    NUMBER("swapoff", SYS_swapoff, "/tmp/x");
    NUMBER("io-setup", SYS_io_setup, 65536, zero);
    NUMBER("io-priority", SYS_ioprio_set, 1, 0, 2 << 13);
    NUMBER("memory-policy", SYS_set_mempolicy, 0, 0, 0);
    NUMBER("move-pages", SYS_move_pages, 0, 0, 0, 0, 0, 0);
    NUMBER("quotactl-fd", 443, 0, 0, 0, 0);
    NUMBER("secret-memory", 447, 0);
  #ifdef SYS_iopl
    NUMBER("ports", SYS_iopl, 3);
    NUMBER("port", SYS_ioperm, 0x80, 1, 1);
  #endif
  #ifdef SYS_modify_ldt
    NUMBER("segments", SYS_modify_ldt, 1, zero, 16);
  #endif
    TRY("huge-pages", mmap(0, 2 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0)
        == MAP_FAILED ? -1 : 0);
    NUMBER("huge-file", SYS_memfd_create, "x", 4);
    TRY("lock-memory", mlock(zeros_large, sizeof zeros_large));
    TRY("core-limit-raised", core_limit(1 << 20));
    TRY("core-limit-0", core_limit(0));
    TRY("core-dump", crashed());
  #ifdef __x86_64__
    TRY("x32-calls", as_x32());
  #endif
    TRY("loopback-down", loopback_down());
    TRY("load-bridge", on_socket(0x8940));
    TRY("load-vlan", on_socket(0x8982));
    TRY("load-line-discipline", on_terminal(0x5423, 21));
    TRY("type-into-terminal", typed(0x5412));
    TRY("console-selection", on_terminal(0x541c, 3));
    for (int index = 0; index < 8; index++) {
      const int kinds[][3] = {{2, 5, 132}, {2, 1, 132}, {2, 6, 33}, {2, 1, 262},
                              {2, 1, 256}, {2, 2, 115}, {2, 2, 136}, {10, 5, 0}};
      char name[40];
      snprintf(name, sizeof name, "load-protocol-%d", kinds[index][2]);
      TRY(name, socket(kinds[index][0], kinds[index][1], kinds[index][2]));
    }
    for (int index = 0; index < 8; index++) {
      const int families[] = {16, 21, 29, 30, 31, 41, 43, 44};
      char name[40];
      snprintf(name, sizeof name, "family-%d", families[index]);
      TRY(name, socket(families[index], SOCK_RAW, 0));
    }
    TRY("netlink-events", socket(AF_NETLINK, SOCK_DGRAM, 15));
  }
  static void devices(void) {
    for (int index = 0; index < 8; index++) {
      const char *names[] = {"console", "tty0", "fuse", "kvm", "net/tun", "vda", "loop-control", "rtc0"};
      char path[40], name[40];
      snprintf(path, sizeof path, "/dev/%s", names[index]);
      snprintf(name, sizeof name, "dev-%s", names[index]);
      TRY(name, opened(path, O_RDONLY));
    }
    TRY("dev-tty", opened("/dev/tty", O_RDWR));
    TRY("new-device", mknod("/dev/mem", S_IFCHR | 0666, makedev(1, 1)));
    TRY("remove-device", unlink("/dev/null"));
  }
  """#
