// The agent's side: descriptors, signals, the control socket, and what the kernel can do.
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "sandbox_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int32_t host_sandbox_receive(int32_t socket, struct host_event *event, int32_t *descriptor) {
  int descriptors[HOST_MOST_PASSED], count;
  ssize_t got = host_sandbox_accept(socket, event, sizeof *event, descriptors, &count);
  *descriptor = -1;
  if (got < 0) return -errno;
  if (count == 1) {
    *descriptor = descriptors[0];
    fcntl(*descriptor, F_SETFL, fcntl(*descriptor, F_GETFL) | O_NONBLOCK);
  }
  for (int index = 0; count > 1 && index < count; index++) close(descriptors[index]);
  return got == sizeof *event;
}

int32_t host_sandbox_send(int32_t socket, uint32_t kind, uint32_t a, uint32_t b) {
  struct host_command command = {kind, a, b};
  ssize_t done;
  while ((done = send(socket, &command, sizeof command, MSG_NOSIGNAL)) < 0 && errno == EINTR) {
  }
  return done < 0 ? -errno : 0;
}

int32_t host_sandbox_send_program(int32_t socket, uint32_t id, uint32_t counts, const uint8_t *texts,
                                  uint64_t size, const int32_t *descriptors) {
  struct host_command command = {HOST_COMMAND_EXECUTE, id, counts};
  struct iovec parts[2] = {{&command, sizeof command}, {(void *)(uintptr_t)texts, (size_t)size}};
  ssize_t done = host_sandbox_pass(socket, parts, 2, descriptors, descriptors ? 3 : 0);
  return done < 0 ? -errno : 0;
}

int32_t host_sandbox_send_collect(int32_t socket, const uint8_t *path, uint64_t size, uint64_t limit,
                                  int32_t output) {
  struct host_command command = {HOST_COMMAND_COLLECT, (uint32_t)limit, (uint32_t)(limit >> 32)};
  struct iovec parts[2] = {{&command, sizeof command}, {(void *)(uintptr_t)path, (size_t)size}};
  ssize_t done = host_sandbox_pass(socket, parts, 2, &output, 1);
  return done < 0 ? -errno : 0;
}

int32_t host_sandbox_wait_readable(int32_t descriptor, int32_t timeout_ms) {
  struct pollfd watched = {descriptor, POLLIN, 0};
  int ready = poll(&watched, 1, timeout_ms);
  return ready < 0 ? -errno : ready;
}

int32_t host_sandbox_kill(int32_t pid, int32_t number) {
  return kill(pid, number) == 0 ? 0 : -errno;
}

int32_t host_sandbox_reap(int32_t pid, int32_t *status) {
  int value = 0;
  pid_t got;
  while ((got = waitpid(pid, &value, WNOHANG)) < 0 && errno == EINTR) {
  }
  if (got < 0) return -errno;
  *status = value;
  return got == pid;
}

int32_t host_sandbox_wait_end(int32_t pid, int32_t timeout_ms) {
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
  int fd = (int)syscall(SYS_pidfd_open, pid, 0u);
  if (fd < 0) return -errno;
  int32_t ended = host_sandbox_wait_readable(fd, timeout_ms);
  close(fd);
  return ended;
}

void host_sandbox_sleep_us(uint32_t us) {
  struct timespec wait = {us / 1000000, (long)(us % 1000000) * 1000};
  nanosleep(&wait, NULL);
}

int32_t host_sandbox_pipe(int32_t ends[2], uint32_t nonblocking) {
  int made[2];
  if (pipe2(made, O_CLOEXEC) != 0) return -errno;
  for (int index = 0; index < 2; index++) {
    ends[index] = made[index];
    if (nonblocking >> index & 1) fcntl(made[index], F_SETFL, O_NONBLOCK);
  }
  return 0;
}

int32_t host_sandbox_reopen(int32_t descriptor) {
  char path[32] = "/proc/self/fd/";
  int at = 14, unit = 1;
  while (descriptor / unit >= 10) unit *= 10;
  for (; unit > 0; unit /= 10) path[at++] = (char)('0' + descriptor / unit % 10);
  // A pipe that nobody writes to would be waited for.
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -errno;
  fcntl(fd, F_SETFL, 0);
  return fd;
}

