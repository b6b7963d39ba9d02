// The network namespace of a sandbox: the zygote makes it ahead while nobody asks for anything, or the first
// child makes it, beside process 1.
#define _GNU_SOURCE
#include "sandbox_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char own[] = "/proc/self/ns/net";
// Of the zygote: a namespace that nobody has been in yet; of its fork: the same one.
static int ahead = -1;
static int has_network;

static int fail(void) { return errno ? errno : EIO; }

static int loopback_up(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail();
  struct ifreq request;
  memset(&request, 0, sizeof request);
  memcpy(request.ifr_name, "lo", 3);
  int code = 0;
  if (ioctl(fd, SIOCGIFFLAGS, &request) != 0) code = fail();
  request.ifr_flags |= IFF_UP | IFF_RUNNING;
  if (code == 0 && ioctl(fd, SIOCSIFFLAGS, &request) != 0) code = fail();
  close(fd);
  return code;
}

void host_sandbox_ready_network(void) {
  if (ahead >= 0) return;
  int home = open(own, O_RDONLY | O_CLOEXEC);
  if (home < 0) return;
  // Only root may; elsewhere it is made in the sandbox's own user namespace.
  if (unshare(CLONE_NEWNET) == 0) {
    if (loopback_up() == 0) ahead = open(own, O_RDONLY | O_CLOEXEC);
    // A zygote that cannot leave would hold a job's network after its end.
    if (setns(home, CLONE_NEWNET) != 0) _exit(115);
  }
  close(home);
}

void host_sandbox_drop_network(void) {
  if (ahead >= 0) close(ahead);
  ahead = -1;
}

void host_sandbox_place_network(int descriptor) {
  if (ahead < 0)
    close(descriptor);
  else
    ahead = dup3(ahead, descriptor, O_CLOEXEC);
}

int32_t host_sandbox_take_network(void) {
  if (ahead < 0) return 0;
  int32_t code = setns(ahead, CLONE_NEWNET) == 0 ? 0 : fail();
  host_sandbox_drop_network();
  has_network = code == 0;
  return code;
}

int32_t host_sandbox_make_network(void) {
  if (has_network) return 0;
  return unshare(CLONE_NEWNET) == 0 ? loopback_up() : fail();
}

int32_t host_sandbox_has_network(void) { return has_network; }
