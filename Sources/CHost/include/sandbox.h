#pragma once
// The sandbox's system calls, and the window between fork and exec in which only C may run.
// Every function returns a negative errno on failure. Types from <stdint.h> only, so that Swift sees the
// same layout with every libc.
#include <stdint.h>

// What a step does; `a`, `b` and the four texts mean what the comment says.
enum host_operation {
  HOST_PRIVATE_ID = 1,   // a: uid, b: gid; no supplementary groups. The first child may still make namespaces
  HOST_UNSHARE = 2,      // a: CLONE_NEW* flags
  HOST_WRITE_FILE = 3,   // path, text
  HOST_MOUNT = 4,        // path: target, source, type, text: options, a: MS_* flags
  HOST_MAKE_DIRECTORY = 5,  // path, a: mode, b: owner and group, 0: as is
  HOST_MAKE_FILE = 6,    // path: an empty file
  HOST_SYMLINK = 7,      // path: the link, text: where it points
  HOST_PIVOT_ROOT = 8,   // path: the new root, a mount point; the old root lies over it until it is let go
  HOST_HOSTNAME = 10,    // text; no domain name
  HOST_TAKE_NETWORK = 11,  // enters the network namespace that the zygote has made ahead, if it has
  HOST_NEW_KEYRING = 12,
  HOST_UNDUMPABLE = 13,
  HOST_OOM_SCORE = 14,   // text: what every process after the first gets
  HOST_UNPACK = 15,      // runs the helper, task 1, in a confined child
  HOST_RLIMIT = 16,      // a: RLIMIT_*, b: soft and hard value
  HOST_DROP_BOUNDING = 17,
  HOST_DROP_CAPABILITIES = 18,
  HOST_NO_NEW_PRIVILEGES = 19,
  HOST_SECCOMP = 20,     // path: offset of the BPF program, a: how many instructions
  HOST_CHANGE_DIRECTORY = 21,  // path
  HOST_EXECUTE = 22,     // path: offset of the arguments, a: how many; b: how many environment texts follow
  HOST_TIME_OFFSETS = 30,  // the clocks that count from the machine's start begin anew
  HOST_IO_PRIORITY = 31,   // a: as ioprio_set(2) has it
  HOST_JOIN_NETWORK = 32,  // enters the network namespace that the first child has made meanwhile
  HOST_MAKE_NETWORK = 36,  // a network namespace with its loopback up, where none was made ahead
  HOST_JOIN_CGROUPS = 33,  // enters the cgroups whose files come with HOST_COMMAND_GO
  HOST_HOLD = 34,          // path: what is mounted there stays writable for who unpacks the bundle
  HOST_LET_GO = 35,        // unmounts the old root
  HOST_AWAIT_GO = 37,      // waits for HOST_COMMAND_GO: nothing of the job happens before
  HOST_MAKE_DEVICES = 38,  // a file system with device nodes, not mounted yet; a: user id of its root folder
  HOST_PLACE_DEVICES = 39,  // path: where it is mounted
};

// Who takes the step.
enum host_phase {
  HOST_PHASE_OUTER = 0,    // the first child, still outside the new pid namespace
  HOST_PHASE_INNER = 1,    // process 1 of the sandbox
  HOST_PHASE_CONFINE = 2,  // every process that touches the job's data, before it does
  HOST_PHASE_PROGRAM = 3,  // every program of the job, after the confining steps
  HOST_PHASE_JOB = 4,      // the job's own program, after those
  HOST_PHASE_BESIDE = 5,   // the first child again, while process 1 takes its own
  HOST_PHASE_LAST = 6,     // the first child, when process 1 has its new root
};

struct host_step {
  uint32_t operation;
  uint32_t phase;
  uint32_t optional;  // 1: failure is ignored
  uint32_t path, source, type, text;  // offsets into the arena; 0 means none
  uint32_t reserved;
  uint64_t a, b;
};

