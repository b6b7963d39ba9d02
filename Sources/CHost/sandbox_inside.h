// Between the parts of the sandbox that run inside it.
#pragma once
#include "host_owner.h"
#include "sandbox.h"

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

enum { HOST_MOST_PASSED = 24 };
extern int host_sandbox_held;

// Messages with at most HOST_MOST_PASSED descriptors. As send(2) and recv(2), and repeated when
// interrupted; what is received closes when a program is executed.
ssize_t host_sandbox_pass(int socket, struct iovec *parts, size_t parts_count, const int *descriptors,
                          int count);
ssize_t host_sandbox_accept(int socket, void *bytes, size_t size, int descriptors[HOST_MOST_PASSED],
                            int *count);

// Where this program's command line is; then, of a fork: nobody reads it from this process any more.
void host_sandbox_find_arguments(void);
void host_sandbox_forget_arguments(void);

// Makes the child that unpacks the bundle and, if all goes well, becomes the job: host_sandbox_start says
// what became of it. Report as of host_sandbox_helper, task 1.
int32_t host_sandbox_prepare(const struct host_plan *plan, uint64_t report[3]);
// Takes the report of a child; it stays as it is where the child died.
int32_t host_sandbox_await(int32_t pid, int32_t told, uint64_t report[3]);

// What the first child and process 1 have to say to each other: that this one has its new root, or gives up;
// then, that the old one is gone and which network namespace it is, or what went wrong. host_sandbox_beside
// is the first child's, which tells the agent of process 1 as well, and only then, as its processor has
// nothing better to do; the others are process 1's.
struct host_beside {
  int channel[2];
  int own;  // the first child's folder /proc/self/ns
};
int32_t host_sandbox_open_beside(struct host_beside *beside);
void host_sandbox_beside(const struct host_plan *plan, const struct host_beside *beside, int32_t pid);
void host_sandbox_keep_beside(const struct host_beside *beside);
void host_sandbox_tell_root(char has_root);
// Returns 0 or an errno; the second time too.
int32_t host_sandbox_join_network(void);

// The zygote, when nobody asks for anything: makes a network namespace for the next sandbox, if it may.
void host_sandbox_ready_network(void);
// Keeps it no longer.
void host_sandbox_drop_network(void);
// A fork of the zygote: moves it to this descriptor, which is closed if there is none.
void host_sandbox_place_network(int descriptor);
// The first child's steps. They return 0 or an errno.
int32_t host_sandbox_take_network(void);
int32_t host_sandbox_make_network(void);
int32_t host_sandbox_has_network(void);
// Makes a file system with the harmless devices, not mounted yet; host_sandbox_place_devices mounts it. Only root
// of the host can make nodes that can be opened. Both return 0 or an errno.
int32_t host_sandbox_make_devices(uint32_t owner);
int32_t host_sandbox_place_devices(const char *path);
// Changes to this user and group, without supplementary groups. With `keeps` it keeps the capability to make
// namespaces, which the first new user namespace removes. Returns 0 or an errno.
int32_t host_sandbox_private_id(uint32_t uid, uint32_t gid, int keeps);
// The first child waits for the agent's word.
void host_sandbox_wait(void);
// Waits for the agent's word and the cgroups' files. Returns 0 or an errno.
int32_t host_sandbox_join_cgroups(void);
// Waits for the agent's last word. Returns 0.
int32_t host_sandbox_await_go(void);
// Process 1: nanoseconds of processor time that making the sandbox cost in the job's cgroups, without what
// was forked since.
uint64_t host_sandbox_own_ns(void);
// For how long the job has run.
uint64_t host_sandbox_ran_ns(void);
// For who gives up: a socket that is closed with something unread in it loses what was sent from it.
void host_sandbox_hear_out(const struct host_plan *plan);
