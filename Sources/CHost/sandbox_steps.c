// The steps that build the walls, one kernel feature each. They run between fork and exec: no allocation,
// no locks, system calls only.
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "sandbox_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// Descriptor of /proc/self/oom_score_adj of process 1, kept from before it became undumpable; what its
// children get, and what is its own.
int host_sandbox_oom = -1;
char host_sandbox_oom_score[8], host_sandbox_oom_own[8];

static int fail(void) { return errno ? errno : EIO; }

static int write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return fail();
  size_t size = strlen(text);
  int code = write(fd, text, size) == (ssize_t)size ? 0 : fail();
  close(fd);
  return code;
}

// The old root ends up mounted over the new one, where one unmount lets it go: see pivot_root(2). It is the
// first child's root as well.
static int change_root(const char *path) {
  if (chdir(path) != 0) return fail();
  if (syscall(SYS_pivot_root, ".", ".") != 0) return fail();
  host_sandbox_tell_root(1);
  return 0;
}

static int oom_score(const char *children) {
  int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
  if (fd < 0) return fail();
  ssize_t got = read(fd, host_sandbox_oom_own, sizeof host_sandbox_oom_own - 1);
  if (got <= 0 || strlen(children) >= sizeof host_sandbox_oom_score) {
    close(fd);
    return EIO;
  }
  host_sandbox_oom = fd;
  memcpy(host_sandbox_oom_score, children, strlen(children) + 1);
  return 0;
}

static int drop_bounding(void) {
  // The secure bits keep user id 0 from meaning anything, should the job ever get it (capabilities(7)).
  prctl(PR_SET_SECUREBITS, 0xef, 0, 0, 0);
  for (unsigned long capability = 0; capability < 64; capability++) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return errno == EINVAL ? 0 : fail();
  }
  return 0;
}

static int drop_capabilities(void) {
#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT 47
#define PR_CAP_AMBIENT_CLEAR_ALL 4
#endif
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);  // EINVAL before Linux 4.3: none to clear
  struct { uint32_t version; int32_t pid; } header = {0x20080522, 0};
  struct { uint32_t effective, permitted, inheritable; } data[2];
  memset(data, 0, sizeof data);
  return syscall(SYS_capset, &header, data) == 0 ? 0 : fail();
}

static int seccomp(const uint8_t *program, uint64_t count) {
  struct { unsigned short length; const void *filter; } value = {(unsigned short)count, program};
  return prctl(PR_SET_SECCOMP, 2 /* SECCOMP_MODE_FILTER */, &value, 0, 0) == 0 ? 0 : fail();
}

static int limit(uint64_t resource, uint64_t value) {
  struct rlimit bound = {value, value};
  // Root may go beyond what the agent itself has; nobody else may.
  if (setrlimit((int)resource, &bound) == 0) return 0;
  if (getrlimit((int)resource, &bound) == 0 && bound.rlim_max < value) value = bound.rlim_max;
  bound.rlim_cur = bound.rlim_max = value;
  return setrlimit((int)resource, &bound) == 0 ? 0 : fail();
}

// A name without a slash is looked up in the PATH of its own environment, as execvp(3) does in the
// caller's.
static int execute_by_name(char **arguments, char **environment) {
  const char *name = arguments[0], *folders = "/usr/local/bin:/usr/bin:/bin";
  if (strchr(name, '/')) {
    execve(name, arguments, environment);
    return fail();
  }
  for (char **entry = environment; *entry; entry++)
    if (strncmp(*entry, "PATH=", 5) == 0) folders = *entry + 5;
  int code = ENOENT;
  for (const char *at = folders;; at++) {
    char path[4096];
    size_t length = strcspn(at, ":"), size = strlen(name);
    if (length > 0 && length + 1 + size < sizeof path) {
      memcpy(path, at, length);
      path[length] = '/';
      memcpy(path + length + 1, name, size + 1);
      execve(path, arguments, environment);
      if (errno != ENOENT && errno != ENOTDIR) code = errno;
    }
    at += length;
    if (!*at) return code;
  }
}

int32_t host_sandbox_execute(const char *texts, uint64_t arguments, uint64_t environment) {
  char *argument_list[arguments + 1], *environment_list[environment + 1];
  char *at = (char *)texts;
  for (uint64_t index = 0; index < arguments; index++, at += strlen(at) + 1) argument_list[index] = at;
  for (uint64_t index = 0; index < environment; index++, at += strlen(at) + 1)
    environment_list[index] = at;
  argument_list[arguments] = environment_list[environment] = NULL;
  return execute_by_name(argument_list, environment_list);
}

// Clocks that count from the machine's start begin at about zero: what was before is not the job's to
// know, and no mark to find this machine by. time_namespaces(7).
static int time_offsets(void) {
  static const struct {
    clockid_t clock;
    char name[12];
  } clocks[2] = {{CLOCK_MONOTONIC, "monotonic "}, {CLOCK_BOOTTIME, "boottime "}};
  char text[96];
  size_t size = 0;
  for (int index = 0; index < 2; index++) {
    struct timespec now;
    if (clock_gettime(clocks[index].clock, &now) != 0) return fail();
    size_t length = strlen(clocks[index].name);
    memcpy(text + size, clocks[index].name, length);
    size += length;
    text[size++] = '-';
    uint64_t seconds = (uint64_t)now.tv_sec, unit = 1;
    while (seconds / unit >= 10) unit *= 10;
    for (; unit > 0; unit /= 10) text[size++] = (char)('0' + seconds / unit % 10);
    memcpy(text + size, " 0\n", 4);
    size += 3;
  }
  text[size] = 0;
  return write_text("/proc/self/timens_offsets", text);
}