// At most so many bundles are unpacked one over another; the first is this descriptor of process 1.
#define HOST_MOST_BUNDLES 16
#define HOST_FIRST_BUNDLE 5

// What the helper works on.
struct host_helper_work {
  const char *path;
  uint64_t limits[2];  // of all bundles together: entries, bytes; task 2: bytes of the archive
  uint32_t bundles;
  int32_t output;
};
// The helper runs in a confined child process: task 1 unpacks the bundles, in the order of their descriptors,
// into the folder that is held; task 2 writes `path` below /out to `output`; task 3 writes `path` to descriptor
// 1, task 4 unpacks descriptor 0 there. It reports three numbers; the first is 0 when all is well.
typedef void (*host_helper)(uint32_t task, const struct host_helper_work *work, uint64_t report[3]);

struct host_plan {
  const struct host_step *steps;
  const uint8_t *arena;  // zero-terminated texts; byte 0 is 0
  uint32_t count, arena_size;
  uint32_t terminal;     // 1: the job gets a terminal, whose master comes with HOST_EVENT_TERMINAL
  uint32_t bundles;      // how many, base first
  host_helper helper;
  uint64_t limits[2];    // of all bundles together: entries, bytes
  // The child's ends: 0, 1, 2 (-1: none), control, then the bundles.
  const int32_t *descriptors;
  uint32_t waits;        // 1: the first child waits for HOST_COMMAND_GO before its first step
  uint32_t is_fresh;     // 1: this process comes from the zygote, and is no fork of the agent
};

enum host_event_kind {
  HOST_EVENT_INIT = 1,         // a: pid of the sandbox's first process
  HOST_EVENT_WALLED = 30,      // the walls stand; from here on a stranger's data is worked on
  HOST_EVENT_STEP_FAILED = 2,  // a: index of the step, b: errno
  HOST_EVENT_UNPACK_FAILED = 3,  // a, b, c: the helper's report; a = 22: died, c: wait status; from bit 8 of
                                 // a: the number of the bundle, from 0
  HOST_EVENT_STARTED = 4,      // b: nanoseconds of processor time used in the job's cgroups up to there
  HOST_EVENT_EXEC_FAILED = 5,  // b: errno
  HOST_EVENT_ENDED = 6,        // a: wait status, b: nanoseconds that it ran; nothing of the job is left
  HOST_EVENT_COLLECTED = 7,    // a: 0 when complete
  HOST_EVENT_TERMINAL = 8,     // a: 0 or the id of a further program; carries the terminal's master
  HOST_EVENT_PROGRAM_STARTED = 9,  // a: id
  HOST_EVENT_PROGRAM_FAILED = 10,  // a: id, b: errno
  HOST_EVENT_PROGRAM_ENDED = 11,   // a: id, b: wait status
};
struct host_event {
  uint32_t kind, a;
  uint64_t b, c;
};

enum host_command_kind {
  HOST_COMMAND_GO = 1,  // to the first child; to process 1 with the cgroups' files, and for HOST_AWAIT_GO
  HOST_COMMAND_SIGNAL = 2,  // a: signal, b: 0 or the id of a further program; to its process group
  // a, b: the most bytes, lower and upper half; after the command: a path below /out and a zero byte; with a
  // descriptor.
  HOST_COMMAND_COLLECT = 3,
  HOST_COMMAND_QUIT = 4,
  // A further program beside the job. a: id; b: bit 31: a terminal, bits 16 to 29: how many arguments,
  // bits 0 to 15: how many environment texts; bit 30: not a program of the job's but the helper, with two
  // arguments, its task (3 or 4) and a path. After the command: the working directory, the arguments, the
  // environment, each ended by a zero byte. Without terminal it carries three descriptors.
  HOST_COMMAND_EXECUTE = 5,
};
struct host_command {
  uint32_t kind, a, b;
};
#define HOST_COMMAND_LARGEST 65536

