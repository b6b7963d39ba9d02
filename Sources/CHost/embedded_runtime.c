// What Embedded Swift's runtime wants from libc and musl does not have: static builds only.
#ifdef ZENNET_STATIC
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

// Swift seeds the hashing of dictionaries and sets with it.
void arc4random_buf(void *buffer, size_t count);

void arc4random_buf(void *buffer, size_t count) {
  unsigned char *next = buffer;
  int device = -1;  // Linux before 3.17 has no getrandom
  while (count > 0) {
    ssize_t got = device < 0 ? getrandom(next, count, 0) : read(device, next, count);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOSYS && device < 0) {
      device = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
      if (device >= 0) continue;
    }
    if (got <= 0) abort();
    next += got;
    count -= (size_t)got;
  }
  if (device >= 0) close(device);
}
#else
// An ordinary build's libc has it all; a file must hold something.
typedef int host_embedded_runtime_is_for_static_builds;
#endif
