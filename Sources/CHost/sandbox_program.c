// Starting the job and, while it runs, further programs beside it: a shell, for example.
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "chost.h"
#include "sandbox_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONTROL = 3 };

// Where the job's own use begins, as whoever becomes it saw it: the agent may look when it is over already.
static struct moment {
  uint64_t at_ns;   // on the sandbox's clock
  uint64_t cpu_ns;  // used up to there in the job's cgroups
} begin;

uint64_t host_sandbox_ran_ns(void) { return host_monotonic_ns() - begin.at_ns; }

static int open_terminal(int *number) {
  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0) return -1;
  int unlocked = 0;
  if (ioctl(master, TIOCSPTLCK, &unlocked) != 0 || ioctl(master, TIOCGPTN, number) != 0) {
    close(master);
    return -1;
  }
  return master;
}

static int take_terminal(int number) {
  char path[24] = "/dev/pts/";
  int at = 9, unit = 1;
  while (number / unit >= 10) unit *= 10;
  for (; unit > 0; unit /= 10) path[at++] = (char)('0' + number / unit % 10);
  int slave = open(path, O_RDWR | O_CLOEXEC);
  if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) != 0) return -1;
  for (int index = 0; index < 3; index++)
    if (dup2(slave, index) < 0) return -1;
  return 0;
}

struct failure {
  int32_t index, code;
};

// The helper beside a running job, which cannot look into it: texts are the task and the path.
static void help_beside(const struct host_plan *plan, const char *texts, int report) {
  close(report);
  close(CONTROL);
  uint64_t answer[3] = {0, 0, 0};
  struct host_helper_work work = {texts + strlen(texts) + 1, {0, 0}, 0, -1};
  plan->helper((uint32_t)(texts[0] - '0'), &work, answer);
  _exit(answer[0] == 0 ? 0 : 1);
}

// Between the fork and the exec of a further program; returns errno.
static int32_t execute_further(const struct host_plan *plan, const struct host_command *command,
                               uint64_t size, int report) {
  const char *texts = (const char *)(command + 1), *end = (const char *)command + size;
  uint64_t arguments = command->b >> 16 & 0x3fff, environment = command->b & 0xffff;
  uint64_t zeros = 0;
  for (const char *at = texts; at < end; at++) zeros += *at == 0;
  if (arguments == 0 || zeros != 1 + arguments + environment || end[-1] != 0) return EINVAL;
  if (chdir(texts) != 0) return errno;
  if (command->b >> 30 & 1) {
    if (arguments != 2) return EINVAL;
    help_beside(plan, texts + strlen(texts) + 1, report);
  }
  return host_sandbox_execute(texts + strlen(texts) + 1, arguments, environment);
}

// What a confined process does to become a program; never returns.
static void become(const struct host_plan *plan, const struct host_command *command, uint64_t size,
                   int report, struct failure failure) {
  if (failure.code == 0) failure.index = host_sandbox_take(plan, HOST_PHASE_PROGRAM, &failure.code);
  if (failure.code == 0 && command) failure.code = execute_further(plan, command, size, report);
  if (failure.code == 0) failure.index = host_sandbox_take(plan, HOST_PHASE_JOB, &failure.code);
  if (write(report, &failure, sizeof failure) < 0) _exit(126);
  _exit(127);
}

static void child(const struct host_plan *plan, const struct host_command *command, uint64_t size,
                  const int32_t *descriptors, int report, int terminal) {
  struct failure failure = {(int32_t)plan->count, 0};
  setsid();
  if (terminal >= 0 && take_terminal(terminal) != 0) failure.code = errno;
  for (int index = 0; descriptors && index < 3; index++)
    if (dup2(descriptors[index], index) < 0) failure.code = errno;
  if (failure.code == 0) failure.index = host_sandbox_take(plan, HOST_PHASE_CONFINE, &failure.code);
  become(plan, command, size, report, failure);
}

// The child of host_sandbox_prepare. It says nothing when all goes well, so that nothing has to wait for a
// turn: `told` ends when it executes the job's program, and `done` tells whether it came so far.
static struct {
  int32_t pid;
  struct failure failure;
} prepared;

static void unpack_and_become(const struct host_plan *plan, int told, int done) {
  uint64_t own[3] = {0, 0, 0};
  struct failure failure = {(int32_t)plan->count, 0};
  if (host_sandbox_take(plan, HOST_PHASE_CONFINE, &failure.code) >= 0) {
    own[0] = 21;
    own[2] = (uint64_t)failure.code;
  } else {
    struct host_helper_work work = host_sandbox_unpacking(plan);
    plan->helper(1, &work, own);
  }
  host_sandbox_close_bundles(plan);
  close(host_sandbox_held);
  struct moment moment = {host_monotonic_ns(), host_own_cpu_ns()};
  if (own[0] != 0 || write(done, &moment, sizeof moment) != sizeof moment) {
    ssize_t got = write(told, own, sizeof own);
    _exit(got == sizeof own ? 0 : 1);
  }
  setsid();
  become(plan, NULL, 0, told, failure);
}

