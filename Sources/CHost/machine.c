#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "chost.h"
#include "text.h"

uint64_t host_monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// For tests of a clock that is wrong: ZENNET_CLOCK names a file with seconds to be added.
static int64_t clock_offset(void) {
  const char *path = getenv("ZENNET_CLOCK");
  if (!path) return 0;
  char text[32] = "";
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  int64_t got = host_read(fd, (uint8_t *)text, sizeof text - 1);
  close(fd);
  return got > 0 ? strtoll(text, NULL, 10) : 0;
}

uint64_t host_unix_time(uint32_t *nanoseconds) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  *nanoseconds = (uint32_t)now.tv_nsec;
  int64_t seconds = (int64_t)now.tv_sec + clock_offset();
  return seconds < 0 ? 0 : (uint64_t)seconds;
}

// Linux before 3.17 has no getrandom(2).
static int32_t random_device(uint8_t *bytes, uint64_t count) {
  int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int64_t done = 0;
  while (count > 0 && (done = host_read(fd, bytes, count)) > 0) {
    bytes += done;
    count -= (uint64_t)done;
  }
  close(fd);
  return count == 0 ? 0 : done < 0 ? (int32_t)done : -EIO;
}

int32_t host_random(uint8_t *bytes, uint64_t count) {
  while (count > 0) {
    ssize_t done = getrandom(bytes, count < 256 ? (size_t)count : 256, 0);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno == ENOSYS ? random_device(bytes, count) : -errno;
    bytes += done;
    count -= (uint64_t)done;
  }
  return 0;
}

void host_error_text(int32_t error, char *text, uint32_t capacity) {
  if (capacity == 0) return;
  struct text words = {text, capacity, 0};
  text_add(&words, strerror(error));
}

uint32_t host_processors(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
    return (uint32_t)CPU_COUNT(&set);
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (uint32_t)online : 1;
}

uint64_t host_memory_kib(void) {
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 1024 : 0;
}

// A program of 32 bits under a kernel of 64.
static const char *own_kind(const char *machine) {
#if defined(__i386__)
  if (strcmp(machine, "x86_64") == 0) return "i686";
#elif defined(__arm__)
  if (strcmp(machine, "aarch64") == 0) return "armv8l";
#endif
  return machine;
}

int32_t host_system_name(char *machine, char *release, uint32_t capacity) {
  struct utsname name;
  if (uname(&name) != 0) return -errno;
  if (capacity > 0) {
    struct text first = {machine, capacity, 0}, second = {release, capacity, 0};
    text_add(&first, own_kind(name.machine));
    text_add(&second, name.release);
  }
  return 0;
}

uint64_t host_peak_resident_kib(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0 || usage.ru_maxrss < 0) return 0;
  return (uint64_t)usage.ru_maxrss;
}

void host_log(const uint8_t *bytes, uint64_t count) {
  host_keep_last_line(bytes, count);
  int waits = 2;
  while (count > 0) {
    int64_t done = host_write(2, bytes, count);
    if (done == -EAGAIN && waits-- > 0) {
      struct host_watch watch = {2, HOST_WRITABLE, 0};
      host_poll(&watch, 1, 250);
      continue;
    }
    if (done <= 0) return;
    bytes += done;
    count -= (uint64_t)done;
  }
}
