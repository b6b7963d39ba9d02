// The zygote: a program image that never had the agent's memory, from which every sandbox's first child is
// forked. It was executed once, knows no job, and holds no descriptor of one longer than a fork takes.
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "chost.h"
#include "sandbox_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// In a first child the network namespace that was made ahead lies between the socket and the bundles.
enum { CONTROL = 3, NETWORK = 4, KEPT = HOST_FIRST_BUNDLE + HOST_MOST_BUNDLES, PROGRAM = 4 };

// A plan as it lies in memory between two programs: this, the steps, the arena.
struct stored_plan {
  uint32_t count, arena_size, terminal, waits;
  uint32_t bundles, reserved;
  uint64_t limits[2];
};

// Comes with the plan's descriptors, of 0, 1 and 2 only those whose bit is set, and the stored plan.
struct request {
  uint32_t word, present, bundles;
};
struct answer {
  uint32_t word;
  int32_t pid;  // or a negative errno
};
enum { REQUEST = 0x7a70, ANSWER = 0x7a71 };

static int write_all(int fd, const void *bytes, uint64_t size) {
  const char *at = bytes;
  while (size > 0) {
    ssize_t done = write(fd, at, (size_t)size);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return -1;
    at += done;
    size -= (uint64_t)done;
  }
  return 0;
}

// Writes the plan to a file in memory; a negative errno where the kernel has none (before Linux 3.17).
static int store(const struct host_plan *plan) {
#ifdef SYS_memfd_create
  int fd = (int)syscall(SYS_memfd_create, "zennet-plan", 1u /* MFD_CLOEXEC */);
  if (fd < 0) return -errno;
  struct stored_plan header = {plan->count, plan->arena_size, plan->terminal, plan->waits,
                               plan->bundles, 0, {plan->limits[0], plan->limits[1]}};
  if (write_all(fd, &header, sizeof header) == 0 &&
      write_all(fd, plan->steps, plan->count * sizeof *plan->steps) == 0 &&
      write_all(fd, plan->arena, plan->arena_size) == 0)
    return fd;
  int code = errno;
  close(fd);
  return -code;
#else
  (void)plan;
  return -ENOSYS;
#endif
}

// In a fork of the zygote; never returns.
static void grow(host_helper helper, const struct request *request, const int *received) {
  host_sandbox_forget_arguments();
  // What the job shall not have closes when it is executed. The zygote's own socket is closed by this.
  for (int index = 0; index < CONTROL; index++)
    if (request->present >> index & 1 && dup3(*received++, index, 0) < 0) _exit(115);
  if (dup3(*received++, CONTROL, O_CLOEXEC) < 0) _exit(115);
  for (uint32_t index = 0; index < request->bundles; index++)
    if (dup3(*received++, HOST_FIRST_BUNDLE + (int)index, O_CLOEXEC) < 0) _exit(115);
  int stored = *received;
  struct stat found;
  if (fstat(stored, &found) != 0 || found.st_size < (off_t)sizeof(struct stored_plan)) _exit(115);
  const uint8_t *bytes = mmap(NULL, (size_t)found.st_size, PROT_READ, MAP_PRIVATE, stored, 0);
  if (bytes == MAP_FAILED) _exit(115);
  host_sandbox_place_network(NETWORK);
  host_close_from(HOST_FIRST_BUNDLE + (int32_t)request->bundles);
  const struct stored_plan *header = (const struct stored_plan *)(const void *)bytes;
  uint64_t steps = header->count * sizeof(struct host_step);
  if (sizeof *header + steps + header->arena_size != (uint64_t)found.st_size ||
      header->bundles != request->bundles)
    _exit(115);
  struct host_plan plan;
  memset(&plan, 0, sizeof plan);
  plan.steps = (const struct host_step *)(const void *)(bytes + sizeof *header);
  plan.arena = bytes + sizeof *header + steps;
  plan.count = header->count;
  plan.arena_size = header->arena_size;
  plan.terminal = header->terminal;
  plan.waits = header->waits;
  plan.bundles = header->bundles;
  memcpy(plan.limits, header->limits, sizeof plan.limits);
  plan.helper = helper;
  plan.is_fresh = 1;
  host_sandbox_first(&plan);
}

static int32_t fork_child(host_helper helper, const struct request *request, const int *received,
                          int count) {
  // The socket and the plan always come.
  int expected = 2 + (int)request->bundles;
  for (int index = 0; index < CONTROL; index++) expected += request->present >> index & 1;
  if (request->bundles > HOST_MOST_BUNDLES || expected != count) return -EPROTO;
  // CLONE_PARENT: the agent's own child, as if it had forked it.
  long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) grow(helper, request, received);
  return pid < 0 ? -errno : (int32_t)pid;
}

// A mount namespace begins as a copy of its maker's, and all that is copied has to be let go again. So
// the zygote has its own, with nothing but what walls are made of: a root with the folder in it, /dev,
// /proc. What the owner unmounts meanwhile is not held here either. Only root may; otherwise more is
// copied.
static void keep_few_mounts(const char *folder) {
  int whole = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (whole < 0) return;
  if (unshare(CLONE_NEWNS) == 0) {
    // With what is mounted over parts of /proc: whoever covered it meant it.
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("/", folder, NULL, MS_BIND, NULL) == 0 && chdir(folder) == 0 &&
        access(folder + 1, F_OK) == 0 && mount("/dev", "dev", NULL, MS_BIND, NULL) == 0 &&
        mount("/proc", "proc", NULL, MS_BIND | MS_REC, NULL) == 0 &&
        syscall(SYS_pivot_root, ".", ".") == 0)
      umount2("/", MNT_DETACH);
    else
      setns(whole, CLONE_NEWNS);
  }
  close(whole);
}

