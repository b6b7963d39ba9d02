#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "chost.h"
#include "text.h"

#define CHECK(call) ((call) == 0 ? 0 : -errno)

int32_t host_open(const char *path, int32_t how, uint32_t mode) {
  static const int flags[] = {
      O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC, O_WRONLY | O_CREAT | O_EXCL, O_RDWR | O_CREAT,
      O_WRONLY | O_CREAT | O_APPEND, O_RDWR | O_CREAT | O_EXCL};
  int kind = how & 15;
  if (kind > HOST_OPEN_SCRATCH) return -EINVAL;
  int direct = how & HOST_OPEN_DIRECT ? O_DIRECT : 0, fd;
  do fd = open(path, flags[kind] | direct | O_CLOEXEC | O_NOCTTY, (mode_t)mode);
  while (fd < 0 && errno == EINTR);
  return fd < 0 ? -errno : fd;
}

int32_t host_sync(int32_t fd) { return CHECK(fsync(fd)); }
int32_t host_sync_data(int32_t fd) { return CHECK(fdatasync(fd)); }

int32_t host_sync_folder(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int32_t result = CHECK(fsync(fd));
  close(fd);
  // Some file systems cannot sync a folder, and say so with EINVAL.
  return result == -EINVAL ? 0 : result;
}

int32_t host_truncate(int32_t fd, uint64_t length) { return CHECK(ftruncate(fd, (off_t)length)); }

int32_t host_drop_cache(int32_t fd) { return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); }

static int32_t kind_of(mode_t mode) {
  if (S_ISREG(mode)) return HOST_KIND_FILE;
  if (S_ISDIR(mode)) return HOST_KIND_FOLDER;
  return S_ISLNK(mode) ? HOST_KIND_LINK : HOST_KIND_OTHER;
}

int32_t host_stat(
    const char *path, uint64_t *size, int32_t *kind, uint32_t *mode, uint64_t *modified_seconds) {
  struct stat found;
  if (lstat(path, &found) != 0) return -errno;
  *size = (uint64_t)found.st_size;
  *kind = kind_of(found.st_mode);
  *mode = found.st_mode & 07777;
  *modified_seconds = found.st_mtime < 0 ? 0 : (uint64_t)found.st_mtime;
  return 0;
}

int32_t host_stat_fd(int32_t fd, uint64_t *size, int32_t *kind) {
  struct stat found;
  if (fstat(fd, &found) != 0) return -errno;
  *size = (uint64_t)found.st_size;
  *kind = kind_of(found.st_mode);
  return 0;
}

int32_t host_rename(const char *from, const char *to) { return CHECK(rename(from, to)); }
int32_t host_unlink(const char *path) { return CHECK(unlink(path)); }
int32_t host_mkdir(const char *path, uint32_t mode) { return CHECK(mkdir(path, (mode_t)mode)); }
int32_t host_rmdir(const char *path) { return CHECK(rmdir(path)); }
int32_t host_chmod(const char *path, uint32_t mode) { return CHECK(chmod(path, (mode_t)mode)); }

int32_t host_lock(int32_t fd) {
  int result;
  do result = flock(fd, LOCK_EX | LOCK_NB);
  while (result != 0 && errno == EINTR);
  return CHECK(result);
}

struct host_folder {
  DIR *stream;
};

int32_t host_folder_open(const char *path, struct host_folder **folder) {
  DIR *stream = opendir(path);
  if (!stream) return -errno;
  *folder = malloc(sizeof **folder);
  if (!*folder) {
    closedir(stream);
    return -ENOMEM;
  }
  (*folder)->stream = stream;
  return 0;
}

static int is_self_or_parent(const char *name) {
  return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

int32_t host_folder_next(struct host_folder *folder, const char **name) {
  for (;;) {
    errno = 0;
    struct dirent *entry = readdir(folder->stream);
    if (!entry) return -errno;
    if (is_self_or_parent(entry->d_name)) continue;
    *name = entry->d_name;
    return 1;
  }
}

void host_folder_close(struct host_folder *folder) {
  closedir(folder->stream);
  free(folder);
}

int32_t host_free_space(const char *path, uint64_t *free_bytes) {
  struct statvfs found;
  if (statvfs(path, &found) != 0) return -errno;
  *free_bytes = (uint64_t)found.f_bavail * found.f_frsize;
  return 0;
}

// Removal. Descending costs a descriptor a level, so a folder that lies deeper than DEEPEST is
// moved up to the top first, and removed from there in another round.
enum { DEEPEST = 24 };

struct removal {
  int top;
  dev_t device;
  uint32_t moved;
};

static int empty_folder(struct removal *removal, int fd, int depth);

static int remove_folder(struct removal *removal, int parent, const char *name, int depth) {
  if (depth >= DEEPEST) {
    char place[32];
    for (;;) {
      struct text text = {place, sizeof place, 0};
      text_add(&text, ".removing-");
      text_add_number(&text, removal->moved++);
      if (renameat(parent, name, removal->top, place) == 0) return 0;
      if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) return -errno;
    }
  }
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0)
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -errno;
  int result = empty_folder(removal, fd, depth);
  if (result < 0) return result;
  return CHECK(unlinkat(parent, name, AT_REMOVEDIR));
}

// Consumes fd.
static int empty_folder(struct removal *removal, int fd, int depth) {
  struct stat found;
  DIR *stream = fdopendir(fd);
  if (!stream) {
    int error = errno;
    close(fd);
    return -error;
  }
  int result = fstat(fd, &found) == 0 ? 0 : -errno;
  if (result == 0 && found.st_dev != removal->device) result = -EXDEV;
  if (result == 0 && (found.st_mode & 0700) != 0700) fchmod(fd, 0700);
  while (result == 0) {
    errno = 0;
    struct dirent *entry = readdir(stream);
    if (!entry) {
      result = -errno;
      break;
    }
    if (is_self_or_parent(entry->d_name)) continue;
    if (unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR && errno != EPERM) {
      result = -errno;
      break;
    }
    result = remove_folder(removal, fd, entry->d_name, depth + 1);
    if (result == -ENOENT) result = 0;
  }
  closedir(stream);
  return result;
}

int32_t host_remove_tree(const char *path) {
  struct stat found;
  if (lstat(path, &found) != 0) return errno == ENOENT ? 0 : -errno;
  if (!S_ISDIR(found.st_mode)) return CHECK(unlink(path));
  for (;;) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES && chmod(path, 0700) == 0)
      fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? 0 : -errno;
    int again = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (again < 0) {
      int error = errno;
      close(fd);
      return -error;
    }
    struct removal removal = {again, found.st_dev, 0};
    int result = empty_folder(&removal, fd, 0);
    close(again);
    if (result < 0) return result;
    if (rmdir(path) == 0 || errno == ENOENT) return 0;
    // Something was moved up after the listing had passed: another round finds it.
    if (errno != ENOTEMPTY && errno != EEXIST) return -errno;
  }
}

int32_t host_touch(const char *path) {
  return utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
}
