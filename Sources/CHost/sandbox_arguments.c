// What a fork of the agent or the zygote shows of it: /proc/PID/cmdline is its command line, in which its owner's
// folders are named, and everybody in the sandbox may read that of process 1.
#include "sandbox_inside.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

// The nth field of a process's line in /proc/PID/stat (proc(5)), counted from 1; nth > 3. 0 where there is none.
static uintptr_t field(const char *line, int nth) {
  const char *at = strrchr(line, ')');
  for (int count = 2; at && count < nth; count++) at = strchr(at + 1, ' ');
  uintptr_t value = 0;
  if (at)
    for (at++; *at >= '0' && *at <= '9'; at++) value = value * 10 + (uintptr_t)(*at - '0');
  return value;
}

static uintptr_t start, end;

void host_sandbox_find_arguments(void) {
  char line[1024];
  int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
  if (fd >= 0) close(fd);
  if (size <= 0) return;
  line[size] = 0;
  // arg_start and arg_end, since Linux 3.5.
  start = field(line, 48);
  end = field(line, 49);
}

void host_sandbox_forget_arguments(void) {
  if (start != 0 && start < end) memset((void *)start, 0, end - start);
}
