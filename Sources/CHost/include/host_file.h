// Files and folders.
#pragma once
#include <stdint.h>

enum {
  HOST_OPEN_READ = 0,
  // Made anew or emptied, then written.
  HOST_OPEN_REPLACE = 1,
  // Written; it must not exist yet.
  HOST_OPEN_NEW = 2,
  // Made when missing; read and written.
  HOST_OPEN_UPDATE = 3,
  // Made when missing; what is written goes to its end.
  HOST_OPEN_APPEND = 4,
  // Made anew, read and written; it must not exist yet.
  HOST_OPEN_SCRATCH = 5,
  // Or'ed to one of the above: past the page cache where the file system can.
  HOST_OPEN_DIRECT = 16,
};

enum {
  HOST_KIND_FILE = 0,
  HOST_KIND_FOLDER = 1,
  HOST_KIND_LINK = 2,
  HOST_KIND_OTHER = 3,
};

// A descriptor, close-on-exec. mode is used when the file is made.
int32_t host_open(const char *path, int32_t how, uint32_t mode);

int32_t host_sync(int32_t fd);
int32_t host_sync_data(int32_t fd);
int32_t host_sync_folder(const char *path);
int32_t host_truncate(int32_t fd, uint64_t length);
// Asks the kernel to forget the cached pages of fd.
int32_t host_drop_cache(int32_t fd);

// The file was used now.
int32_t host_touch(const char *path);

// Size in bytes, kind (HOST_KIND_*), permission bits, modification time. Links are not followed.
int32_t host_stat(
    const char *path, uint64_t *size, int32_t *kind, uint32_t *mode, uint64_t *modified_seconds);
int32_t host_stat_fd(int32_t fd, uint64_t *size, int32_t *kind);

int32_t host_rename(const char *from, const char *to);
int32_t host_unlink(const char *path);
int32_t host_mkdir(const char *path, uint32_t mode);
int32_t host_rmdir(const char *path);
int32_t host_chmod(const char *path, uint32_t mode);

// Removes path and everything under it. Links are removed, not followed; another file system
// mounted below ends it with -EXDEV. Trees of any depth are removed with a bounded number of
// descriptors. 0 as well when path does not exist.
int32_t host_remove_tree(const char *path);

// An exclusive flock(2); -HOST_EAGAIN when another process holds it.
int32_t host_lock(int32_t fd);

// The names in a folder, one a call, without "." and "..".
struct host_folder;
int32_t host_folder_open(const char *path, struct host_folder **folder);
// 1 and a name, or 0 at the end. The name is good until the next call.
int32_t host_folder_next(struct host_folder *folder, const char **name);
void host_folder_close(struct host_folder *folder);

// Bytes free for unprivileged users on the file system of path.
int32_t host_free_space(const char *path, uint64_t *free_bytes);
