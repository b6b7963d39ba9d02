// What tells whether somebody uses the machine.
#pragma once
#include <stdint.h>

// Opens an input device, to be asked by host_input_waits; nothing of it is ever read.
int32_t host_input_open(const char *path);
// 1 when something happened at the device since it was opened, or it is gone.
int32_t host_input_waits(int32_t fd);
// When the file was last read from: for a terminal, when somebody last typed. Seconds since 1970.
int32_t host_accessed(const char *path, uint64_t *unix_seconds);
// Minutes since midnight by the machine's own time zone.
uint32_t host_minute_of_day(uint64_t unix_seconds);
// Nanoseconds of processor time that this process has used.
uint64_t host_own_cpu_ns(void);
