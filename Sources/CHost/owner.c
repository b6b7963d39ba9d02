#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "chost.h"

int32_t host_input_open(const char *path) {
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int32_t host_input_waits(int32_t fd) {
  struct pollfd watched = {fd, POLLIN, 0};
  return poll(&watched, 1, 0) == 1;
}

int32_t host_accessed(const char *path, uint64_t *unix_seconds) {
  struct stat found;
  if (stat(path, &found) != 0) return -errno;
  *unix_seconds = found.st_atime < 0 ? 0 : (uint64_t)found.st_atime;
  return 0;
}

uint32_t host_minute_of_day(uint64_t unix_seconds) {
  time_t seconds = (time_t)unix_seconds;
  struct tm parts;
  if (!localtime_r(&seconds, &parts)) return 0;
  return (uint32_t)(parts.tm_hour * 60 + parts.tm_min);
}

uint64_t host_own_cpu_ns(void) {
  struct timespec used = {0, 0};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}
