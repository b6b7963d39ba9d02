// Files: cgroup control files for the agent; walks below a root for the process that unpacks or collects.
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int64_t host_sandbox_read(int32_t descriptor, uint8_t *buffer, uint64_t size) {
  ssize_t got;
  while ((got = read(descriptor, buffer, (size_t)size)) < 0 && errno == EINTR) {
  }
  return got < 0 ? -errno : got;
}

int64_t host_sandbox_read_at(int32_t descriptor, uint8_t *buffer, uint64_t size, uint64_t offset) {
  ssize_t got;
  while ((got = pread(descriptor, buffer, (size_t)size, (off_t)offset)) < 0 && errno == EINTR) {
  }
  return got < 0 ? -errno : got;
}

int64_t host_sandbox_write(int32_t descriptor, const uint8_t *bytes, uint64_t size) {
  ssize_t done;
  while ((done = write(descriptor, bytes, (size_t)size)) < 0 && errno == EINTR) {
  }
  return done < 0 ? -errno : done;
}

int32_t host_sandbox_close(int32_t descriptor) { return close(descriptor) == 0 ? 0 : -errno; }

uint64_t host_sandbox_file_size(int32_t descriptor) {
  struct stat found;
  return fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode) ? (uint64_t)found.st_size : 0;
}

int64_t host_sandbox_read_file(const char *path, uint8_t *buffer, uint64_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  uint64_t have = 0;
  int64_t got = 0;
  while (have < size && (got = host_sandbox_read(fd, buffer + have, size - have)) > 0)
    have += (uint64_t)got;
  close(fd);
  return got < 0 ? got : (int64_t)have;
}

int32_t host_sandbox_write_file(const char *path, const uint8_t *bytes, uint64_t size) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int64_t done = host_sandbox_write(fd, bytes, size);
  close(fd);
  if (done < 0) return (int32_t)done;
  return (uint64_t)done == size ? 0 : -EIO;
}

int32_t host_sandbox_mkdir(const char *path, uint32_t mode) {
  return mkdir(path, (mode_t)mode) == 0 ? 0 : -errno;
}

int32_t host_sandbox_rmdir(const char *path) { return rmdir(path) == 0 ? 0 : -errno; }

int32_t host_sandbox_may_write(const char *path) { return access(path, W_OK) == 0 ? 0 : -errno; }