// The zygote is the process from which first children are forked. It executes `program` with three arguments,
// each ended by a zero byte: a name, a word, the folder (SandboxHelper). Returns its pid; it ends when the
// socket does.
int32_t host_sandbox_start_zygote(int32_t program, const uint8_t *arguments, int32_t *socket);
// Asks for a first child, which is this process's child.
int32_t host_sandbox_ask_zygote(int32_t socket, const struct host_plan *plan);
// To be called once for each time that it was asked: the pid.
int32_t host_sandbox_receive_zygote(int32_t socket);
// The life of the zygote. `folder` is where sandboxes mount their roots.
void host_sandbox_zygote(host_helper helper, const char *folder) __attribute__((noreturn));
// The first child as a fork of the agent itself: where there is no program for a zygote. Returns its pid.
int32_t host_sandbox_fork(const struct host_plan *plan);
// The life of the first child.
void host_sandbox_first(const struct host_plan *plan) __attribute__((noreturn));
// Never returns: the life of process 1 after the walls stand.
void host_sandbox_init(const struct host_plan *plan) __attribute__((noreturn));
// Takes all steps of a phase. Returns the index of the one that failed, with *code = errno, or -1.
int32_t host_sandbox_take(const struct host_plan *plan, uint32_t phase, int32_t *code);
void host_sandbox_default_signals(void);
void host_sandbox_tell(uint32_t kind, uint32_t a, uint64_t b, uint64_t c);
int32_t host_sandbox_fork_child(void);
// Starts the job (command null) or a further program, and tells the agent how that went. Returns its
// pid, or -1.
int32_t host_sandbox_start(const struct host_plan *plan, const struct host_command *command,
                           uint64_t size, const int32_t *descriptors);
int32_t host_sandbox_execute(const char *texts, uint64_t arguments, uint64_t environment);
// 1 when this process has gone through the confining steps.
int32_t host_sandbox_is_confined(void);
int32_t host_sandbox_open_program(const char *path);
// The folder that HOST_HOLD opened.
int32_t host_sandbox_held_folder(void);
// What task 1 of the plan works on.
struct host_helper_work host_sandbox_unpacking(const struct host_plan *plan);
void host_sandbox_close_bundles(const struct host_plan *plan);
int32_t host_sandbox_helper(const struct host_plan *plan, uint32_t task,
                            const struct host_helper_work *work, uint64_t report[3]);

// The agent's side of the control socket. Receive: 1 got one, 0 closed, -EAGAIN nothing yet.
int32_t host_sandbox_receive(int32_t socket, struct host_event *event, int32_t *descriptor);
int32_t host_sandbox_send(int32_t socket, uint32_t kind, uint32_t a, uint32_t b);
// HOST_COMMAND_GO to process 1: opens `count` files, whose paths each end in a zero byte, and sends them.
int32_t host_sandbox_admit(int32_t socket, const uint8_t *paths, uint32_t count);
// HOST_COMMAND_COLLECT; `size` counts the zero byte.
int32_t host_sandbox_send_collect(int32_t socket, const uint8_t *path, uint64_t size, uint64_t limit,
                                  int32_t output);
// With texts and, unless it is null, three descriptors.
int32_t host_sandbox_send_program(int32_t socket, uint32_t id, uint32_t counts, const uint8_t *texts,
                                  uint64_t size, const int32_t *descriptors);
// Waits until the socket is readable, at most so long. 1 readable, 0 not.
int32_t host_sandbox_wait_readable(int32_t descriptor, int32_t timeout_ms);

// CLONE_NEW* flags of `wanted` that can be created together with a user namespace (if wanted) by uid, gid
// (0: as is). With HOST_PROBE_PROC in it: whether /proc can be mounted inside.
#define HOST_PROBE_PROC (UINT64_C(1) << 40)
uint64_t host_sandbox_probe(uint64_t wanted, uint32_t uid, uint32_t gid);
int32_t host_sandbox_has_seccomp(void);
// 1 if HOST_MAKE_DEVICES makes devices that can be opened: needs root and Linux 5.2.
int32_t host_sandbox_has_devices(void);
int32_t host_sandbox_release(uint8_t *buffer, uint32_t size);
uint32_t host_sandbox_uid(void);
uint32_t host_sandbox_gid(void);
int32_t host_sandbox_may_write(const char *path);

