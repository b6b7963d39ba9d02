// Between the parts of the sandbox that run inside it.
#pragma once
#include "sandbox.h"

// Makes the child that unpacks the bundle and, if all goes well, becomes the job in host_sandbox_start:
// it has gone through the confining steps already. As host_sandbox_helper, task 1.
int32_t host_sandbox_prepare(const struct host_plan *plan, uint64_t report[3]);
// Takes the report of a child; it stays as it is where the child died.
int32_t host_sandbox_await(int32_t pid, int32_t told, uint64_t report[3]);

// What the first child and process 1 have to say to each other: which network namespace it is, or why
// there is none. host_sandbox_beside is the first child's; the other two are process 1's.
struct host_beside {
  int channel[2];
  int own;  // the first child's folder /proc/self/ns
};
int32_t host_sandbox_open_beside(struct host_beside *beside);
void host_sandbox_beside(const struct host_plan *plan, const struct host_beside *beside);
void host_sandbox_keep_beside(const struct host_beside *beside);
// Returns 0 or an errno; the second time too.
int32_t host_sandbox_join_network(void);
