// Descriptors, pipes and poll(2).
#pragma once
#include <stdint.h>

enum {
  HOST_EAGAIN = 11,
  HOST_EPIPE = 32,
  HOST_ENOENT = 2,
  HOST_EEXIST = 17,
  HOST_EINVAL = 22,
  HOST_ENFILE = 23,
  HOST_EMFILE = 24,
  HOST_EACCES = 13,
  HOST_ENOSPC = 28,
  HOST_EROFS = 30,
  HOST_EDQUOT = 122,
};

int32_t host_close(int32_t fd);
// What of 0, 1 and 2 is closed refuses to be used, but is taken: no file or socket gets such a number, to
// be read as input or written over with lines for people.
void host_hold_standard_streams(void);
// Closes every descriptor from `first` on.
void host_close_from(int32_t first);

// Bytes read; 0 at the end; -HOST_EAGAIN when nothing is there yet.
// Reads until it has `size` bytes, with at most `most` calls of read(2): a pipe in packet mode returns one write
// for each. Returns the bytes read; what host_read returns if the first call reads nothing.
int64_t host_gather(int32_t fd, uint8_t *buffer, uint64_t size, uint32_t most);
int64_t host_read(int32_t fd, uint8_t *bytes, uint64_t count);

// Bytes written, perhaps fewer than count; -HOST_EAGAIN when nothing can be taken now.
int64_t host_write(int32_t fd, const uint8_t *bytes, uint64_t count);

// As host_read and host_write, at an offset (pread, pwrite).
int64_t host_read_at(int32_t fd, uint8_t *bytes, uint64_t count, uint64_t offset);
int64_t host_write_at(int32_t fd, const uint8_t *bytes, uint64_t count, uint64_t offset);

// A pipe, close-on-exec: ends[0] is read, ends[1] is written.
int32_t host_pipe(int32_t *ends);

int32_t host_set_nonblocking(int32_t fd, int32_t on);

// 1 when fd is a terminal, else 0.
int32_t host_is_terminal(int32_t fd);

// Columns and rows of the terminal fd.
int32_t host_terminal_size(int32_t fd, uint16_t *columns, uint16_t *rows);

// Makes the terminal fd raw, and keeps its former settings in saved (HOST_TERMINAL_BYTES or more).
enum { HOST_TERMINAL_BYTES = 256 };
int32_t host_terminal_raw(int32_t fd, uint8_t *saved);
int32_t host_terminal_restore(int32_t fd, const uint8_t *saved);

// One entry of a poll(2) set; laid out as struct pollfd is.
struct host_watch {
  int32_t fd;
  int16_t interest;
  int16_t ready;
};

enum {
  HOST_READABLE = 1,
  HOST_WRITABLE = 4,
  HOST_FAILED = 8,
  HOST_HUNG_UP = 16,
  HOST_INVALID = 32,
};

// How many entries are ready. timeout_ms < 0 waits without end. Returns 0 when a signal came.
int32_t host_poll(struct host_watch *set, uint32_t count, int32_t timeout_ms);

// Writing to a pipe or socket that nobody reads is an error from now on, and no signal.
void host_ignore_broken_pipes(void);

// Installs a handler for each signal that writes its number to a pipe. The first call makes the
// pipe; the result is the end to read, one byte a signal.
int32_t host_watch_signals(const int32_t *signals, uint32_t count);

// Puts every signal back to its default. For the side of a fork that runs no loop.
void host_reset_signals(void);

enum {
  HOST_SIGHUP = 1,
  HOST_SIGINT = 2,
  HOST_SIGKILL = 9,
  HOST_SIGUSR1 = 10,
  HOST_SIGTERM = 15,
  HOST_SIGCHLD = 17,
  HOST_SIGWINCH = 28,
};
