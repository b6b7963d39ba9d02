// What Embedded Swift's runtime wants from libc and musl does not have: static builds only.
#ifdef ZENNET_STATIC
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>

// Swift seeds the hashing of dictionaries and sets with it.
void arc4random_buf(void *buffer, size_t count);

void arc4random_buf(void *buffer, size_t count) {
  unsigned char *next = buffer;
  while (count > 0) {
    ssize_t got = getrandom(next, count, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      abort();
    }
    next += got;
    count -= (size_t)got;
  }
}
#else
// An ordinary build's libc has it all; a file must hold something.
typedef int host_embedded_runtime_is_for_static_builds;
#endif
