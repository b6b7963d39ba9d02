// The first child: it leaves the agent's cgroups and namespaces, and makes process 1 of the sandbox.
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "chost.h"
#include "sandbox_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CONTROL = 3, KEPT = HOST_FIRST_BUNDLE + HOST_MOST_BUNDLES };

void host_sandbox_default_signals(void) {
  for (int number = 1; number < 65; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

// Puts the child's ends where every later step expects them, and closes all other descriptors. Those from
// 3 on are not for the job: they close when a program is executed.
static int place_descriptors(const struct host_plan *plan) {
  int high[KEPT];
  int count = CONTROL + 1 + (int)plan->bundles;
  for (int index = 0; index < count; index++) {
    int source = plan->descriptors[index];
    if (source < 0) source = open("/dev/null", (index == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
    if (source < 0) return -1;
    high[index] = fcntl(source, F_DUPFD_CLOEXEC, 64);
    if (high[index] < 0) return -1;
  }
  for (int index = 0; index < count; index++) {
    int place = index <= CONTROL ? index : HOST_FIRST_BUNDLE + index - CONTROL - 1;
    if (dup2(high[index], place) < 0) return -1;
    if (place >= CONTROL && fcntl(place, F_SETFD, FD_CLOEXEC) < 0) return -1;
  }
  for (int index = CONTROL + 1; index < HOST_FIRST_BUNDLE; index++) close(index);
  host_close_from(HOST_FIRST_BUNDLE + (int32_t)plan->bundles);
  return 0;
}

void host_sandbox_first(const struct host_plan *plan) {
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
  // The zygote has a session of its own.
  if (!plan->is_fresh) setsid();
  struct host_beside beside;
  int32_t opened = chdir("/") == 0 ? host_sandbox_open_beside(&beside) : -errno;
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

int32_t host_sandbox_fork(const struct host_plan *plan) {
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  pid_t pid = fork();
  int code = errno;
  if (pid == 0) {
    host_sandbox_default_signals();
    host_sandbox_find_arguments();
    host_sandbox_forget_arguments();
    if (place_descriptors(plan) != 0) _exit(111);
    host_sandbox_first(plan);
  }
  sigprocmask(SIG_SETMASK, &before, NULL);
  return pid < 0 ? -code : pid;
}