int64_t host_sandbox_list(int32_t directory, const char *path, uint8_t *buffer, uint64_t size) {
  int fd = openat(directory < 0 ? AT_FDCWD : directory, path,
                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -errno;
  DIR *stream = fdopendir(fd);
  if (!stream) {
    int code = errno;
    close(fd);
    return -code;
  }
  uint64_t used = 0;
  struct dirent *entry;
  while ((entry = readdir(stream))) {
    size_t length = strlen(entry->d_name) + 1;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (used + length > size) {
      closedir(stream);
      return -ERANGE;
    }
    memcpy(buffer + used, entry->d_name, length);
    used += length;
  }
  closedir(stream);
  return (int64_t)used;
}

int32_t host_sandbox_status(int32_t directory, const char *path, struct host_file_status *status) {
  struct stat found;
  if (fstatat(directory < 0 ? AT_FDCWD : directory, path, &found, AT_SYMLINK_NOFOLLOW) != 0)
    return -errno;
  status->size = (uint64_t)found.st_size;
  status->inode = found.st_ino;
  status->mode = found.st_mode;
  status->links = (uint32_t)found.st_nlink;
  return 0;
}

int64_t host_sandbox_readlink(int32_t directory, const char *path, uint8_t *buffer, uint64_t size) {
  ssize_t got = readlinkat(directory < 0 ? AT_FDCWD : directory, path, (char *)buffer, (size_t)size);
  return got < 0 ? -errno : got;
}

int32_t host_sandbox_open_directory(int32_t directory, const char *name) {
  int fd = openat(directory < 0 ? AT_FDCWD : directory, name,
                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int32_t host_sandbox_open_read(int32_t directory, const char *name) {
  int fd = openat(directory < 0 ? AT_FDCWD : directory, name,
                  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int32_t host_sandbox_open_own(int32_t directory, const char *name) {
  int fd = openat(directory < 0 ? AT_FDCWD : directory, name,
                  O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  return fd < 0 ? host_sandbox_open_read(directory, name) : fd;
}

void host_sandbox_give_back(int32_t descriptor, uint64_t offset, uint64_t size) {
  fallocate(descriptor, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, (off_t)offset, (off_t)size);
}

int32_t host_sandbox_unlink(int32_t directory, const char *name) {
  return unlinkat(directory < 0 ? AT_FDCWD : directory, name, 0) == 0 ? 0 : -errno;
}

int32_t host_sandbox_open_path(const char *path, struct host_file_status *status) {
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  struct stat found;
  if (fd < 0 || fstat(fd, &found) != 0) return -errno;
  status->size = (uint64_t)found.st_size;
  status->inode = found.st_ino;
  status->mode = found.st_mode;
  status->links = (uint32_t)found.st_nlink;
  return fd;
}

// What openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV does, for kernels before
// 5.6 too: one component after another, none of them a link or on another file system.
static int open_component(int parent, const char *name, dev_t device, int make) {
  if (strcmp(name, "..") == 0) return -EINVAL;
  int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int fd = openat(parent, name, flags);
  if (fd < 0 && errno == ENOENT && make) {
    if (mkdirat(parent, name, 0755) != 0 && errno != EEXIST) return -errno;
    fd = openat(parent, name, flags);
  }
  if (fd < 0) return -errno;
  struct stat found;
  if (fstat(fd, &found) != 0 || found.st_dev != device) {
    close(fd);
    return -EXDEV;
  }
  return fd;
}

// Opens the directory that holds the last component of `path`, which is copied to `last`.
static int open_parent(int root, const char *path, int make, char last[256]) {
  struct stat top;
  if (fstat(root, &top) != 0) return -errno;
  int parent = dup(root);
  if (parent < 0) return -errno;
  last[0] = 0;
  for (const char *at = path; *at;) {
    size_t length = strcspn(at, "/");
    if (length > 255) {
      close(parent);
      return -ENAMETOOLONG;
    }
    if (length > 0 && !(length == 1 && at[0] == '.')) {
      if (last[0]) {
        int next = open_component(parent, last, top.st_dev, make);
        close(parent);
        if (next < 0) return next;
        parent = next;
      }
      memcpy(last, at, length);
      last[length] = 0;
    }
    at += length;
    if (*at == '/') at++;
  }
  if (last[0] == 0 || strcmp(last, "..") == 0) {
    close(parent);
    return -EINVAL;
  }
  return parent;
}

int32_t host_unpack_directory(int32_t root, const char *path, uint32_t mode) {
  char name[256];
  struct stat top;
  int parent = open_parent(root, path, 1, name);
  if (parent < 0) return parent;
  if (fstat(root, &top) != 0) top.st_dev = 0;
  int fd = open_component(parent, name, top.st_dev, 1);
  int code = fd < 0 ? fd : fchmod(fd, (mode_t)(mode & 0777) | 0700) == 0 ? 0 : -errno;
  if (fd >= 0) close(fd);
  close(parent);
  // The archive may name directories that the sandbox itself has mounted: they stay as they are.
  return code == -EXDEV ? 0 : code;
}

// Unless it is a directory, an older entry of that name gives way.
static int replace(int parent, const char *name) {
  return unlinkat(parent, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

int32_t host_unpack_parent(int32_t root, const char *path) {
  char name[256];
  return open_parent(root, path, 1, name);
}

int32_t host_unpack_file(int32_t root, const char *path, uint32_t mode) {
  char name[256];
  int parent = open_parent(root, path, 1, name);
  if (parent < 0) return parent;
  int fd = -1, code = replace(parent, name);
  if (code == 0) {
    fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                (mode_t)(mode & 0777) | 0600);
    code = fd >= 0 ? fd : -errno;
    // Past the umask.
    if (fd >= 0 && fchmod(fd, (mode_t)(mode & 0777) | 0400) != 0) code = fd;
  }
  close(parent);
  return code;
}

int32_t host_unpack_symlink(int32_t root, const char *path, const char *target) {
  char name[256];
  int parent = open_parent(root, path, 1, name);
  if (parent < 0) return parent;
  int code = replace(parent, name);
  if (code == 0 && symlinkat(target, parent, name) != 0) code = -errno;
  close(parent);
  return code;
}

int32_t host_unpack_hardlink(int32_t root, const char *path, const char *target) {
  char name[256], old[256];
  int from = open_parent(root, target, 0, old);
  if (from < 0) return from;
  int parent = open_parent(root, path, 1, name);
  if (parent < 0) {
    close(from);
    return parent;
  }
  struct stat found;
  int code = fstatat(from, old, &found, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
  if (code == 0 && !S_ISREG(found.st_mode)) code = -EINVAL;
  struct stat present;
  // A link of a file to itself is already there; removing it first would lose the file.
  int same = fstatat(parent, name, &present, AT_SYMLINK_NOFOLLOW) == 0 &&
             present.st_ino == found.st_ino && present.st_dev == found.st_dev;
  if (code == 0 && !same) {
    code = replace(parent, name);
    if (code == 0 && linkat(from, old, parent, name, 0) != 0) code = -errno;
  }
  close(from);
  close(parent);
  return code;
}
