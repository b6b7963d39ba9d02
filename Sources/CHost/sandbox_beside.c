// The network namespace takes as long to make as everything that is mounted. So the first child makes it
// while process 1 mounts, and hands it over.
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "sandbox_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int32_t host_sandbox_open_beside(struct host_beside *beside) {
  // Before process 1 changes the root of both.
  beside->own = open("/proc/self/ns", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (beside->own < 0) return -errno;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, beside->channel) == 0) return 0;
  int code = errno;
  close(beside->own);
  return -code;
}

void host_sandbox_beside(const struct host_plan *plan, const struct host_beside *beside) {
  close(beside->channel[0]);
  int32_t code = 0;
  int made = -1;
  if (host_sandbox_take(plan, HOST_PHASE_BESIDE, &code) < 0) {
    made = openat(beside->own, "net", O_RDONLY | O_CLOEXEC);
    if (made < 0) code = errno;
  }
  struct iovec part = {&code, sizeof code};
  union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control;
  memset(&control, 0, sizeof control);
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (made >= 0) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &made, sizeof made);
  }
  while (sendmsg(beside->channel[1], &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

static int channel = -1;

void host_sandbox_keep_beside(const struct host_beside *beside) {
  close(beside->own);
  close(beside->channel[1]);
  channel = beside->channel[0];
}

int32_t host_sandbox_join_network(void) {
  if (channel < 0) return 0;
  int32_t code = 0;
  struct iovec part = {&code, sizeof code};
  union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control;
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  ssize_t got;
  while ((got = recvmsg(channel, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
  }
  close(channel);
  channel = -1;
  if (got != sizeof code) return EPIPE;  // it died
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int)))
    return code ? code : EPROTO;
  int made;
  memcpy(&made, CMSG_DATA(header), sizeof made);
  code = setns(made, CLONE_NEWNET) == 0 ? 0 : errno;
  close(made);
  return code;
}
