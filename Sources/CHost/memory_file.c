#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "chost.h"

int32_t host_memory_file(void) {
#ifdef SYS_memfd_create
  int fd = (int)syscall(SYS_memfd_create, "zennet", 1u /* MFD_CLOEXEC */);
  if (fd >= 0 || errno != ENOSYS) return fd >= 0 ? fd : -errno;
#endif
  char path[] = "/dev/shm/zennet-XXXXXX";
  int file = mkostemp(path, O_CLOEXEC);
  if (file < 0) return -errno;
  if (unlink(path) != 0) {
    int32_t error = -errno;
    close(file);
    return error;
  }
  return file;
}
