// Child processes that are not sandboxed: tools, and the programs of tests.
#pragma once
#include <stdint.h>

enum {
  // The child leads its own process group.
  HOST_SPAWN_GROUP = 1,
  // The child is killed when the thread that made it ends.
  HOST_SPAWN_DIE_WITH_PARENT = 2,
};

// Runs argv[0] (a path) with argv and environment (NULL-terminated lists) and the three given
// descriptors as 0, 1 and 2 (-1: /dev/null). The result is the process id; a failed exec is
// reported as -errno.
int32_t host_spawn(
    const char *const *argv, const char *const *environment, const int32_t *standard,
    int32_t flags);

// Waits for a child. 0: still running (only when wait is 0); otherwise the process id, and its
// exit status in status, or -signal when a signal ended it.
int32_t host_wait(int32_t pid, int32_t wait, int32_t *status);

int32_t host_kill(int32_t pid, int32_t signal);
int32_t host_pid(void);
uint32_t host_user(void);

// fork(2) for work that shares nothing but a pipe, as a benchmark on every core: 0 in the child.
// In the child signals are at their defaults, standard input is /dev/null, and SIGALRM ends it
// after so many seconds.
int32_t host_fork(uint32_t limit_seconds);
void host_exit(int32_t status) __attribute__((noreturn));
// The value of an environment variable, or NULL.
const char *host_environment(const char *name);
