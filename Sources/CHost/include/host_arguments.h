#pragma once
#include <stdint.h>

/// How many words the program's command line has, its name included.
int32_t host_argc(void);

/// Word `index` of the command line, or null past its end. It lives as long as the program.
const char *host_argv(int32_t index);
