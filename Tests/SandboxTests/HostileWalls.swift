/// More of the hostile program: what shows that one wall alone is missing, where what a stranger would try
/// first is in the way of another wall as well.
let hostileWalls = #"""
  /* Nothing lies over this part of /proc. */
  static int uncovered(const char *name) {
    struct stat found, all;
    char path[80];
    snprintf(path, sizeof path, "/proc/%s", name);
    if (stat("/proc", &all) != 0 || stat(path, &found) != 0) return -1;
    errno = EACCES;
    if (S_ISCHR(found.st_mode) && found.st_rdev == makedev(1, 3)) return -1;
    return found.st_dev == all.st_dev ? 0 : -1;
  }
  static long first_line(const char *path, char line[256]) {
    int fd = open(path, O_RDONLY);
    long size = fd < 0 ? -1 : read(fd, line, 255);
    if (fd >= 0) close(fd);
    line[size < 0 ? 0 : size] = 0;
    return size;
  }
  /* Twice the same: something to know this machine by. */
  static int same_twice(const char *path) {
    char one[256], other[256];
    return unless(first_line(path, one) > 0 && first_line(path, other) > 0 && !strcmp(one, other));
  }
  static int is_name(const char *name) {
    char own[256] = {0};
    gethostname(own, sizeof own - 1);
    return unless(strcmp(own, name) == 0);
  }
  static int in_domain(void) {
    char own[256] = {0};
    return unless(getdomainname(own, sizeof own - 1) == 0 && strcmp(own, "(none)") != 0);
  }
  /* A minute after the machine's start, or later: process 1 began when its clock did. */
  static int began_late(void) {
    char line[256];
    if (first_line("/proc/1/stat", line) <= 0) return -1;
    char *at = strrchr(line, ')');
    for (int count = 2; at && count < 22; count++) at = strchr(at + 1, ' ');
    return unless(at && atoll(at) > 60 * sysconf(_SC_CLK_TCK));
  }
  static int score(void) {
    char line[256];
    return unless(first_line("/proc/self/oom_score_adj", line) > 0 && atoi(line) < 1000);
  }
  static int named_cgroup(void) {
    char line[512];
    FILE *own = fopen("/proc/self/cgroup", "r");
    int found = 0;
    while (own && fgets(line, sizeof line, own)) {
      char *names = strchr(line, ':'), *place = names ? strchr(names + 1, ':') : 0;
      if (place && strcmp(place, ":/\n") != 0) found = 1;
    }
    if (own) fclose(own);
    return unless(found);
  }
  static int settings(void) {
    struct statvfs found;
    return unless(statvfs("/proc/sys", &found) == 0 && !(found.f_flag & ST_RDONLY));
  }
  static int message_queue(void) {
    struct mq_attr attributes = {0, 10, 8192};
    int made = mq_open("/large", O_CREAT | O_RDWR, 0600, &attributes);
    if (made >= 0) mq_unlink("/large");
    return made;
  }
  static int queued_signals(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, 0);
    for (int index = 0; index < 1100; index++)
      if (sigqueue(getpid(), SIGRTMIN, (union sigval){0}) != 0) return -1;
    return 0;
  }
  static int many_descriptors(void) {
    for (int index = 0; index < 4200; index++) if (dup(1) < 0) return -1;
    return 0;
  }
  static int many_processes(void) {
    int made[40], count = 0, code;
    while (count < 40 && (made[count] = fork()) >= 0) {
      if (made[count] == 0) for (;;) pause();
      count++;
    }
    code = errno;
    for (int index = 0; index < count; index++) kill(made[index], SIGKILL);
    for (int index = 0; index < count; index++) waitpid(made[index], 0, 0);
    errno = code;
    return count == 40 ? 0 : -1;
  }
  static int many_files(void) {
    char path[40];
    for (int index = 0; index < 700; index++) {
      snprintf(path, sizeof path, "/work/%d", index);
      int fd = open(path, O_CREAT | O_WRONLY, 0600);
      if (fd < 0) return -1;
      close(fd);
    }
    return 0;
  }
  static int large_file(void) {
    goal = 20 << 20;
    return unless(file() >= goal);
  }
  static int much_memory(void) {
    goal = 80 << 20;
    return unless(anonymous() >= goal);
  }
  /* More than half of the machine's table of files, as these tests say it is. */
  static int half_of_files(unsigned long (*take)(void)) {
    setpgid(0, 0);
    goal = 4096 << 10;
    unsigned long got = take();
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    while (wait(0) > 0) ;
    return unless(got >= goal);
  }
  static int socket_memory(void) {
    goal = 24 << 20;
    return unless(stream_sockets() >= goal);
  }
  static long long now_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
  }
  /* So much, once, that the quota must have stopped it: who is stopped stands still for most of 100 ms. */
  static int much_processor(void) {
    for (int round = 0; round < 6; round++) {
      long long begin = now_us(CLOCK_PROCESS_CPUTIME_ID), last = now_us(CLOCK_MONOTONIC), now = last;
      while (now - last < 50000) {
        if (now_us(CLOCK_PROCESS_CPUTIME_ID) - begin > 60000) return 0;
        last = now;
        now = now_us(CLOCK_MONOTONIC);
      }
    }
    errno = EAGAIN;
    return -1;
  }
  static int names_serial(void) {
    char line[256];
    FILE *text = fopen("/proc/cpuinfo", "r");
    int found = 0;
    while (text && fgets(line, sizeof line, text)) found |= strncmp(line, "Serial", 6) == 0;
    if (text) fclose(text);
    return unless(found);
  }
  /* Every key that is pressed is one. */
  static int counts_interrupts(void) {
    char line[256];
    long long count = 0;
    FILE *text = fopen("/proc/stat", "r");
    while (text && fgets(line, sizeof line, text)) {
      if (strncmp(line, "intr ", 5) == 0) count += atoll(line + 5);
      if (strncmp(line, "cpu", 3) == 0 && strtok(line, " "))
        for (char *next; (next = strtok(0, " "));) count += atoll(next);
    }
    if (text) fclose(text);
    return unless(count > 0);
  }
  /* The limits are small in these: a process or two more than allowed harm nobody, walls or not. */
  static void limits(void) {
    TRY("many-processes", many_processes());
    TRY("many-files", many_files());
    TRY("large-file", large_file());
    TRY("much-memory", much_memory());
    TRY("many-descriptors", many_descriptors());
    TRY("queued-signals", queued_signals());
    TRY("open-files", half_of_files(open_files));
    TRY("files-in-flight", half_of_files(files_in_flight));
    TRY("socket-memory", socket_memory());
    TRY("much-processor", much_processor());
    TRY("uncovered-cpuinfo", uncovered("cpuinfo"));
  }
  static void walls(const char *machine) {
    char name[80];
    const char *parts[] = {PARTS};
    for (unsigned index = 0; index < sizeof parts / sizeof *parts; index++) {
      snprintf(name, sizeof name, "uncovered-%s", parts[index]);
      TRY(name, uncovered(parts[index]));
    }
    TRY("boot-id", same_twice("/proc/sys/kernel/random/boot_id"));
    TRY("machine-name", is_name(machine));
    TRY("machine-domain", in_domain());
    TRY("machine-clock", began_late());
    TRY("machine-segment", shmget(0x7a656e21, 0, 0));
    TRY("agent-key", syscall(SYS_request_key, "user", "zennet-agent", 0, 0));
    TRY("settings", settings());
    TRY("interrupt-counts", counts_interrupts());
    TRY("cgroup-names", named_cgroup());
    TRY("disk-priority", unless(syscall(SYS_ioprio_get, 1, 0) >> 13 != 3));
    TRY("oom-score", score());
    TRY("message-queue", message_queue());
    TRY("processor-serial", names_serial());
    TRY("new-in-root", mkdir("/new", 0700));
    TRY("new-in-dev", opened("/dev/new", O_CREAT | O_WRONLY));
  #ifdef SYS_setrlimit
    struct rlimit none = {0, 0};
    syscall(SYS_setrlimit, RLIMIT_CORE, &none);
    getrlimit(RLIMIT_CORE, &none);
    TRY("core-limit-by-number", unless(none.rlim_max != 1));
  #endif
    TRY("load-bridge-set", on_socket(0x8941));
    TRY("load-bridge-new", on_socket(0x89a0));
    TRY("load-bridge-end", on_socket(0x89a1));
    TRY("load-vlan-set", on_socket(0x8983));
  }
  """#

/// Of /proc, as `ProcFileSystem` covers them; kernels have only some.
let coveredParts: [String] = """
  kcore keys key-users kmsg kallsyms kpagecount kpageflags kpagecgroup latency_stats modules
  sched_debug slabinfo sysrq-trigger timer_list timer_stats vmallocinfo pagetypeinfo iomem ioports
  config.gz mtrr kpf cmdline diskstats interrupts locks partitions swaps schedstat
  mdstat softirqs mtd bootconfig
  driver acpi asound scsi tty pressure dynamic_debug bus fs irq device-tree
  """.split(whereSeparator: \.isWhitespace).map(String.init)
