// Clocks, entropy, what the machine is.
#pragma once
#include <stdint.h>

uint64_t host_monotonic_ns(void);
// Seconds since 1970, with the nanoseconds of the running second.
uint64_t host_unix_time(uint32_t *nanoseconds);

// Fills bytes from getrandom(2), or from /dev/urandom where the kernel lacks it.
int32_t host_random(uint8_t *bytes, uint64_t count);

// The text of an errno value; never fails.
void host_error_text(int32_t error, char *text, uint32_t capacity);

// Processors that this process may run on, 1 or more.
uint32_t host_processors(void);
// Physical memory in KiB; 0 when the kernel does not say.
uint64_t host_memory_kib(void);
// What the kernel calls the architecture of programs like this one, and its release, NUL-terminated.
int32_t host_system_name(char *machine, char *release, uint32_t capacity);
// The largest resident set of this process so far, in KiB.
uint64_t host_peak_resident_kib(void);

// Writes to standard error. What a non-blocking reader does not take within half a second is lost:
// a log must not hold the program up for ever.
void host_log(const uint8_t *bytes, uint64_t count);
