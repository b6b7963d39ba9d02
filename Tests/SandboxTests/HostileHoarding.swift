/// More of the hostile program: takes as much memory as it can, of one kind, or as many of what the machine
/// has only so many of; says `KIND DONE` when it has what it was told to take.
let hostileHoarding = #"""
  static unsigned long goal;
  static char block[1 << 16];

  static unsigned long filled(int fd) {
    unsigned long all = 0;
    long done;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while ((done = write(fd, block, sizeof block)) > 0) all += done;
    return all;
  }
  static unsigned long written(int fd) {
    unsigned long all = 0;
    long done;
    while (all < goal && (done = write(fd, block, sizeof block)) > 0) all += done;
    return all;
  }
  static unsigned long touched(void *at) {
    if (at == MAP_FAILED) return 0;
    for (unsigned long index = 0; index < goal; index += 4096) ((volatile char *)at)[index] = 1;
    return goal;
  }
  static unsigned long anonymous(void) {
    return touched(mmap(0, goal, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  }
  static unsigned long shared(void) {
    return touched(mmap(0, goal, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  }
  static unsigned long file(void) { return written(open("/work/big", O_WRONLY | O_CREAT, 0600)); }
  static unsigned long shared_file(void) {
    return written(open("/dev/shm/big", O_WRONLY | O_CREAT, 0600));
  }
  static unsigned long memory_file(void) { return written(syscall(SYS_memfd_create, "x", 0)); }
  static unsigned long segment(void) {
    int id = shmget(IPC_PRIVATE, goal, 0600 | IPC_CREAT);
    return id < 0 ? 0 : touched(shmat(id, 0, 0));
  }
  static unsigned long messages(void) {
    unsigned long all = 0;
    struct { long type; char text[8000]; } message = {1, ""};
    int id;
    while (all < goal && (id = msgget(IPC_PRIVATE, 0600 | IPC_CREAT)) >= 0)
      while (msgsnd(id, &message, sizeof message.text, IPC_NOWAIT) == 0) all += sizeof message.text;
    return all;
  }
  static unsigned long pipes(void) {
    unsigned long all = 0;
    int ends[2];
    while (all < goal && pipe(ends) == 0) {
      fcntl(ends[0], F_SETPIPE_SZ, 1 << 20);
      all += filled(ends[1]);
    }
    return all;
  }
  static unsigned long local_sockets(void) {
    unsigned long all = 0;
    int ends[2];
    while (all < goal && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0)
      all += filled(ends[0]) + filled(ends[1]);
    return all;
  }
  static const int most = 1 << 30;
  static unsigned long stream_sockets(void) {
    unsigned long all = 0;
    struct sockaddr_in address = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (void *)&address, length) != 0 || listen(listener, 9) != 0) return 0;
    getsockname(listener, (void *)&address, &length);
    while (all < goal) {
      int one = socket(AF_INET, SOCK_STREAM, 0);
      fcntl(one, F_SETFL, O_NONBLOCK);
      if (connect(one, (void *)&address, length) != 0 && errno != EINPROGRESS) break;
      struct timeval wait = {1, 0};
      fd_set set;
      FD_ZERO(&set);
      if (listener >= FD_SETSIZE) break;
      FD_SET(listener, &set);
      int other = select(listener + 1, &set, 0, 0, &wait) == 1 ? accept(listener, 0, 0) : -1;
      if (other < 0) break;
      setsockopt(one, SOL_SOCKET, SO_SNDBUF, &most, sizeof most);
      setsockopt(other, SOL_SOCKET, SO_RCVBUF, &most, sizeof most);
      unsigned long more = filled(one) + filled(other);
      if (more == 0) break;
      all += more;
    }
    return all;
  }
  /* What waits there, as the kernel counts it: SO_MEMINFO. */
  static unsigned long waiting(int fd) {
    uint32_t counts[9] = {0};
    socklen_t length = sizeof counts;
    return getsockopt(fd, SOL_SOCKET, 55, counts, &length) == 0 ? counts[0] : 0;
  }
  static unsigned long datagram_sockets(void) {
    unsigned long all = 0;
    int from = socket(AF_INET, SOCK_DGRAM, 0);
    while (all < goal) {
      struct sockaddr_in address = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
      socklen_t length = sizeof address;
      int fd = socket(AF_INET, SOCK_DGRAM, 0);
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &most, sizeof most);
      if (fd < 0 || bind(fd, (void *)&address, length) != 0) break;
      getsockname(fd, (void *)&address, &length);
      for (int index = 0; index < 16; index++)
        sendto(from, block, 32000, MSG_DONTWAIT, (void *)&address, length);
      unsigned long more = waiting(fd);
      if (more == 0) break;
      all += more;
    }
    return all;
  }
  static unsigned long netlink_sockets(void) {
    unsigned long all = 0;
    while (all < goal) {
      struct { uint32_t size; uint16_t type, flags; uint32_t more[6]; } ask = {32, 18, 1, {1, 0, 0, 1}};
      int fd = socket(AF_NETLINK, SOCK_RAW, 0);
      if (fd < 0) break;
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &most, sizeof most);
      for (int index = 0; index < 400; index++) if (send(fd, &ask, 32, MSG_DONTWAIT) < 0) break;
      unsigned long more = waiting(fd);
      if (more == 0) break;
      all += more;
    }
    return all;
  }
  static unsigned long page_tables(void) {
    unsigned long all = 0, size = 1ul << 30;
    while (all < goal) {
      volatile char *at = mmap(0, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (at == MAP_FAILED) break;
      madvise((void *)at, size, MADV_NOHUGEPAGE);
      for (unsigned long index = 0; index < size; index += 2 << 20) {
        (void)at[index];
        all += 4096;
      }
    }
    return all;
  }
  /* Not bytes: a goal of one MiB is a thousand. */
  static unsigned long terminals(void) {
    unsigned long all = 0;
    while (all < goal && open("/dev/ptmx", O_RDWR | O_NOCTTY) >= 0) all += 1 << 10;
    return all;
  }
  static unsigned long requests(void) {
    unsigned long all = 0, context = 0;
    for (; all < goal && syscall(SYS_io_setup, 100, &context) == 0; context = 0) all += 100 << 10;
    return all;
  }

  /* No descriptor of anybody's, and open all the same. */
  static unsigned long mapped_files(void) {
    unsigned long all = 0;
    while (all < goal) {
      int fd = open("/bin/probe", O_RDONLY);
      void *at = fd < 0 ? MAP_FAILED : mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
      close(fd);
      if (at == MAP_FAILED) break;
      all += 1 << 10;
    }
    return all;
  }
  /* In as many processes as there may be. */
  static unsigned long open_files(void) {
    unsigned long all = 0, own;
    int ends[2];
    while (all < goal && pipe(ends) == 0) {
      pid_t pid = fork();
      if (pid == 0) {
        for (own = 0; all + own < goal && open("/bin/probe", O_RDONLY) >= 0; own += 1 << 10) ;
        write(ends[1], &own, sizeof own);
        for (;;) pause();
      }
      close(ends[1]);
      if (pid < 0 || read(ends[0], &own, sizeof own) != sizeof own) break;
      close(ends[0]);
      all += own;
    }
    return all;
  }
  /* Sent, closed, and received by nobody. */
  static unsigned long files_in_flight(void) {
    enum { EACH = 50 };
    unsigned long all = 0, before = 1;
    int ends[2], given[EACH];
    while (all < goal && all != before && socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0) {
      int done = 1;
      for (before = all; done && all < goal;) {
        for (int index = 0; index < EACH; index++) given[index] = open("/bin/probe", O_RDONLY);
        done = sent(ends[0], given, EACH) > 0;
        for (int index = 0; index < EACH; index++) close(given[index]);
        if (done) all += EACH << 10;
      }
    }
    return all;
  }

  static int spin(void *unused) { for (;;) ; }
  /* A process whose first thread has ended goes on in its others. */
  static void hide(void) {
    enum { SHARED = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM };
    static char stacks[30][4096];
    for (int index = 0; index < 30; index++) clone(spin, stacks[index] + 4096, SHARED, 0);
    printf("hidden\n");
    fflush(stdout);
    syscall(SYS_exit, 0);
  }
  /* Stopped, each by itself, and deaf to what asks kindly. */
  static void stand_still(void) {
    for (int number = 1; number < 32; number++) signal(number, SIG_IGN);
    for (int index = 0; index < 30; index++)
      if (fork() == 0) for (;;) kill(getpid(), SIGSTOP);
    printf("still\n");
    fflush(stdout);
    for (;;) kill(getpid(), SIGSTOP);
  }

  static int hold(const char *name, int mib, int keeps) {
    static const struct { const char *name; unsigned long (*take)(void); } kinds[] = {
  #define KIND(name) {#name, name}
      KIND(anonymous), KIND(shared), KIND(file), KIND(shared_file), KIND(memory_file), KIND(segment),
      KIND(messages), KIND(pipes), KIND(local_sockets), KIND(stream_sockets), KIND(datagram_sockets),
      KIND(netlink_sockets), KIND(page_tables), KIND(terminals), KIND(requests),
      KIND(mapped_files), KIND(open_files), KIND(files_in_flight)};
    goal = (unsigned long)mib << 20;
    for (unsigned index = 0; index < sizeof kinds / sizeof *kinds; index++) {
      if (strcmp(kinds[index].name, name) != 0) continue;
      unsigned long got = kinds[index].take();
      printf("%s %s %lu\n", name, got >= goal ? "DONE" : "stopped at", got);
      fflush(stdout);
      while (keeps) pause();
      return 0;
    }
    return 9;
  }
  """#
