// The first child: it leaves the agent's memory, cgroups and namespaces, and makes process 1 of the sandbox.
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "chost.h"
#include "sandbox_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sched.h>

enum { CONTROL = 3, HELPER = 6, PLAN = 7, KEPT = 8 };

// A plan as it lies in memory between two programs: this, the steps, the arena.
struct stored_plan {
  uint32_t count, arena_size, terminal, has_helper, waits, reserved;
  uint32_t helper_arguments[2];
};

void host_sandbox_default_signals(void) {
  for (int number = 1; number < 65; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

// Puts the child's ends where every later step expects them, and closes all other descriptors. Those from
// 3 on are not for the job: they close when a program is executed, but for the one that takes the plan.
static int place_descriptors(const struct host_plan *plan, int stored) {
  int high[KEPT];
  for (int index = 0; index < KEPT; index++) {
    int source = index == PLAN ? stored : plan->descriptors[index];
    high[index] = -1;
    if (source < 0 && (index == HELPER || index == PLAN)) continue;
    if (source < 0) source = open("/dev/null", (index == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
    if (source < 0) return -1;
    high[index] = fcntl(source, F_DUPFD_CLOEXEC, 64);
    if (high[index] < 0) return -1;
  }
  close(HELPER);
  for (int index = 0; index < KEPT; index++) {
    if (high[index] < 0) continue;
    if (dup2(high[index], index) < 0) return -1;
    if (index >= CONTROL && stored < 0 && fcntl(index, F_SETFD, FD_CLOEXEC) < 0) return -1;
  }
  host_close_from(stored < 0 ? PLAN : KEPT);
  return 0;
}

// Never returns.
static void first_child(const struct host_plan *plan) {
  umask(022);
  int32_t code = 0;
  // The agent puts it into the cgroups that one cannot enter by oneself.
  if (plan->waits) host_sandbox_wait();
  int32_t failed = host_sandbox_take(plan, HOST_PHASE_OUTER, &code);
  if (failed >= 0) {
    host_sandbox_hear_out(plan);
    host_sandbox_tell(HOST_EVENT_STEP_FAILED, (uint32_t)failed, (uint64_t)code, 0);
    _exit(113);
  }
  setsid();
  struct host_beside beside;
  int32_t opened = host_sandbox_open_beside(&beside);
  if (opened < 0) errno = -opened;
  // CLONE_PARENT: process 1 is the agent's own child, and this process need not stay.
  long pid = opened < 0 ? -1 : syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    host_sandbox_keep_beside(&beside);
    host_sandbox_init(plan);
  }
  if (pid < 0) {
    code = errno;
    host_sandbox_hear_out(plan);
    host_sandbox_tell(HOST_EVENT_STEP_FAILED, plan->count, (uint64_t)code, 0);
  } else {
    host_sandbox_beside(plan, &beside, (int32_t)pid);
  }
  _exit(0);
}

void host_sandbox_first(host_helper helper, void *context) {
  host_keep_released_memory();
  host_sandbox_default_signals();
  for (int index = CONTROL; index < KEPT; index++) fcntl(index, F_SETFD, FD_CLOEXEC);
  struct stat found;
  struct host_plan plan;
  memset(&plan, 0, sizeof plan);
  if (fstat(PLAN, &found) != 0 || found.st_size < (off_t)sizeof(struct stored_plan)) _exit(115);
  const uint8_t *stored = mmap(NULL, (size_t)found.st_size, PROT_READ, MAP_PRIVATE, PLAN, 0);
  if (stored == MAP_FAILED) _exit(115);
  close(PLAN);
  const struct stored_plan *header = (const struct stored_plan *)(const void *)stored;
  uint64_t steps = header->count * sizeof(struct host_step);
  if (sizeof *header + steps + header->arena_size != (uint64_t)found.st_size) _exit(115);
  plan.steps = (const struct host_step *)(const void *)(stored + sizeof *header);
  plan.arena = stored + sizeof *header + steps;
  plan.count = header->count;
  plan.arena_size = header->arena_size;
  plan.terminal = header->terminal;
  plan.waits = header->waits;
  plan.helper = helper;
  plan.context = context;
  for (int index = 0; index < HELPER; index++) plan.descriptors[index] = index;
  plan.descriptors[HELPER] = header->has_helper ? HELPER : -1;
  memcpy(plan.helper_arguments, header->helper_arguments, sizeof plan.helper_arguments);
  plan.is_fresh = 1;
  first_child(&plan);
  _exit(115);
}

static int write_all(int fd, const void *bytes, uint64_t size) {
  const char *at = bytes;
  while (size > 0) {
    ssize_t done = write(fd, at, (size_t)size);
    if (done < 0) return -1;
    at += done;
    size -= (uint64_t)done;
  }
  return 0;
}

// Writes the plan to a file in memory; -1 where the kernel has none (before Linux 3.17).
static int store(const struct host_plan *plan) {
#ifdef SYS_memfd_create
  int fd = (int)syscall(SYS_memfd_create, "zennet-plan", 1u /* MFD_CLOEXEC */);
  if (fd < 0) return -1;
  struct stored_plan header = {
      plan->count, plan->arena_size, plan->terminal, plan->descriptors[HELPER] >= 0, plan->waits, 0,
      {plan->helper_arguments[0], plan->helper_arguments[1]}};
  if (write_all(fd, &header, sizeof header) == 0 &&
      write_all(fd, plan->steps, plan->count * sizeof *plan->steps) == 0 &&
      write_all(fd, plan->arena, plan->arena_size) == 0)
    return fd;
  close(fd);
#else
  (void)plan;
#endif
  return -1;
}

// Until it executes, the child borrows the agent's memory: as quick for a large agent as for a small one.
static pid_t spawn_program(const struct host_plan *plan, int stored) {
  char *arguments[6], *environment[1] = {NULL};
  char *at = (char *)(uintptr_t)(plan->arena + plan->first_arguments);
  for (int index = 0; index < 5; index++, at += strlen(at) + 1) arguments[index] = at;
  arguments[5] = NULL;
  volatile int failed = 0;
  pid_t pid = vfork();
  if (pid == 0) {
    // All signals are blocked: the agent's handlers must not run in memory that is not the child's.
    if (place_descriptors(plan, stored) == 0) {
#ifdef SYS_execveat
      syscall(SYS_execveat, HELPER, "", arguments, environment, 0x1000 /* AT_EMPTY_PATH */);
#endif
    }
    failed = 1;
    _exit(114);
  }
  if (pid > 0 && failed) {
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return -1;
  }
  return pid;
}

int32_t host_sandbox_spawn(const struct host_plan *plan) {
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  pid_t pid = -1;
  int stored = plan->descriptors[HELPER] >= 0 && plan->first_arguments ? store(plan) : -1;
  if (stored >= 0) {
    pid = spawn_program(plan, stored);
    close(stored);
  }
  // Linux before 3.19, or a program that is not static.
  if (pid < 0) pid = fork();
  int code = errno;
  if (pid == 0) {
    host_sandbox_default_signals();
    host_sandbox_forget_arguments();
    if (place_descriptors(plan, -1) != 0) _exit(111);
    first_child(plan);
  }
  sigprocmask(SIG_SETMASK, &before, NULL);
  return pid < 0 ? -code : pid;
}
