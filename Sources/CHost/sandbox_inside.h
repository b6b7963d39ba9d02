// Between the parts of the sandbox that run inside it.
#pragma once
#include "sandbox.h"

// Makes the child that unpacks the bundle and, if all goes well, becomes the job in host_sandbox_start:
// it has gone through the confining steps already. As host_sandbox_helper, task 1.
int32_t host_sandbox_prepare(const struct host_plan *plan, uint64_t report[3]);
// Takes the report of a child; it stays as it is where the child died.
int32_t host_sandbox_await(int32_t pid, int32_t told, uint64_t report[3]);
