// What is done beside process 1 while it mounts. The network namespace takes as long to make as everything
// that is mounted, so the first child makes it and hands it over; it also unmounts the old root, for which
// the kernel waits for all of its processors. The agent makes the cgroups.
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "sandbox_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONTROL = 3, MOST = HOST_MOST_PASSED };

union control {
  struct cmsghdr header;
  char space[CMSG_SPACE(MOST * sizeof(int))];
};

ssize_t host_sandbox_pass(int socket, struct iovec *parts, size_t parts_count, const int *descriptors,
                          int count) {
  union control control;
  memset(&control, 0, sizeof control);
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = parts;
  message.msg_iovlen = parts_count;
  size_t length = (size_t)count * sizeof(int);
  if (count > 0) {
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(length);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(&control.header), descriptors, length);
  }
  ssize_t done;
  while ((done = sendmsg(socket, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR) {
  }
  return done;
}

ssize_t host_sandbox_accept(int socket, void *bytes, size_t size, int descriptors[MOST], int *count) {
  struct iovec part = {bytes, size};
  union control control;
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  ssize_t got;
  while ((got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
  }
  *count = 0;
  struct cmsghdr *header = got < 0 ? NULL : CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_type == SCM_RIGHTS) {
    size_t length = header->cmsg_len - CMSG_LEN(0);
    memcpy(descriptors, CMSG_DATA(header), length);
    *count = (int)(length / sizeof(int));
  }
  return got;
}

static int has_joined, has_gone;
// Processor time of this process when it had been told to go on, and of the first child when it was done.
static uint64_t joined_ns, first_ns;

uint64_t host_sandbox_own_ns(void) {
  // Either it entered the cgroups by itself, or it was born in them, as the first child was there.
  uint64_t used = host_own_cpu_ns();
  if (!has_joined) return used + first_ns;
  return used > joined_ns ? used - joined_ns : 0;
}

struct done {
  uint64_t cpu_ns;
  int64_t code;
};

int32_t host_sandbox_open_beside(struct host_beside *beside) {
  // Before process 1 changes the root of both.
  beside->own = open("/proc/self/ns", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (beside->own < 0) return -errno;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, beside->channel) == 0) return 0;
  int code = errno;
  close(beside->own);
  return -code;
}

void host_sandbox_beside(const struct host_plan *plan, const struct host_beside *beside, int32_t pid) {
  close(beside->channel[0]);
  int32_t code = 0;
  int made = -1;
  if (host_sandbox_take(plan, HOST_PHASE_BESIDE, &code) < 0 && !host_sandbox_has_network()) {
    made = openat(beside->own, "net", O_RDONLY | O_CLOEXEC);
    if (made < 0) code = errno;
  }
  // The agent hears of process 1 first by its pid: that one says nothing before it has heard from here.
  host_sandbox_tell(HOST_EVENT_INIT, (uint32_t)pid, 0, 0);
  char has_root = 0;
  if (code == 0)
    while (recv(beside->channel[1], &has_root, 1, 0) < 0 && errno == EINTR) {
    }
  if (has_root) host_sandbox_take(plan, HOST_PHASE_LAST, &code);
  struct done done = {host_own_cpu_ns(), code};
  struct iovec part = {&done, sizeof done};
  host_sandbox_pass(beside->channel[1], &part, 1, &made, code == 0 && made >= 0);
}

static int channel = -1;

void host_sandbox_tell_root(char has_root) {
  if (channel >= 0 && send(channel, &has_root, 1, MSG_NOSIGNAL) < 0) {
  }
}

void host_sandbox_keep_beside(const struct host_beside *beside) {
  close(beside->own);
  close(beside->channel[1]);
  channel = beside->channel[0];
}

int32_t host_sandbox_join_network(void) {
  if (channel < 0) return 0;
  struct done done;
  int made[MOST], count;
  ssize_t got = host_sandbox_accept(channel, &done, sizeof done, made, &count);
  close(channel);
  channel = -1;
  if (got != sizeof done) return EPIPE;  // it died
  int32_t code = (int32_t)done.code;
  first_ns = done.cpu_ns;
  if (count == 0 && code == 0 && host_sandbox_has_network()) return 0;  // born in it
  if (count != 1) return code ? code : EPROTO;
  code = setns(made[0], CLONE_NEWNET) == 0 ? 0 : errno;
  close(made[0]);
  return code;
}

int32_t host_sandbox_admit(int32_t socket, const uint8_t *paths, uint32_t count) {
  int files[MOST];
  uint32_t opened = 0;
  int32_t code = count > MOST ? -E2BIG : 0;
  for (const char *path = (const char *)paths; code == 0 && opened < count; path += strlen(path) + 1) {
    files[opened] = open(path, O_WRONLY | O_CLOEXEC);
    if (files[opened] < 0)
      code = -errno;
    else
      opened++;
  }
  struct host_command command = {HOST_COMMAND_GO, 0, 0};
  struct iovec part = {&command, sizeof command};
  if (code == 0 && host_sandbox_pass(socket, &part, 1, files, (int)count) < 0) code = -errno;
  while (opened > 0) close(files[--opened]);
  return code;
}

// Ends with the agent, or where it has given up.
static int receive_go(int files[MOST]) {
  struct host_command command;
  int count;
  ssize_t got = host_sandbox_accept(CONTROL, &command, sizeof command, files, &count);
  if (got != sizeof command || command.kind != HOST_COMMAND_GO) _exit(112);
  return count;
}

void host_sandbox_wait(void) {
  int none[MOST];
  receive_go(none);
}

int32_t host_sandbox_await_go(void) {
  has_gone = 1;
  host_sandbox_wait();
  return 0;
}

// Whoever opened them decides whether this process may enter: the agent did.
int32_t host_sandbox_join_cgroups(void) {
  has_joined = 1;
  int files[MOST];
  int count = receive_go(files);
  int32_t code = 0;
  for (int index = 0; index < count; index++) {
    if (code == 0 && write(files[index], "0", 1) != 1) code = errno ? errno : EIO;
    close(files[index]);
  }
  joined_ns = host_own_cpu_ns();
  return code;
}

void host_sandbox_hear_out(const struct host_plan *plan) {
  for (uint32_t index = 0; index < plan->count; index++) {
    uint32_t operation = plan->steps[index].operation;
    if (operation == HOST_JOIN_CGROUPS && !has_joined) host_sandbox_join_cgroups();
    if (operation == HOST_AWAIT_GO && !has_gone) host_sandbox_await_go();
  }
}