// Files, for cgroups and for the helper.
int64_t host_sandbox_read_file(const char *path, uint8_t *buffer, uint64_t size);
int32_t host_sandbox_write_file(const char *path, const uint8_t *bytes, uint64_t size);
int32_t host_sandbox_mkdir(const char *path, uint32_t mode);
int32_t host_sandbox_rmdir(const char *path);
// Names of a directory (without . and ..), each ended by a zero byte. Returns bytes used; -ERANGE (34)
// when the buffer is too small.
int64_t host_sandbox_list(int32_t directory, const char *path, uint8_t *buffer, uint64_t size);
struct host_file_status {
  uint64_t size, inode;
  uint32_t mode, links;
};
int32_t host_sandbox_status(int32_t directory, const char *path, struct host_file_status *status);
int64_t host_sandbox_readlink(int32_t directory, const char *path, uint8_t *buffer, uint64_t size);
// Opens one component; links are not followed.
int32_t host_sandbox_open_directory(int32_t directory, const char *name);
int32_t host_sandbox_open_read(int32_t directory, const char *name);
// The same, opened for writing too if permitted, so that host_sandbox_give_back works on it.
int32_t host_sandbox_open_own(int32_t directory, const char *name);
// Frees the memory of these bytes of a file; they then read as zeros.
void host_sandbox_give_back(int32_t descriptor, uint64_t offset, uint64_t size);
int32_t host_sandbox_unlink(int32_t directory, const char *name);
// As the job itself would open it: links are followed. What it is comes with it.
int32_t host_sandbox_open_path(const char *path, struct host_file_status *status);
int64_t host_sandbox_read(int32_t descriptor, uint8_t *buffer, uint64_t size);
int64_t host_sandbox_read_at(int32_t descriptor, uint8_t *buffer, uint64_t size, uint64_t offset);
int64_t host_sandbox_write(int32_t descriptor, const uint8_t *bytes, uint64_t size);
int32_t host_sandbox_close(int32_t descriptor);
// 0 for what has no size, such as a pipe.
uint64_t host_sandbox_file_size(int32_t descriptor);

// Unpacking: paths below `root`, no component may be a link or another file system.
// Missing directories are made; an existing file or link is replaced.
int32_t host_unpack_directory(int32_t root, const char *path, uint32_t mode);
// The folder that `path` lies in, which serves as a root for what else lies there.
int32_t host_unpack_parent(int32_t root, const char *path);
int32_t host_unpack_file(int32_t root, const char *path, uint32_t mode);
int32_t host_unpack_symlink(int32_t root, const char *path, const char *target);
int32_t host_unpack_hardlink(int32_t root, const char *path, const char *target);

// Processes and descriptors.
int32_t host_sandbox_kill(int32_t pid, int32_t signal);
// 1: ended, *status set; 0: still running.
int32_t host_sandbox_reap(int32_t pid, int32_t *status);
// Waits until a process has ended, at most so long; it still has to be reaped. 1: ended, 0: not; -ENOSYS
// before Linux 5.3.
int32_t host_sandbox_wait_end(int32_t pid, int32_t timeout_ms);
void host_sandbox_sleep_us(uint32_t us);
// A pipe: [0] read end, [1] write end, close-on-exec; the ends in `nonblocking` (bits 1, 2) do not block.
int32_t host_sandbox_pipe(int32_t ends[2], uint32_t nonblocking);
// The same file or pipe, opened once more, for reading only.
int32_t host_sandbox_reopen(int32_t descriptor);
// A SOCK_SEQPACKET pair; [0] does not block.
int32_t host_sandbox_socketpair(int32_t ends[2]);
int32_t host_sandbox_set_size(int32_t terminal, uint32_t rows, uint32_t columns);
