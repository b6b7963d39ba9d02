// Process 1 of the sandbox, which unpacks, starts the job, reaps, and speaks with the agent; and its
// confined children.
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "sandbox_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONTROL = 3, PROGRAMS = 16 };

// The job's program, at index 0, and further programs beside it.
static struct {
  pid_t pid;
  uint32_t id;
} programs[PROGRAMS];

extern int host_sandbox_oom;
extern char host_sandbox_oom_score[8], host_sandbox_oom_own[8];

void host_sandbox_tell(uint32_t kind, uint32_t a, uint64_t b, uint64_t c) {
  struct host_event event = {kind, a, b, c};
  while (send(CONTROL, &event, sizeof event, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

static void set_oom_score(const char *text) {
  if (host_sandbox_oom >= 0 && write(host_sandbox_oom, text, strlen(text)) < 0) {
  }
}

// Forks a child that the kernel prefers to kill when memory runs out.
int32_t host_sandbox_fork_child(void) {
  set_oom_score(host_sandbox_oom_score);
  pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    // Process 1 has changed nothing else about them.
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
  } else {
    set_oom_score(host_sandbox_oom_own);
  }
  return pid;
}

// Runs the helper in a confined child. The report's first number is 22 when the child died.
int32_t host_sandbox_helper(const struct host_plan *plan, uint32_t task,
                            const struct host_helper_work *work, uint64_t report[3]) {
  int ends[2];
  report[0] = 22;
  report[1] = report[2] = 0;
  if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
  pid_t pid = host_sandbox_fork_child();
  if (pid == 0) {
    close(CONTROL);
    close(ends[0]);
    uint64_t own[3] = {0, 0, 0};
    int32_t code = 0;
    if (host_sandbox_take(plan, HOST_PHASE_CONFINE, &code) >= 0) {
      own[0] = 21;
      own[2] = (uint64_t)code;
    } else {
      plan->helper(task, work, own);
    }
    _exit(write(ends[1], own, sizeof own) == sizeof own ? 0 : 1);
  }
  close(ends[1]);
  host_sandbox_await(pid, ends[0], report);
  int status = 0;
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (report[0] == 22) report[2] = (uint64_t)(uint32_t)status;
  close(ends[0]);
  return 0;
}

int32_t host_sandbox_await(int32_t pid, int32_t told, uint64_t report[3]) {
  uint64_t own[3];
  ssize_t got = -1;
  while (pid > 0 && (got = read(told, own, sizeof own)) < 0 && errno == EINTR) {
  }
  if (got != sizeof own) return -EPIPE;
  memcpy(report, own, sizeof own);
  return 0;
}

// The job's program is gone: whatever it left behind goes too. One signal to all of them is enough, as a
// process that has it pending bears no other; a signal for each death would be a thousand times a thousand
// for a fork bomb, under a lock that dying takes, too.
static void kill_all(void) {
  int status;
  pid_t pid;
  uint32_t gone = 0;
  do {
    if ((gone & (gone - 1)) == 0 || gone % 256 == 0) kill(-1, SIGKILL);
    pid = waitpid(-1, &status, 0);
    gone++;
    for (int place = 1; pid > 0 && place < PROGRAMS; place++) {
      if (programs[place].pid != pid) continue;
      programs[place].pid = 0;
      host_sandbox_tell(HOST_EVENT_PROGRAM_ENDED, programs[place].id, (uint64_t)status, 0);
    }
  } while (pid > 0 || errno == EINTR);
}

// `size` bytes: the command and a path that ends in a zero byte. The descriptor closes before the end is told.
static void collect(const struct host_plan *plan, const struct host_command *command, size_t size,
                    int output) {
  uint64_t report[3] = {2, 0, 0};
  const char *path = (const char *)(command + 1);
  if (size > sizeof *command && ((const char *)command)[size - 1] == 0) {
    struct host_helper_work work = {path, {command->a | (uint64_t)command->b << 32, 0}, 0, output};
    host_sandbox_helper(plan, 2, &work, report);
  }
  close(output);
  host_sandbox_tell(HOST_EVENT_COLLECTED, (uint32_t)report[0], report[1], report[2]);
}

static void start_further(const struct host_plan *plan, const struct host_command *command,
                          uint64_t size, const int *descriptors) {
  int place = 1;
  while (place < PROGRAMS && programs[place].pid > 0) place++;
  if (programs[0].pid <= 0 || place == PROGRAMS) {
    host_sandbox_tell(HOST_EVENT_PROGRAM_FAILED, command->a, EAGAIN, 0);
    return;
  }
  programs[place].id = command->a;
  programs[place].pid = host_sandbox_start(plan, command, size, descriptors);
}

static void send_signal(uint32_t id, int number) {
  for (int place = 0; place < PROGRAMS; place++)
    if (programs[place].pid > 0 && programs[place].id == id) kill(-programs[place].pid, number);
}

// Takes one command. Process 1 ends, and with it the sandbox, when the agent says so or is gone.
static void obey(const struct host_plan *plan) {
  static union { struct host_command command; uint8_t bytes[HOST_COMMAND_LARGEST]; } buffer;
  int descriptors[HOST_MOST_PASSED], count;
  ssize_t got = host_sandbox_accept(CONTROL, &buffer, sizeof buffer, descriptors, &count);
  const struct host_command *command = &buffer.command;
  if (got < (ssize_t)sizeof *command || command->kind == HOST_COMMAND_QUIT) _exit(0);
  if (command->kind == HOST_COMMAND_SIGNAL) send_signal(command->b, (int)command->a);
  if (command->kind == HOST_COMMAND_COLLECT && programs[0].pid <= 0 && count == 1) {
    collect(plan, command, (size_t)got, descriptors[0]);
    return;
  }
  if (command->kind == HOST_COMMAND_EXECUTE)
    start_further(plan, command, (uint64_t)got, count == 3 ? descriptors : NULL);
  for (int index = 0; index < count; index++) close(descriptors[index]);
}

static void ended(pid_t pid, int status) {
  for (int place = 0; place < PROGRAMS; place++) {
    if (programs[place].pid != pid) continue;
    programs[place].pid = 0;
    if (place > 0) {
      host_sandbox_tell(HOST_EVENT_PROGRAM_ENDED, programs[place].id, (uint64_t)status, 0);
      continue;
    }
    kill_all();
    host_sandbox_tell(HOST_EVENT_ENDED, (uint32_t)status, host_sandbox_ran_ns(), 0);
  }
}

void host_sandbox_init(const struct host_plan *plan) {
  // The job may be over before anybody looks.
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, NULL);
  int32_t code = 0;
  int32_t failed = host_sandbox_take(plan, HOST_PHASE_INNER, &code);
  if (failed >= 0) {
    host_sandbox_tell_root(0);
    host_sandbox_join_network();
    host_sandbox_hear_out(plan);
    host_sandbox_tell(HOST_EVENT_STEP_FAILED, (uint32_t)failed, (uint64_t)code, 0);
    _exit(0);
  }
  int deaths = signalfd(-1, &children, SFD_CLOEXEC);
  programs[0].pid = host_sandbox_start(plan, NULL, 0, NULL);
  // The job has its own; as long as process 1 held them they would not end.
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int index = 0; index < 3; index++) dup2(null, index);
  struct pollfd watched[2] = {{CONTROL, POLLIN, 0}, {deaths, POLLIN, 0}};
  for (;;) {
    if (poll(watched, 2, -1) < 0) continue;
    if (watched[1].revents) {
      struct signalfd_siginfo information;
      if (read(deaths, &information, sizeof information) < 0) continue;
      int status;
      pid_t pid;
      while ((pid = waitpid(-1, &status, WNOHANG)) > 0) ended(pid, status);
    }
    if (watched[0].revents) obey(plan);
  }
}