static int io_priority(uint64_t priority) {
  return syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, (int)priority) == 0 ? 0 : fail();
}

int host_sandbox_held = -1;

int32_t host_sandbox_held_folder(void) { return host_sandbox_held; }

static int hold(const char *path) {
  host_sandbox_held = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return host_sandbox_held >= 0 ? 0 : fail();
}

struct host_helper_work host_sandbox_unpacking(const struct host_plan *plan) {
  struct host_helper_work work = {NULL, {plan->limits[0], plan->limits[1]}, plan->bundles, -1};
  return work;
}

void host_sandbox_close_bundles(const struct host_plan *plan) {
  for (uint32_t index = 0; index < plan->bundles; index++) close(HOST_FIRST_BUNDLE + (int)index);
}

static int unpack(const struct host_plan *plan) {
  uint64_t report[3];
  if (plan->is_fresh && !plan->terminal) {
    host_sandbox_prepare(plan, report);
  } else {
    host_sandbox_tell(HOST_EVENT_WALLED, 0, 0, 0);
    struct host_helper_work work = host_sandbox_unpacking(plan);
    host_sandbox_helper(plan, 1, &work, report);
  }
  host_sandbox_close_bundles(plan);
  close(host_sandbox_held);
  if (report[0] == 0) return 0;
  host_sandbox_tell(HOST_EVENT_UNPACK_FAILED, (uint32_t)report[0], report[1], report[2]);
  _exit(0);
}

static int take(const struct host_plan *plan, const struct host_step *step) {
  const char *arena = (const char *)plan->arena;
  const char *path = step->path ? arena + step->path : NULL;
  const char *source = step->source ? arena + step->source : NULL;
  const char *type = step->type ? arena + step->type : NULL;
  const char *text = step->text ? arena + step->text : NULL;
  errno = 0;
  switch (step->operation) {
  case HOST_PRIVATE_ID:
    return host_sandbox_private_id((uint32_t)step->a, (uint32_t)step->b,
                                   step->phase == HOST_PHASE_OUTER);
  case HOST_MAKE_DEVICES: return host_sandbox_make_devices((uint32_t)step->a);
  case HOST_PLACE_DEVICES: return host_sandbox_place_devices(path);
  case HOST_UNSHARE: return unshare((int)step->a) == 0 ? 0 : fail();
  case HOST_WRITE_FILE: return write_text(path, text);
  case HOST_MOUNT: return mount(source, path, type, (unsigned long)step->a, text) == 0 ? 0 : fail();
  case HOST_MAKE_DIRECTORY:
    if (mkdir(path, (mode_t)step->a) != 0) return fail();
    return step->b == 0 || chown(path, (uid_t)step->b, (gid_t)step->b) == 0 ? 0 : fail();
  case HOST_MAKE_FILE: return mknod(path, S_IFREG | 0644, 0) == 0 ? 0 : fail();
  case HOST_SYMLINK: return symlink(text, path) == 0 ? 0 : fail();
  case HOST_PIVOT_ROOT: return change_root(path);
  case HOST_LET_GO: return umount2("/", MNT_DETACH) == 0 ? 0 : fail();
  case HOST_HOSTNAME:
    // Linux calls it so where there is none.
    return sethostname(text, strlen(text)) == 0 && setdomainname("(none)", 6) == 0 ? 0 : fail();
  case HOST_TAKE_NETWORK: return host_sandbox_take_network();
  case HOST_MAKE_NETWORK: return host_sandbox_make_network();
  case HOST_JOIN_NETWORK: return host_sandbox_join_network();
  case HOST_JOIN_CGROUPS: return host_sandbox_join_cgroups();
  case HOST_AWAIT_GO: return host_sandbox_await_go();
  case HOST_HOLD: return hold(path);
  case HOST_NEW_KEYRING: return syscall(SYS_keyctl, 1, NULL) >= 0 ? 0 : fail();
  case HOST_UNDUMPABLE: return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : fail();
  case HOST_OOM_SCORE: return oom_score(text);
  case HOST_UNPACK: return unpack(plan);
  case HOST_RLIMIT: return limit(step->a, step->b);
  case HOST_DROP_BOUNDING: return drop_bounding();
  case HOST_DROP_CAPABILITIES: return drop_capabilities();
  case HOST_NO_NEW_PRIVILEGES: return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : fail();
  case HOST_SECCOMP: return seccomp((const uint8_t *)path, step->a);
  case HOST_CHANGE_DIRECTORY: return chdir(path) == 0 ? 0 : fail();
  case HOST_TIME_OFFSETS: return time_offsets();
  case HOST_IO_PRIORITY: return io_priority(step->a);
  case HOST_EXECUTE: return host_sandbox_execute(path, step->a, step->b);
  default: return EINVAL;
  }
}

int32_t host_sandbox_take(const struct host_plan *plan, uint32_t phase, int32_t *code) {
  for (uint32_t index = 0; index < plan->count; index++) {
    const struct host_step *step = &plan->steps[index];
    if (step->phase != phase) continue;
    int failed = take(plan, step);
    if (failed == 0 || step->optional) continue;
    *code = failed;
    return (int32_t)index;
  }
  return -1;
}
