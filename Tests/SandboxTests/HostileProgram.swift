import Foundation

@testable import Sandbox

/// A job that attacks: it tries one thing after another and prints what the kernel answered. Compiled at
/// the first use; where there is no C compiler with a static C library, the tests that need it are skipped.
private let source = #"""
  #define _GNU_SOURCE
  #include <errno.h>
  #include <fcntl.h>
  #include <sched.h>
  #include <signal.h>
  #include <stdint.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <sys/ioctl.h>
  #include <sys/mount.h>
  #include <sys/prctl.h>
  #include <sys/ptrace.h>
  #include <sys/resource.h>
  #include <sys/socket.h>
  #include <sys/stat.h>
  #include <sys/swap.h>
  #include <sys/syscall.h>
  #include <sys/sysmacros.h>
  #include <sys/time.h>
  #include <sys/un.h>
  #include <sys/wait.h>
  #include <time.h>
  #include <unistd.h>
  #include <dirent.h>
  #include <net/if.h>
  #include <netinet/in.h>
  #include <sys/inotify.h>
  #include <sys/mman.h>
  #include <sys/msg.h>
  #include <sys/select.h>
  #include <sys/shm.h>
  #include <sys/file.h>
  #include <sys/uio.h>
  #include <sys/xattr.h>
  #include <mqueue.h>
  #include <sys/statvfs.h>

  static void say(const char *name, long result) {
    if (result >= 0) printf("%s DONE\n", name);
    else printf("%s refused %d\n", name, errno);
    fflush(stdout);
  }
  /* "walls": each attempt is a process of its own, so that none helps or hinders the next; all but those
     in a list that begins with "-", or those in the list. */
  static int alone;
  static char **listed;
  static int begun(const char *name) {
    if (!alone) return 1;
    int but = *listed && strcmp(*listed, "-") == 0, found = 0;
    for (char **one = listed + but; *one; one++) found |= strcmp(*one, name) == 0;
    if (found == but) return 0;
    pid_t pid = fork();
    if (pid == 0) return 1;
    int status = 0;
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status)) printf("%s refused %d\n", name, 1000 + WTERMSIG(status));
    fflush(stdout);
    return 0;
  }
  static void over(void) { if (alone) _exit(0); }
  #define TRY(name, call) \
    do { if (begun(name)) { errno = 0; say(name, (long)(call)); over(); } } while (0)
  #define NUMBER(name, nr, ...) TRY(name, syscall(nr, ##__VA_ARGS__))

  static int opened(const char *path, int flags) {
    int fd = open(path, flags);
    if (fd >= 0) close(fd);
    return fd;
  }
  static long put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    if (fd < 0) return -1;
    long done = write(fd, text, strlen(text));
    int code = errno;
    close(fd);
    errno = code;
    return done;
  }
  static int abstract(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path + 1, name, strlen(name));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return connect(fd, (struct sockaddr *)&address,
                   offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
  }
  static int masked(const char *path) {
    struct stat found;
    if (stat(path, &found) != 0) return -1;
    if (S_ISCHR(found.st_mode) && found.st_rdev == makedev(1, 3)) { errno = 0; return -1; }
    return opened(path, O_RDONLY);
  }
  static int names_a_folder(const char *path) {
    char bytes[4096];
    int fd = open(path, O_RDONLY);
    long size = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    if (fd >= 0) close(fd);
    if (size > 0 && memchr(bytes, '/', (size_t)size)) return 0;
    errno = ENOENT;
    return -1;
  }
  static long up(void) {
    int top = open("/", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 64; i++) if (chdir("..") != 0) return -1;
    struct stat here, root;
    if (stat(".", &here) != 0 || fstat(top, &root) != 0) return -1;
    if (here.st_ino == root.st_ino && here.st_dev == root.st_dev) { errno = 0; return -1; }
    return 0;
  }

  static void namespaces(void) {
    TRY("unshare-user", unshare(CLONE_NEWUSER));
    TRY("unshare-mount", unshare(CLONE_NEWNS));
    TRY("unshare-net", unshare(CLONE_NEWNET));
    NUMBER("clone-user", SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    uint64_t arguments[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    NUMBER("clone3-user", 435, arguments, sizeof arguments);
    TRY("setns", setns(open("/proc/1/ns/mnt", O_RDONLY), 0));
    TRY("own-namespace-file", setns(open("/proc/self/ns/user", O_RDONLY), CLONE_NEWUSER));
    TRY("uid-map", put("/proc/self/uid_map", "0 0 1"));
  }
  static void files(void) {
    TRY("parent-of-root", up());
    TRY("chroot", chroot("/tmp"));
    TRY("mount-tmpfs", mount("x", "/tmp", "tmpfs", 0, ""));
    TRY("mount-proc", mount("x", "/tmp", "proc", 0, ""));
    TRY("mount-cgroup", mount("x", "/tmp", "cgroup", 0, "memory"));
    TRY("remount-root", mount(0, "/", 0, MS_REMOUNT | MS_BIND, 0));
    TRY("umount-proc", umount2("/proc", MNT_DETACH));
    NUMBER("pivot-root", SYS_pivot_root, "/tmp", "/tmp");
    NUMBER("fsopen", 430, "tmpfs", 0);
    NUMBER("open-tree", 428, AT_FDCWD, "/", 1);
    NUMBER("move-mount", 429, AT_FDCWD, "/tmp", AT_FDCWD, "/work", 0);
    NUMBER("mount-setattr", 442, AT_FDCWD, "/", 0, arguments_zero(), 32);
    TRY("device-memory", mknod("/tmp/mem", S_IFCHR | 0666, makedev(1, 1)));
    TRY("device-disk", mknod("/tmp/vda", S_IFBLK | 0666, makedev(254, 0)));
    NUMBER("open-by-handle", SYS_open_by_handle_at, AT_FDCWD, "\x08\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0", 0);
    NUMBER("name-to-handle", SYS_name_to_handle_at, AT_FDCWD, "/", arguments_zero(), arguments_zero(), 0);
    TRY("init-root", opened("/proc/1/root", O_RDONLY));
    TRY("init-cwd", opened("/proc/1/cwd", O_RDONLY));
    TRY("init-memory", opened("/proc/1/mem", O_RDWR));
    TRY("init-arguments", names_a_folder("/proc/1/cmdline"));
    TRY("init-environ", opened("/proc/1/environ", O_RDONLY));
    TRY("init-maps", opened("/proc/1/maps", O_RDONLY));
    TRY("init-descriptors", opened("/proc/1/fd", O_RDONLY));
    TRY("init-program", opened("/proc/1/exe", O_RDONLY));
    TRY("sys-folder", opened("/sys", O_RDONLY));
    TRY("host-etc", opened("/etc/passwd", O_RDONLY));
    TRY("dev-mem", opened("/dev/mem", O_RDONLY));
    TRY("dev-kmsg", opened("/dev/kmsg", O_RDONLY));
  }
  static void kernel(void) {
    for (int command = 0; command < 2; command++) NUMBER("bpf", SYS_bpf, command, arguments_zero(), 64);
    NUMBER("keyctl", SYS_keyctl, 0, -3, 1);
    NUMBER("add-key", SYS_add_key, "user", "x", "y", 1, -3);
    NUMBER("request-key", SYS_request_key, "user", "x", 0, -3);
    NUMBER("userfaultfd", SYS_userfaultfd, 1);
    NUMBER("io-uring", 425, 8, arguments_zero());
    NUMBER("perf", SYS_perf_event_open, arguments_zero(), 0, -1, -1, 0);
    NUMBER("kexec", SYS_kexec_load, 0, 0, 0, 0);
    NUMBER("init-module", SYS_init_module, "", 0, "");
    NUMBER("finit-module", SYS_finit_module, 0, "", 0);
    NUMBER("delete-module", SYS_delete_module, "x", 0);
    NUMBER("syslog", SYS_syslog, 3, arguments_zero(), 10);
    NUMBER("reboot", SYS_reboot, 0xfee1dead, 672274793, 0, 0);
    NUMBER("acct", SYS_acct, "/tmp/x");
    NUMBER("quotactl", SYS_quotactl, 0, "/", 0, 0);
    NUMBER("fanotify", SYS_fanotify_init, 0, 0);
    NUMBER("vhangup", SYS_vhangup);
    TRY("swapon", swapon("/tmp/x", 0));
    struct timespec then = {0, 0};
    TRY("clock-settime", clock_settime(CLOCK_REALTIME, &then));
    struct timeval zero = {0, 0};
    NUMBER("settimeofday", SYS_settimeofday, &zero, 0);
    TRY("sethostname", sethostname("x", 1));
    TRY("sysctl-hostname", put("/proc/sys/kernel/hostname", "x"));
    TRY("sysctl-core-pattern", put("/proc/sys/kernel/core_pattern", "|/tmp/x"));
    TRY("sysctl-forward", put("/proc/sys/net/ipv4/ip_forward", "1"));
    TRY("sysrq", masked("/proc/sysrq-trigger"));
    TRY("kcore", masked("/proc/kcore"));
    TRY("kallsyms", masked("/proc/kallsyms"));
    TRY("keys", masked("/proc/keys"));
    TRY("timer-list", masked("/proc/timer_list"));
    TRY("personality", personality_call());
  }
  static void rights(void) {
    TRY("setuid-root", setuid(0));
    TRY("setgid-root", setgid(0));
    TRY("setuid-other", setuid(1001));
    TRY("setgroups", syscall(SYS_setgroups, 0, 0));
    TRY("clear-no-new-privs", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    for (int capability = 0; capability < 41; capability++)
      if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) > 0) TRY("bounding-set", 0);
    struct { uint32_t version; int pid; } header = {0x20080522, 0};
    uint32_t data[6] = {~0u, ~0u, ~0u, ~0u, ~0u, ~0u};
    NUMBER("capset", SYS_capset, &header, data);
    TRY("nice", setpriority(PRIO_PROCESS, 0, -20));
    struct sched_param priority = {50};
    TRY("realtime", sched_setscheduler(0, SCHED_FIFO, &priority));
    struct rlimit limit = {1 << 20, 1 << 20};
    TRY("raise-nofile", setrlimit(RLIMIT_NOFILE, &limit));
    TRY("oom-immunity", put("/proc/self/oom_score_adj", "-1000"));
    TRY("oom-modesty", put("/proc/self/oom_score_adj", "499"));
    TRY("ptrace-init", ptrace(PTRACE_ATTACH, 1, 0, 0));
    TRY("ptrace-me", ptrace(PTRACE_TRACEME, 0, 0, 0));
    NUMBER("process-vm-readv", SYS_process_vm_readv, 1, 0, 0, 0, 0, 0);
    NUMBER("pidfd-getfd", 438, 0, 0, 0);
    NUMBER("kcmp", SYS_kcmp, 1, 1, 0, 0, 0);
  }
  static void network(const char *name) {
    TRY("raw-socket", socket(AF_INET, SOCK_RAW, 1));
    TRY("raw-socket-flags", socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1));
    TRY("packet-socket", socket(AF_PACKET, SOCK_RAW, 0));
    TRY("packet-datagram", socket(AF_PACKET, SOCK_DGRAM, 0));
    TRY("vsock", socket(40, SOCK_STREAM, 0));
    TRY("alg-socket", socket(38, SOCK_SEQPACKET, 0));
    TRY("netlink-audit", socket(AF_NETLINK, SOCK_RAW, 9));
    TRY("abstract-socket", abstract(name));
  }
  static void inherited(void) {
    for (int fd = 3; fd < 1024; fd++)
      if (fcntl(fd, F_GETFD) >= 0) { printf("descriptor-%d DONE\n", fd); fflush(stdout); }
  }
  //MORE
  int main(int count, char **arguments) {
    if (count == 5 && strcmp(arguments[1], "sandbox-helper") == 0) {
      // As a helper: says what it was asked, and whether it sees more than it should.
      uint64_t report[3] = {5, strtoull(arguments[2], 0, 10), 0};
      for (int fd = 5; fd < 1024; fd++) if (fcntl(fd, F_GETFD) >= 0) report[1] += 1000;
      if (prctl(PR_CAPBSET_READ, 21, 0, 0, 0) != 0) report[1] += 100;
      return write(3, report, sizeof report) != sizeof report;
    }
    if (count > 1 && strcmp(arguments[1], "fork-bomb") == 0) {
      signal(SIGCHLD, SIG_IGN);
      for (;;) fork();
    }
    if (count > 1 && strcmp(arguments[1], "hide") == 0) hide();
    if (count > 1 && strcmp(arguments[1], "stand-still") == 0) stand_still();
    if (count > 1 && strcmp(arguments[1], "stop") == 0) {
      kill(1, SIGKILL); kill(1, SIGSTOP); kill(-1, SIGSTOP); kill(getpid(), SIGSTOP);
    }
    if (count > 1 && strcmp(arguments[1], "old-calls") == 0) {
  #ifdef __x86_64__
      long result;
      __asm__ volatile("int $0x80" : "=a"(result) : "a"(20));
      printf("DONE %ld\n", result);
  #endif
      return 0;
    }
    if (count > 1 && strcmp(arguments[1], "clocks") == 0) {
      // Monotonic, since the start, and as /proc says; milliseconds.
      const int clocks[2] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME};
      for (int index = 0; index < 2; index++) {
        struct timespec now;
        clock_gettime(clocks[index], &now);
        printf("%lld\n", now.tv_sec * 1000LL + now.tv_nsec / 1000000);
      }
      double up = -1;
      FILE *file = fopen("/proc/uptime", "r");
      if (!file || fscanf(file, "%lf", &up) != 1) return 1;
      printf("%lld\n", (long long)(up * 1000));
      return 0;
    }
    if (count > 1 && strcmp(arguments[1], "watch-devices") == 0) watch_devices();
    if (count > 3 && strcmp(arguments[1], "hold") == 0)
      return hold(arguments[2], atoi(arguments[3]), count > 4);
    if (count > 1 && strcmp(arguments[1], "descriptors") == 0) {
      int made = 0;
      while (dup(1) >= 0) made++;
      printf("%d\n", made);
      return 0;
    }
    char *none[] = {0};
    alone = count > 3 && strcmp(arguments[1], "walls") == 0;
    listed = alone ? arguments + 4 : none;
    inherited();
    namespaces();
    files();
    kernel();
    network(count > 2 ? arguments[2] : "none");
    ways_out();
    machine();
    owners();
    devices();
    walls(count > 3 ? arguments[3] : "");
    if (alone) limits();
    // The last: where it may be traced, process 1 is who traces it.
    rights();
    puts("end");
    return 0;
  }
  """#

private let prelude = """
  #include <sys/personality.h>
  static char zeros[4096], zeros_large[1 << 20];
  static void *arguments_zero(void) { return zeros; }
  static long personality_call(void) { return personality(0x0200000); }

  """

/// The compiled program; nil where it cannot be made. `ZENNET_PROBE` names a file that has it, or that
/// is to have it for a machine without a compiler (scripts/machine).
let probeProgram: [UInt8]? = {
  let kept = ProcessInfo.processInfo.environment["ZENNET_PROBE"]
  if let kept, let program = FileManager.default.contents(atPath: kept) { return [UInt8](program) }
  let made = compiledProbe()
  if let kept, let made { FileManager.default.createFile(atPath: kept, contents: Data(made)) }
  return made
}()

private func compiledProbe() -> [UInt8]? {
  let folder = FileManager.default.temporaryDirectory.appending(path: "zennet-probe-\(getpid())")
  defer { try? FileManager.default.removeItem(at: folder) }
  do {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let file = folder.appending(path: "probe.c")
    let parts = coveredParts.map { "\"\($0)\"" }.joined(separator: ", ")
    let walls = hostileWalls.replacingOccurrences(of: "PARTS", with: parts)
    let text = source.replacingOccurrences(
      of: "\nstatic void say(", with: "\n" + prelude + "static void say("
    ).replacingOccurrences(
      of: "//MORE\n", with: hostileAttempts + hostileHoarding + hostileToOwner + walls)
    try text.write(to: file, atomically: true, encoding: .utf8)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["cc", "-static", "-Os", "-w", "-o", folder.path + "/probe", file.path]
    try process.run()
    process.waitUntilExit()
    return FileManager.default.contents(atPath: folder.path + "/probe").map { [UInt8]($0) }
  } catch {
    return nil
  }
}
let canProbe = probeProgram != nil
let probeBundle = busyboxBundle { $0.addFile("bin/probe", probeProgram ?? [], mode: 0o755) }

func probe(_ arguments: String..., limits: JobLimits = .small) -> JobSpec {
  JobSpec(
    name: nextName(), arguments: ["/bin/probe"] + arguments, limits: limits,
    isolation: features.level)
}
