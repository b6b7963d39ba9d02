#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chost.h"
#include "text.h"

union socket_address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  struct sockaddr_un local;
};

static int to_socket(const uint8_t *address, union socket_address *out, socklen_t *size) {
  memset(out, 0, sizeof *out);
  if (address[0] == 4) {
    out->v4.sin_family = AF_INET;
    memcpy(&out->v4.sin_port, address + 2, 2);
    memcpy(&out->v4.sin_addr, address + 4, 4);
    *size = sizeof out->v4;
  } else if (address[0] == 6) {
    out->v6.sin6_family = AF_INET6;
    memcpy(&out->v6.sin6_port, address + 2, 2);
    memcpy(&out->v6.sin6_addr, address + 4, 16);
    *size = sizeof out->v6;
  } else {
    return -EAFNOSUPPORT;
  }
  return 0;
}

static void from_socket(const struct sockaddr *in, uint8_t *address) {
  memset(address, 0, HOST_ADDRESS_BYTES);
  if (in->sa_family == AF_INET) {
    const struct sockaddr_in *v4 = (const void *)in;
    address[0] = 4;
    memcpy(address + 2, &v4->sin_port, 2);
    memcpy(address + 4, &v4->sin_addr, 4);
  } else if (in->sa_family == AF_INET6) {
    const struct sockaddr_in6 *v6 = (const void *)in;
    address[0] = 6;
    memcpy(address + 2, &v6->sin6_port, 2);
    memcpy(address + 4, &v6->sin6_addr, 16);
  }
}

int32_t host_address_parse(const char *text, uint8_t *address) {
  memset(address, 0, HOST_ADDRESS_BYTES);
  address[0] = 4;
  if (inet_pton(AF_INET, text, address + 4) == 1) return 0;
  address[0] = 6;
  if (inet_pton(AF_INET6, text, address + 4) == 1) return 0;
  return -EINVAL;
}

static void add_ipv4(struct text *text, const uint8_t *bytes) {
  for (int i = 0; i < 4; i++) {
    if (i > 0) text_add(text, ".");
    text_add_number(text, bytes[i]);
  }
}

// RFC 5952: the first of the longest runs of zero groups is left out, if it has two or more.
static void add_ipv6(struct text *text, const uint8_t *bytes) {
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
  if (memcmp(bytes, mapped, sizeof mapped) == 0) {
    text_add(text, "::ffff:");
    return add_ipv4(text, bytes + 12);
  }
  int run = -1, longest = 1;
  for (int i = 0, count = 0; i < 8; i++) {
    count = bytes[2 * i] == 0 && bytes[2 * i + 1] == 0 ? count + 1 : 0;
    if (count > longest) longest = count, run = i + 1 - count;
  }
  for (int i = 0; i < 8; i++) {
    if (i == run) {
      text_add(text, "::");
      i += longest - 1;
      continue;
    }
    if (i > 0 && (run < 0 || i != run + longest)) text_add(text, ":");
    text_add_hex(text, (uint32_t)bytes[2 * i] << 8 | bytes[2 * i + 1]);
  }
}

int32_t host_address_text(const uint8_t *address, char *text, uint32_t capacity) {
  if (address[0] != 4 && address[0] != 6) return -EAFNOSUPPORT;
  // Not inet_ntop, which brings stdio's formatting.
  char bytes[INET6_ADDRSTRLEN];
  struct text words = {bytes, sizeof bytes, 0};
  if (address[0] == 4) add_ipv4(&words, address + 4);
  else add_ipv6(&words, address + 4);
  if (words.length >= capacity) return -ENOSPC;
  memcpy(text, bytes, words.length + 1);
  return 0;
}

static void resolve_and_exit(const char *name, uint16_t port, int out)
    __attribute__((noreturn));

static void resolve_and_exit(const char *name, uint16_t port, int out) {
  struct addrinfo hints, *list = NULL;
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  uint8_t found[24 * HOST_ADDRESS_BYTES];
  size_t used = 0;
  if (getaddrinfo(name, NULL, &hints, &list) == 0) {
    for (struct addrinfo *one = list; one && used < sizeof found; one = one->ai_next) {
      uint8_t *slot = found + used;
      from_socket(one->ai_addr, slot);
      if (slot[0] == 0) continue;
      slot[2] = (uint8_t)(port >> 8);
      slot[3] = (uint8_t)port;
      used += HOST_ADDRESS_BYTES;
    }
  }
  // Less than a pipe's buffer: one write, all or nothing.
  ssize_t ignored = write(out, found, used);
  (void)ignored;
  _exit(0);
}

int32_t host_resolve(const char *name, uint16_t port, int32_t *child) {
  int32_t ends[2];
  int32_t made = host_pipe(ends);
  if (made < 0) return made;
  pid_t pid = fork();
  if (pid < 0) {
    int error = errno;
    close(ends[0]);
    close(ends[1]);
    return -error;
  }
  if (pid == 0) {
    host_reset_signals();
    close(ends[0]);
    alarm(30);
    resolve_and_exit(name, port, ends[1]);
  }
  close(ends[1]);
  host_set_nonblocking(ends[0], 1);
  *child = pid;
  return ends[0];
}

void host_resolve_end(int32_t child) {
  int32_t status;
  if (child <= 0) return;
  host_kill(child, SIGKILL);
  host_wait(child, 1, &status);
}