// A network namespace takes as long as most of the other walls together: one is made ahead when it is quiet,
// and kept while more jobs are likely, as it takes 200 KiB of the kernel's memory.
static void await_request(int socket) {
  // Shorter than what is between two tasks of a publisher that waits for each: longer than what is between
  // those that start together.
  enum { QUIET_MS = 4, LIKELY_MS = 60000 };
  if (host_sandbox_wait_readable(socket, QUIET_MS) != 0) return;
  host_sandbox_ready_network();
  if (host_sandbox_wait_readable(socket, LIKELY_MS) != 0) return;
  host_sandbox_drop_network();
}

void host_sandbox_zygote(host_helper helper, const char *folder) {
  host_keep_released_memory();
  host_sandbox_default_signals();
  keep_few_mounts(folder);
  host_sandbox_find_arguments();
  // A key pressed in the agent's terminal is not for it.
  setsid();
  // What is received lies above the numbers that the first child wants it at.
  int socket = fcntl(CONTROL, F_DUPFD_CLOEXEC, KEPT);
  for (int index = CONTROL; index < KEPT; index++)
    if (socket < 0 || dup2(0, index) < 0) _exit(115);
  for (;;) {
    await_request(socket);
    struct request request;
    int received[HOST_MOST_PASSED], count;
    ssize_t got = host_sandbox_accept(socket, &request, sizeof request, received, &count);
    if (got != sizeof request || request.word != REQUEST) _exit(0);  // the agent is gone
    struct answer answer = {ANSWER, fork_child(helper, &request, received, count)};
    for (int index = 0; index < count; index++) close(received[index]);
    if (send(socket, &answer, sizeof answer, MSG_NOSIGNAL) < 0) _exit(0);
    // Whoever was forked has it.
    host_sandbox_drop_network();
  }
}

static void execute(const int32_t *high, char **arguments) {
  char *environment[1] = {NULL};
  for (int index = 0; index <= PROGRAM; index++)
    if (dup2(high[index], index) < 0) return;
  fcntl(PROGRAM, F_SETFD, FD_CLOEXEC);
  host_close_from(PROGRAM + 1);
#ifdef SYS_execveat
  syscall(SYS_execveat, PROGRAM, "", arguments, environment, 0x1000 /* AT_EMPTY_PATH */);
#else
  errno = ENOSYS;
#endif
}

int32_t host_sandbox_start_zygote(int32_t program, const uint8_t *texts, int32_t *socket) {
  char *arguments[4];
  char *at = (char *)(uintptr_t)texts;
  for (int index = 0; index < 3; index++, at += strlen(at) + 1) arguments[index] = at;
  arguments[3] = NULL;
  int32_t ends[2];
  int32_t made = host_sandbox_socketpair(ends);
  if (made < 0) return made;
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  int sources[PROGRAM + 1] = {null, null, null, ends[1], program};
  int32_t high[PROGRAM + 1];
  volatile int failed = 0;
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  // Until it executes, the child borrows the agent's memory: as quick for a large agent as for a small one.
  // All signals are blocked: the agent's handlers must not run in memory that is not the child's.
  pid_t pid = vfork();
  if (pid == 0) {
    int index = 0;
    while (index <= PROGRAM && (high[index] = fcntl(sources[index], F_DUPFD_CLOEXEC, 64)) >= 0) index++;
    if (index > PROGRAM) execute(high, arguments);
    failed = errno ? errno : EIO;
    _exit(114);
  }
  int code = pid < 0 ? errno : failed;
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (null >= 0) close(null);
  close(ends[1]);
  if (code == 0) {
    *socket = ends[0];
    return pid;
  }
  while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
  close(ends[0]);
  return -code;
}

int32_t host_sandbox_ask_zygote(int32_t socket, const struct host_plan *plan) {
  int stored = store(plan);
  if (stored < 0) return stored;
  struct request request = {REQUEST, 0, plan->bundles};
  int passed[HOST_MOST_PASSED], count = 0;
  for (int index = 0; index <= CONTROL + (int)plan->bundles; index++) {
    if (index < CONTROL && plan->descriptors[index] < 0) continue;
    if (index < CONTROL) request.present |= 1u << index;
    passed[count++] = plan->descriptors[index];
  }
  passed[count++] = stored;
  struct iovec part = {&request, sizeof request};
  int32_t code = host_sandbox_pass(socket, &part, 1, passed, count) < 0 ? -errno : 0;
  close(stored);
  return code;
}

int32_t host_sandbox_receive_zygote(int32_t socket) {
  // Ten seconds: a machine that swaps is slow, but not forever.
  int32_t ready = host_sandbox_wait_readable(socket, 10000);
  if (ready != 1) return ready < 0 ? ready : -ETIMEDOUT;
  struct answer answer;
  ssize_t got;
  while ((got = recv(socket, &answer, sizeof answer, MSG_TRUNC)) < 0 && errno == EINTR) {
  }
  if (got < 0) return -errno;
  return got == sizeof answer && answer.word == ANSWER && answer.pid != 0 ? answer.pid : -EPROTO;
}
