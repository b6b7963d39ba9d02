#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "chost.h"

_Static_assert(sizeof(struct host_watch) == sizeof(struct pollfd), "host_watch is a pollfd");
_Static_assert(offsetof(struct host_watch, interest) == offsetof(struct pollfd, events), "");
_Static_assert(offsetof(struct host_watch, ready) == offsetof(struct pollfd, revents), "");
_Static_assert(HOST_READABLE == POLLIN && HOST_WRITABLE == POLLOUT, "");
_Static_assert(HOST_FAILED == POLLERR && HOST_HUNG_UP == POLLHUP && HOST_INVALID == POLLNVAL, "");
_Static_assert(HOST_EAGAIN == EAGAIN && EAGAIN == EWOULDBLOCK && HOST_EPIPE == EPIPE, "");
_Static_assert(HOST_ENOENT == ENOENT && HOST_EEXIST == EEXIST && HOST_EINVAL == EINVAL, "");
_Static_assert(HOST_ENFILE == ENFILE && HOST_EMFILE == EMFILE, "");
_Static_assert(HOST_EACCES == EACCES && HOST_ENOSPC == ENOSPC, "");
_Static_assert(HOST_EROFS == EROFS && HOST_EDQUOT == EDQUOT, "");
_Static_assert(sizeof(struct termios) <= HOST_TERMINAL_BYTES, "");

int32_t host_close(int32_t fd) {
  // On Linux the descriptor is gone even when close is interrupted.
  return close(fd) == 0 || errno == EINTR ? 0 : -errno;
}

void host_hold_standard_streams(void) {
  for (int number = 0; number < 3; number++)
    if (fcntl(number, F_GETFD) < 0 && errno == EBADF)
      (void)!open("/dev/null", number == 0 ? O_WRONLY : O_RDONLY);
}

int64_t host_read(int32_t fd, uint8_t *bytes, uint64_t count) {
  ssize_t done;
  do done = read(fd, bytes, (size_t)count);
  while (done < 0 && errno == EINTR);
  return done < 0 ? -errno : done;
}

int64_t host_gather(int32_t fd, uint8_t *buffer, uint64_t size, uint32_t most) {
  uint64_t have = 0;
  for (uint32_t count = 0; count < most && have < size; count++) {
    int64_t got = host_read(fd, buffer + have, size - have);
    if (got <= 0) return have > 0 ? (int64_t)have : got;
    have += (uint64_t)got;
  }
  return (int64_t)have;
}

int64_t host_write(int32_t fd, const uint8_t *bytes, uint64_t count) {
  ssize_t done;
  do done = write(fd, bytes, (size_t)count);
  while (done < 0 && errno == EINTR);
  return done < 0 ? -errno : done;
}

int64_t host_read_at(int32_t fd, uint8_t *bytes, uint64_t count, uint64_t offset) {
  ssize_t done;
  do done = pread(fd, bytes, (size_t)count, (off_t)offset);
  while (done < 0 && errno == EINTR);
  return done < 0 ? -errno : done;
}

int64_t host_write_at(int32_t fd, const uint8_t *bytes, uint64_t count, uint64_t offset) {
  ssize_t done;
  do done = pwrite(fd, bytes, (size_t)count, (off_t)offset);
  while (done < 0 && errno == EINTR);
  return done < 0 ? -errno : done;
}

int32_t host_pipe(int32_t *ends) {
  int pair[2];
  if (pipe2(pair, O_CLOEXEC) != 0) return -errno;
  ends[0] = pair[0];
  ends[1] = pair[1];
  return 0;
}

int32_t host_set_nonblocking(int32_t fd, int32_t on) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  return wanted == flags || fcntl(fd, F_SETFL, wanted) == 0 ? 0 : -errno;
}

int32_t host_is_terminal(int32_t fd) { return isatty(fd) == 1; }

int32_t host_terminal_size(int32_t fd, uint16_t *columns, uint16_t *rows) {
  struct winsize size;
  if (ioctl(fd, TIOCGWINSZ, &size) != 0) return -errno;
  *columns = size.ws_col;
  *rows = size.ws_row;
  return 0;
}

int32_t host_terminal_raw(int32_t fd, uint8_t *saved) {
  struct termios settings;
  if (tcgetattr(fd, &settings) != 0) return -errno;
  memcpy(saved, &settings, sizeof settings);
  cfmakeraw(&settings);
  return tcsetattr(fd, TCSADRAIN, &settings) == 0 ? 0 : -errno;
}

int32_t host_terminal_restore(int32_t fd, const uint8_t *saved) {
  struct termios settings;
  memcpy(&settings, saved, sizeof settings);
  return tcsetattr(fd, TCSADRAIN, &settings) == 0 ? 0 : -errno;
}

int32_t host_poll(struct host_watch *set, uint32_t count, int32_t timeout_ms) {
  int ready = poll((struct pollfd *)set, count, timeout_ms);
  if (ready >= 0) return ready;
  if (errno != EINTR) return -errno;
  // A signal: the caller looks at its clock and at the signal pipe again.
  for (uint32_t i = 0; i < count; i++) set[i].ready = 0;
  return 0;
}

void host_close_from(int32_t first) {
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
  if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0) return;
  struct rlimit bound;
  int last = getrlimit(RLIMIT_NOFILE, &bound) == 0 && bound.rlim_cur < 1 << 20 ? (int)bound.rlim_cur : 1 << 20;
  for (int fd = first; fd < last; fd++) close(fd);
}
