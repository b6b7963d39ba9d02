// Files that have no name and live in memory.
#pragma once
#include <stdint.h>

// An empty file of anonymous memory, close-on-exec, to be read and written at offsets. Kernels
// before 3.17 lack memfd_create(2): there it is an unlinked file of /dev/shm.
int32_t host_memory_file(void);
