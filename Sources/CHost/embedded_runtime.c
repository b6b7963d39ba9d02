// What Embedded Swift's runtime wants from libc and musl does not have: static builds only.
#ifdef ZENNET_STATIC
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "chost.h"
#include "text.h"

static int32_t status_without_memory;

void host_exit_without_memory(int32_t status) { status_without_memory = status; }

// The agent is linked with `--wrap` for three of musl's functions: every call of `free`, by Swift or a
// library, goes to `__wrap_free`; `__real_free` is musl's own.
int host_allocate(void **memory, size_t alignment, size_t size) __asm__("__wrap_posix_memalign");
void host_release(void *memory) __asm__("__wrap_free");
void *host_resize(void *memory, size_t size) __asm__("__wrap_realloc");
int musl_allocate(void **memory, size_t alignment, size_t size) __asm__("__real_posix_memalign");
void musl_release(void *memory) __asm__("__real_free");

// All that Swift allocates comes from here. Swift traps silently where an allocation fails.
int host_allocate(void **memory, size_t alignment, size_t size) {
  int result = musl_allocate(memory, alignment, size);
  if (result == 0 || status_without_memory == 0) return result;
  char bytes[80];
  struct text text = {bytes, sizeof bytes, 0};
  text_add(&text, "zennet-agent: out of memory: ");
  text_add_number(&text, size);
  text_add(&text, " bytes were refused\n");
  ssize_t ignored = write(2, bytes, text.length);
  (void)ignored;
  _exit(status_without_memory);
}

// A process that only unpacks and executes does not overwrite what it releases: its memory goes as a
// whole, and to touch pages of it that nothing was written to would be most of its work.
static int keeps_released;

void host_keep_released_memory(void) { keeps_released = 1; }

// Overwrites every released block, so that no task's data, key or message remains in this program's
// memory.
void host_release(void *memory) {
  if (memory && !keeps_released) explicit_bzero(memory, malloc_usable_size(memory));
  musl_release(memory);
}

// musl's realloc would release a moved block without overwriting it.
void *host_resize(void *memory, size_t size) {
  void *larger = malloc(size);
  if (!larger || !memory) return larger;
  size_t held = malloc_usable_size(memory);
  memcpy(larger, memory, held < size ? held : size);
  host_release(memory);
  return larger;
}

int32_t host_erases_released(void) { return 1; }

int32_t host_has_byte(const uint8_t *bytes, uint64_t count, uint8_t value) {
  // Volatile: the compiler must not assume the contents of a released block.
  const volatile uint8_t *each = bytes;
  for (uint64_t at = 0; at < count; at++)
    if (each[at] == value) return 1;
  return 0;
}

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
#include "chost.h"
#include "text.h"

// The ordinary runtime says by itself what it could not allocate.
void host_exit_without_memory(int32_t status) { (void)status; }
void host_keep_released_memory(void) {}
int32_t host_erases_released(void) { return 0; }
int32_t host_has_byte(const uint8_t *bytes, uint64_t count, uint8_t value) {
  (void)bytes, (void)count, (void)value;
  return 0;
}
#endif