static int new_socket(int family) {
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return fd < 0 ? -errno : fd;
}

static int32_t close_with(int fd, int error) {
  close(fd);
  return -error;
}

static void no_delay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int32_t host_tcp_listen(const uint8_t *address, int32_t backlog) {
  union socket_address to;
  socklen_t size;
  int bad = to_socket(address, &to, &size);
  if (bad < 0) return bad;
  int fd = new_socket(to.any.sa_family), on = 1;
  if (fd < 0) return fd;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, &to.any, size) != 0 || listen(fd, backlog) != 0) return close_with(fd, errno);
  return fd;
}

int32_t host_tcp_connect(const uint8_t *address) {
  union socket_address to;
  socklen_t size;
  int bad = to_socket(address, &to, &size);
  if (bad < 0) return bad;
  int fd = new_socket(to.any.sa_family);
  if (fd < 0) return fd;
  no_delay(fd);
  // An interrupted connect goes on by itself.
  if (connect(fd, &to.any, size) != 0 && errno != EINPROGRESS && errno != EINTR)
    return close_with(fd, errno);
  return fd;
}

// unix(7): an address has room for 107 bytes. A longer path is named by its folder, which stays open as
// `folder` until the address was used; else that is -1.
static int to_local(const char *path, union socket_address *out, socklen_t *size, int *folder) {
  memset(out, 0, sizeof *out);
  *folder = -1;
  out->local.sun_family = AF_UNIX;
  struct text name = {out->local.sun_path, sizeof out->local.sun_path, 0};
  size_t length = strlen(path);
  if (length == 0) return -ENAMETOOLONG;
  if (length >= sizeof out->local.sun_path) {
    const char *last = strrchr(path, '/');
    char parent[4096];
    if (!last || (size_t)(last - path) >= sizeof parent) return -ENAMETOOLONG;
    memcpy(parent, path, (size_t)(last - path));
    parent[last - path] = 0;
    *folder = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*folder < 0) return -errno;
    text_add(&name, "/proc/self/fd/");
    text_add_number(&name, (uint64_t)*folder);
    path = last;
    if (name.length + strlen(path) >= name.capacity) return close_with(*folder, ENAMETOOLONG);
  }
  text_add(&name, path);
  *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name.length + 1);
  return 0;
}

// A socket file that nobody listens at was left by a process that died: it may be replaced.
static int is_abandoned(const char *path) {
  struct stat found;
  if (lstat(path, &found) != 0 || !S_ISSOCK(found.st_mode)) return 0;
  int32_t fd = host_unix_connect(path);
  if (fd >= 0) {
    close(fd);
    return 0;
  }
  return fd == -ECONNREFUSED;
}

static int32_t listen_at(
    const char *path, const union socket_address *to, socklen_t size, uint32_t mode,
    int32_t backlog) {
  int fd = new_socket(AF_UNIX);
  if (fd < 0) return fd;
  int bound = bind(fd, &to->any, size);
  if (bound != 0 && errno == EADDRINUSE) {
    if (!is_abandoned(path)) return close_with(fd, EADDRINUSE);
    unlink(path);
    bound = bind(fd, &to->any, size);
  }
  // Nobody can connect before listen, so the mode is in place in time.
  if (bound != 0 || chmod(path, mode) != 0 || listen(fd, backlog) != 0)
    return close_with(fd, errno);
  return fd;
}

int32_t host_unix_listen(const char *path, uint32_t mode, int32_t backlog) {
  union socket_address to;
  socklen_t size;
  int folder;
  int bad = to_local(path, &to, &size, &folder);
  if (bad < 0) return bad;
  int32_t fd = listen_at(path, &to, size, mode, backlog);
  if (folder >= 0) close(folder);
  return fd;
}

int32_t host_unix_connect(const char *path) {
  union socket_address to;
  socklen_t size;
  int folder;
  int bad = to_local(path, &to, &size, &folder);
  if (bad < 0) return bad;
  int fd = new_socket(AF_UNIX);
  int result = fd < 0 ? fd : connect(fd, &to.any, size);
  if (fd >= 0 && result != 0 && errno != EINPROGRESS) fd = close_with(fd, errno);
  if (folder >= 0) close(folder);
  return fd;
}

int32_t host_accept(int32_t fd, uint8_t *address) {
  union socket_address from;
  int made;
  do {
    socklen_t size = sizeof from;
    memset(&from, 0, sizeof from);
    made = accept4(fd, &from.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  } while (made < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (made < 0) return -errno;
  from_socket(&from.any, address);
  if (address[0] != 0) no_delay(made);
  return made;
}

int32_t host_local_address(int32_t fd, uint8_t *address) {
  union socket_address at;
  socklen_t size = sizeof at;
  memset(&at, 0, sizeof at);
  if (getsockname(fd, &at.any, &size) != 0) return -errno;
  from_socket(&at.any, address);
  return 0;
}

int32_t host_socket_error(int32_t fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return -errno;
  return -error;
}

int32_t host_shutdown_writing(int32_t fd) { return shutdown(fd, SHUT_WR) == 0 ? 0 : -errno; }

int32_t host_abort_on_close(int32_t fd) {
  struct linger linger = {1, 0};
  return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0 ? 0 : -errno;
}

int32_t host_peer_user(int32_t fd, uint32_t *user) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return -errno;
  *user = peer.uid;
  return 0;
}
