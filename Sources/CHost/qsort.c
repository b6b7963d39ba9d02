// musl's getaddrinfo sorts some dozens of addresses; libc's qsort weighs 3 KB on i686.
#ifdef ZENNET_STATIC
#include <stddef.h>
#include <stdlib.h>

static void exchange(char *left, char *right, size_t size) {
  for (size_t at = 0; at < size; at++) {
    char held = left[at];
    left[at] = right[at];
    right[at] = held;
  }
}

void qsort(
    void *start, size_t count, size_t size, int (*compare)(const void *left, const void *right)) {
  char *first = start;
  for (size_t taken = 1; taken < count; taken++)
    for (char *at = first + taken * size; at > first && compare(at - size, at) > 0; at -= size)
      exchange(at - size, at, size);
}
#endif
