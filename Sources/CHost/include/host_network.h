// Sockets. Every socket made here is non-blocking and close-on-exec.
#pragma once
#include <stdint.h>

// An address: byte 0 is 4, 6 or 0 (a Unix socket); byte 1 is zero; bytes 2 and 3 are the port, most
// significant first; bytes 4 to 19 are the address, an IPv4 one in the first four.
enum { HOST_ADDRESS_BYTES = 20 };

// Reads a numeric IPv4 or IPv6 address; -EINVAL for anything else. The port is set to zero.
int32_t host_address_parse(const char *text, uint8_t *address);
// Writes a numeric address without its port, NUL-terminated; capacity 48 is enough.
int32_t host_address_text(const uint8_t *address, char *text, uint32_t capacity);

// Looks a host name up in a child process, since getaddrinfo(3) blocks. The result is a descriptor,
// non-blocking, from which up to 8 addresses of HOST_ADDRESS_BYTES can be read until it ends; none
// means that the name is unknown. Afterwards end the child with host_resolve_end.
int32_t host_resolve(const char *name, uint16_t port, int32_t *child);
void host_resolve_end(int32_t child);

int32_t host_tcp_listen(const uint8_t *address, int32_t backlog);
int32_t host_tcp_connect(const uint8_t *address);
int32_t host_unix_listen(const char *path, uint32_t mode, int32_t backlog);
int32_t host_unix_connect(const char *path);

int32_t host_accept(int32_t fd, uint8_t *address);
int32_t host_local_address(int32_t fd, uint8_t *address);
// The pending error of a socket, as after a non-blocking connect: 0 or -errno.
int32_t host_socket_error(int32_t fd);
// No more will be written.
int32_t host_shutdown_writing(int32_t fd);
// The next close discards what was not sent, and tells the peer at once.
int32_t host_abort_on_close(int32_t fd);
// User id of the process at the other end of a Unix socket.
int32_t host_peer_user(int32_t fd, uint32_t *user);