int32_t host_sandbox_socketpair(int32_t ends[2]) {
  int made[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, made) != 0) return -errno;
  fcntl(made[0], F_SETFL, O_NONBLOCK);
  ends[0] = made[0];
  ends[1] = made[1];
  return 0;
}

int32_t host_sandbox_set_size(int32_t terminal, uint32_t rows, uint32_t columns) {
  struct winsize size = {(unsigned short)rows, (unsigned short)columns, 0, 0};
  return ioctl(terminal, TIOCSWINSZ, &size) == 0 ? 0 : -errno;
}

uint32_t host_sandbox_uid(void) { return geteuid(); }
uint32_t host_sandbox_gid(void) { return getegid(); }

int32_t host_sandbox_release(uint8_t *buffer, uint32_t size) {
  struct utsname name;
  if (uname(&name) != 0) return -errno;
  size_t length = strlen(name.release);
  if (length > size) return -ERANGE;
  memcpy(buffer, name.release, length);
  return (int32_t)length;
}

int32_t host_sandbox_has_seccomp(void) {
  // EFAULT for the missing program means that the mode itself is known; EINVAL that it is not.
  return prctl(PR_SET_SECCOMP, 2, NULL, 0, 0) != 0 && errno == EFAULT;
}

static int put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t done = write(fd, text, strlen(text));
  close(fd);
  return done < 0 ? -1 : 0;
}

// Maps 1 inside to the given identity outside.
static int map_ids(uint32_t uid, uint32_t gid) {
  char map[32];
  memset(map, 0, sizeof map);
  uint32_t ids[2] = {uid, gid};
  const char *files[2] = {"/proc/self/uid_map", "/proc/self/gid_map"};
  put("/proc/self/setgroups", "deny");
  for (int which = 0; which < 2; which++) {
    char digits[12];
    int count = 0;
    size_t at = 0;
    uint32_t value = ids[which];
    do digits[count++] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    map[at++] = '1';
    map[at++] = ' ';
    while (count > 0) map[at++] = digits[--count];
    memcpy(map + at, " 1", 3);
    if (put(files[which], map) != 0) return -1;
  }
  return 0;
}

// Mounts a /proc of its own inside the namespaces that the caller has just made.
static int try_proc(void) {
  pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0)
    _exit(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
          mount("proc", "/tmp", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0);
  int status = 1;
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status == 0 ? 0 : -1;
}

static int try_namespaces(uint64_t wanted, uint32_t uid, uint32_t gid) {
  if (uid != 0 && geteuid() == 0 && host_sandbox_private_id(uid, gid, 1) != 0) return -1;
  // Afterwards, nobody is anybody until the maps are written.
  uint32_t own[2] = {geteuid(), getegid()};
  int flags = (int)(wanted & 0x7e020080);
  if (flags != 0 && unshare(flags) != 0) return -1;
  if (wanted & HOST_PROBE_PROC) {
    if (wanted & 0x10000000 && map_ids(own[0], own[1]) != 0) return -1;
    return try_proc();
  }
  return 0;
}

uint64_t host_sandbox_probe(uint64_t wanted, uint32_t uid, uint32_t gid) {
  uint64_t found = 0;
  // Each kind is tried alone: the kernel answers only for all flags of a call together.
  const uint64_t user = wanted & 0x10000000;
  for (int bit = 0; bit < 32; bit++) {
    uint64_t flag = UINT64_C(1) << bit;
    if (!(wanted & flag)) continue;
    pid_t pid = fork();
    if (pid == 0) _exit(try_namespaces(flag | user, uid, gid) == 0 ? 0 : 1);
    int status = 1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (status == 0) found |= flag;
  }
  if (wanted & HOST_PROBE_PROC) {
    pid_t pid = fork();
    if (pid == 0) _exit(try_namespaces(user | CLONE_NEWNS | CLONE_NEWPID | HOST_PROBE_PROC, uid, gid) != 0);
    int status = 1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (status == 0) found |= HOST_PROBE_PROC;
  }
  return found;
}
