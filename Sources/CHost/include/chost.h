// Everything that Swift cannot say to Linux by itself, one header a concern.
//
// Only <stdint.h> types cross this border, so that no libc's structures reach Swift. Unless a
// function says otherwise, its result is 0 or more on success, and -errno on failure. EINTR is
// handled here, once: no caller ever sees it.
#pragma once
#include <stdint.h>

#include "host_arguments.h"
#include "host_descriptor.h"
#include "host_file.h"
#include "host_machine.h"
#include "host_memory_file.h"
#include "host_network.h"
#include "host_owner.h"
#include "host_process.h"