int32_t host_sandbox_prepare(const struct host_plan *plan, uint64_t report[3]) {
  int told[2], done[2];
  report[0] = 22;
  report[1] = report[2] = 0;
  if (pipe2(told, O_CLOEXEC) != 0) return -errno;
  if (pipe2(done, O_CLOEXEC) != 0) {
    int code = errno;
    close(told[0]);
    close(told[1]);
    return -code;
  }
  int32_t pid = prepared.pid = host_sandbox_fork_child();
  if (pid == 0) {
    close(CONTROL);
    close(told[0]);
    close(done[0]);
    unpack_and_become(plan, told[1], done[1]);
  }
  close(told[1]);
  close(done[1]);
  host_sandbox_tell(HOST_EVENT_WALLED, 0, 0, 0);
  union { uint64_t report[3]; struct failure failure; } own;
  ssize_t got = -1;
  while (pid > 0 && (got = read(told[0], &own, sizeof own)) < 0 && errno == EINTR) {
  }
  if (got == sizeof own) memcpy(report, own.report, sizeof own);
  if (got == sizeof own.failure) prepared.failure = own.failure;
  if (got != sizeof own && read(done[0], &begin, sizeof begin) == sizeof begin) report[0] = 0;
  begin.cpu_ns += host_sandbox_own_ns();
  close(told[0]);
  close(done[0]);
  int status = 0;
  if (report[0] == 22) {
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    report[2] = (uint64_t)(uint32_t)status;
  }
  return 0;
}

static void tell_failure(const struct host_plan *plan, const struct host_command *command,
                         struct failure failure) {
  uint32_t index = (uint32_t)failure.index;
  uint64_t code = (uint64_t)failure.code;
  if (command)
    host_sandbox_tell(HOST_EVENT_PROGRAM_FAILED, command->a, code, 0);
  else if (index < plan->count && plan->steps[index].operation == HOST_EXECUTE)
    host_sandbox_tell(HOST_EVENT_EXEC_FAILED, 0, code, 0);
  else
    host_sandbox_tell(HOST_EVENT_STEP_FAILED, index, code, 0);
}

// The prepared child has become the job, or could not.
static int32_t start_prepared(const struct host_plan *plan) {
  if (prepared.failure.code != 0) {
    tell_failure(plan, NULL, prepared.failure);
    return -1;
  }
  host_sandbox_tell(HOST_EVENT_STARTED, 0, begin.cpu_ns, 0);
  return prepared.pid;
}

int32_t host_sandbox_start(const struct host_plan *plan, const struct host_command *command,
                           uint64_t size, const int32_t *descriptors) {
  if (!command && prepared.pid > 0) return start_prepared(plan);
  struct failure failure = {(int32_t)plan->count, 0};
  int ends[2], number = -1, master = -1;
  uint32_t wants_terminal = command ? command->b >> 31 : plan->terminal;
  if (wants_terminal && (master = open_terminal(&number)) < 0) failure.code = errno;
  if (command && !wants_terminal && !descriptors) failure.code = EBADF;
  if (failure.code == 0 && pipe2(ends, O_CLOEXEC) != 0) failure.code = errno;
  if (failure.code != 0) {
    if (master >= 0) close(master);
    tell_failure(plan, command, failure);
    return -1;
  }
  if (master >= 0) {
    struct host_event event = {HOST_EVENT_TERMINAL, command ? command->a : 0, 0, 0};
    struct iovec part = {&event, sizeof event};
    host_sandbox_pass(CONTROL, &part, 1, &master, 1);
    close(master);
  }
  if (!command) {
    struct rusage unpacked;
    getrusage(RUSAGE_CHILDREN, &unpacked);
    uint64_t seconds = (uint64_t)(unpacked.ru_utime.tv_sec + unpacked.ru_stime.tv_sec);
    uint64_t rest_us = (uint64_t)(unpacked.ru_utime.tv_usec + unpacked.ru_stime.tv_usec);
    begin.at_ns = host_monotonic_ns();
    begin.cpu_ns = host_sandbox_own_ns() + seconds * 1000000000u + rest_us * 1000u;
  }
  int32_t pid = host_sandbox_fork_child();
  if (pid == 0) child(plan, command, size, descriptors, ends[1], number);
  int code = errno;
  close(ends[1]);
  ssize_t got;
  while ((got = read(ends[0], &failure, sizeof failure)) < 0 && errno == EINTR) {
  }
  close(ends[0]);
  if (pid < 0) failure.code = code;
  if (pid < 0 || got == sizeof failure) {
    tell_failure(plan, command, failure);
    return -1;
  }
  if (command)
    host_sandbox_tell(HOST_EVENT_PROGRAM_STARTED, command->a, 0, 0);
  else
    host_sandbox_tell(HOST_EVENT_STARTED, 0, begin.cpu_ns, 0);
  return pid;
}

int32_t host_sandbox_is_confined(void) {
  return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_CAPBSET_READ, 21, 0, 0, 0) == 0;
}

int32_t host_sandbox_open_program(const char *path) {
  int fd = open(path, O_PATH | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}
