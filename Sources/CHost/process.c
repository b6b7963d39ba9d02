#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chost.h"

// In the child, between fork and exec: only async-signal-safe calls.
static int prepare_child(const int32_t *standard, int32_t flags, pid_t parent) {
  if (flags & HOST_SPAWN_GROUP && setpgid(0, 0) != 0) return errno;
  if (flags & HOST_SPAWN_DIE_WITH_PARENT) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
    if (getppid() != parent) return ESRCH;
  }
  // Copies above 2 first, so that placing one does not overwrite another.
  int copies[3];
  for (int i = 0; i < 3; i++) {
    int from = standard[i];
    if (from < 0) from = open("/dev/null", i == 0 ? O_RDONLY : O_WRONLY);
    copies[i] = from < 0 ? -1 : fcntl(from, F_DUPFD_CLOEXEC, 3);
    if (copies[i] < 0) return errno;
    if (standard[i] < 0) close(from);
  }
  for (int i = 0; i < 3; i++)
    if (dup2(copies[i], i) < 0) return errno;
  return 0;
}

int32_t host_spawn(
    const char *const *argv, const char *const *environment, const int32_t *standard,
    int32_t flags) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return -errno;
  // The report must not be taken for one of the three standard descriptors.
  int out = fcntl(report[1], F_DUPFD_CLOEXEC, 3);
  int dup_error = errno;
  close(report[1]);
  if (out < 0) {
    close(report[0]);
    return -dup_error;
  }
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    host_reset_signals();
    int error = prepare_child(standard, flags, parent);
    if (error == 0) {
      execve(argv[0], (char *const *)argv, (char *const *)environment);
      error = errno;
    }
    ssize_t ignored = write(out, &error, sizeof error);
    (void)ignored;
    _exit(127);
  }
  int fork_error = errno, error = 0;
  close(out);
  if (pid < 0) {
    close(report[0]);
    return -fork_error;
  }
  int64_t got = host_read(report[0], (uint8_t *)&error, sizeof error);
  close(report[0]);
  if (got == (int64_t)sizeof error) {
    int32_t status;
    host_wait(pid, 1, &status);
    return -error;
  }
  return pid;
}

int32_t host_wait(int32_t pid, int32_t wait, int32_t *status) {
  int raw = 0;
  pid_t done;
  do done = waitpid(pid, &raw, wait ? 0 : WNOHANG);
  while (done < 0 && errno == EINTR);
  if (done < 0) return -errno;
  if (done > 0) *status = WIFSIGNALED(raw) ? -WTERMSIG(raw) : WEXITSTATUS(raw);
  return done;
}

int32_t host_kill(int32_t pid, int32_t signal) { return kill(pid, signal) == 0 ? 0 : -errno; }
int32_t host_pid(void) { return getpid(); }
uint32_t host_user(void) { return getuid(); }

int32_t host_fork(int32_t answer, uint32_t limit_seconds) {
  pid_t parent = getpid(), pid = fork();
  if (pid != 0) return pid < 0 ? -errno : pid;
  host_reset_signals();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  alarm(limit_seconds);
  int null = open("/dev/null", O_RDONLY);
  if (null > 0) {
    dup2(null, 0);
    close(null);
  }
  if (answer != HOST_ANSWER && dup2(answer, HOST_ANSWER) < 0) _exit(1);
  host_close_from(HOST_ANSWER + 1);
  return 0;
}

void host_exit(int32_t status) { _exit(status); }

const char *host_environment(const char *name) { return getenv(name); }
