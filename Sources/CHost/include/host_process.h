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
// In the child signals are at their defaults, standard input is /dev/null, `answer` is descriptor
// HOST_ANSWER and every one above is closed, as a connection or a lock that lived on in a copy would
// deceive. It ends with its parent, and by SIGALRM after so many seconds.
#define HOST_ANSWER 3
int32_t host_fork(int32_t answer, uint32_t limit_seconds);

void host_exit(int32_t status) __attribute__((noreturn));

// Splits the process in two, before it has done anything: returns in the child, which is the program. The
// parent waits, passes SIGTERM, SIGINT and SIGHUP on, and ends as the child does; it never returns. A
// child that a fault ended (a trap, memory, the kernel's out-of-memory killer), or that exited with
// memory_status, is told in one line with the last line that it logged, and started again after 1, 2, 4 …
// 64 seconds, at most so many times in a row; then the parent exits with fault_status or memory_status.
// The child dies with its parent.
void host_supervise(uint32_t restarts, int32_t fault_status, int32_t memory_status);
// Called by host_log: what the parent will tell as the last line.
void host_keep_last_line(const uint8_t *bytes, uint64_t count);
// What host_allocate exits with when there is no memory; 0: it does not exit.
void host_exit_without_memory(int32_t status);
// From now on memory that is released is not overwritten (static builds do that).
void host_keep_released_memory(void);
// 1 if this build overwrites memory that is released.
int32_t host_erases_released(void);
// 1 if any of the bytes has the value. They may be in a released block (static builds; else 0).
int32_t host_has_byte(const uint8_t *bytes, uint64_t count, uint8_t value);

// Lets go of the resident pages of the program's own file (static builds; elsewhere nothing): they come
// back from the kernel's cache as they are used. For when the program comes to rest.
void host_release_program_pages(void);

// The value of an environment variable, or NULL.
const char *host_environment(const char *name);
