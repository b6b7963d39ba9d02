// What only root's agent gives a sandbox: an identity of its own, and device nodes of its own.
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "sandbox_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(void) { return errno ? errno : EIO; }

// CAP_SYS_ADMIN: some kernels permit user namespaces only with it.
static void keep_administration(void) {
  enum { ADMINISTRATION = 21 };
  struct { uint32_t version; int32_t pid; } header = {0x20080522, 0};
  struct { uint32_t effective, permitted, inheritable; } data[2];
  memset(data, 0, sizeof data);
  data[0].effective = data[0].permitted = UINT32_C(1) << ADMINISTRATION;
  syscall(SYS_capset, &header, data);
}

int32_t host_sandbox_private_id(uint32_t uid, uint32_t gid, int keeps) {
  if (syscall(SYS_setgroups, 0, NULL) != 0) return fail();
  if (keeps) prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  if (setresgid(gid, gid, gid) != 0) return fail();
  if (setresuid(uid, uid, uid) != 0) return fail();
  if (keeps) {
    keep_administration();
    prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
  }
  // A changed identity makes a process undumpable, and its /proc/self files root's. The identity maps of
  // the user namespace have to be written through them.
  return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 ? 0 : fail();
}

// mem(4), random(4), tty(4). `random` is `urandom`: before Linux 5.6 a reader of `random` takes entropy that the
// owner's programs then wait for.
static const struct { char name[8]; uint8_t major, minor; } devices[] = {
    {"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 9}, {"urandom", 1, 9}, {"tty", 5, 0}};

static int made = -1;

// The same numbers on every processor.
enum { MOVE_MOUNT = 429, FSOPEN = 430, FSCONFIG = 431, FSMOUNT = 432 };
enum { SET_STRING = 1, CREATE = 6, NO_SUID = 2, NO_EXECUTE = 8, EMPTY_PATH = 4 };

static int set(int context, const char *key, const char *value) {
  return (int)syscall(FSCONFIG, context, SET_STRING, key, value, 0);
}

int32_t host_sandbox_make_devices(uint32_t owner) {
  char digits[12];
  int at = sizeof digits - 1;
  digits[at] = 0;
  do digits[--at] = (char)('0' + owner % 10);
  while ((owner /= 10) > 0);
  int context = (int)syscall(FSOPEN, "tmpfs", 1 /* FSOPEN_CLOEXEC */);
  if (context < 0) return fail();
  int code = 0;
  if (set(context, "source", "zennet") != 0 || set(context, "size", "64k") != 0 ||
      set(context, "mode", "0755") != 0 || set(context, "uid", digits + at) != 0 ||
      set(context, "gid", digits + at) != 0 || syscall(FSCONFIG, context, CREATE, NULL, NULL, 0) != 0)
    code = fail();
  if (code == 0) {
    made = (int)syscall(FSMOUNT, context, 1 /* FSMOUNT_CLOEXEC */, NO_SUID | NO_EXECUTE);
    if (made < 0) code = fail();
  }
  close(context);
  mode_t mask = umask(0);
  for (size_t index = 0; code == 0 && index < sizeof devices / sizeof *devices; index++) {
    dev_t device = makedev(devices[index].major, devices[index].minor);
    if (mknodat(made, devices[index].name, S_IFCHR | 0666, device) != 0) code = fail();
  }
  umask(mask);
  return code;
}

int32_t host_sandbox_place_devices(const char *path) {
  if (syscall(MOVE_MOUNT, made, "", AT_FDCWD, path, EMPTY_PATH) != 0) return fail();
  close(made);
  made = -1;
  return 0;
}

int32_t host_sandbox_has_devices(void) {
  // In a child, whose end removes the file system.
  pid_t pid = fork();
  if (pid == 0) _exit(host_sandbox_make_devices(0) != 0 || openat(made, "null", O_RDWR) < 0);
  int status = 1;
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return pid > 0 && status == 0;
}
