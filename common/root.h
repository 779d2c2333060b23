/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One root: everything under /sys, /proc, /dev, /run and /etc is opened relative to one directory fd, with
 * openat2(RESOLVE_IN_ROOT), so tools and tests run on a captured or a simulated tree. root_fd may be AT_FDCWD
 * only for the running system. Paths are relative to the root and carry no leading slash. */

#include "common/macro.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens dir as a root (O_PATH|O_DIRECTORY). Returns an fd or -errno. */
int root_open(const char *dir);

/* Whether it is the running system's, so that what else the kernel tells (netlink) is about the same host. */
bool root_is_host(int root_fd);

/* open() inside the root; flags get O_CLOEXEC. Returns an fd or -errno. */
int root_openf(int root_fd, int flags, const char *format, ...) _printf_(3, 4);
int root_openat(int root_fd, const char *path, int flags, mode_t mode);

/* Reads a small file; strips one trailing newline. buf is always NUL-terminated. -EFBIG if it does not fit.
 */
int root_read(int root_fd, char *buf, size_t size, const char *format, ...) _printf_(4, 5);

/* Reads a whole file of at most max bytes; *ret is NUL-terminated and the caller's. -EFBIG if larger. */
int root_read_all(int root_fd, const char *path, size_t max, char **ret, size_t *ret_size);

/* As root_read, parsed. Base 0 for integers ("0x…" is hex); _hex for files without prefix. */
int root_read_u64(int root_fd, uint64_t *ret, const char *format, ...) _printf_(3, 4);
int root_read_int(int root_fd, int *ret, const char *format, ...) _printf_(3, 4);
int root_read_hex(int root_fd, uint64_t *ret, const char *format, ...) _printf_(3, 4);

/* The last component of a symlink's target ("igb" of driver -> …/igb). */
int root_link_name(int root_fd, char *buf, size_t size, const char *format, ...) _printf_(4, 5);

bool root_exists(int root_fd, const char *format, ...) _printf_(2, 3);

/* One write(2) of text to an existing file (sysfs). Returns 0 or -errno of the write. */
int root_write(int root_fd, const char *text, const char *format, ...) _printf_(3, 4);

/* Opens a directory for readdir. NULL with errno on failure. */
DIR *root_opendir(int root_fd, const char *format, ...) _printf_(2, 3);

/* Replaces dir/name as a whole: temporary file, write, fsync, rename. -ENOSPC leaves the old file alone. */
int root_replace(int root_fd, const char *dir, const char *name, const char *data, size_t size, mode_t mode);
int root_unlink(int root_fd, const char *dir, const char *name);
