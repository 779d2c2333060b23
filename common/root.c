/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files below one root. */

#include "common/root.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define EAGAIN_TRIES 10000U /* some 10 ms; each burst is far shorter */

#define FORMAT_PATH(path, format)                                                                            \
        char path[512];                                                                                      \
        do {                                                                                                 \
                va_list _ap;                                                                                 \
                va_start(_ap, format);                                                                       \
                int _n = vsnprintf(path, sizeof(path), format, _ap);                                         \
                va_end(_ap);                                                                                 \
                if (_n < 0 || (size_t) _n >= sizeof(path))                                                   \
                        path[0] = '\0'; /* opens as ENOENT */                                                \
        } while (0)

int root_open(const char *dir) {
        int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

bool root_is_host(int root_fd) {
        struct stat ours, host;

        return root_fd == AT_FDCWD || (fstat(root_fd, &ours) == 0 && stat("/", &host) == 0 &&
                                       ours.st_dev == host.st_dev && ours.st_ino == host.st_ino);
}

int root_openat(int root_fd, const char *path, int flags, mode_t mode) {
        struct open_how how = {
                .flags = (uint64_t) (flags | O_CLOEXEC),
                .mode = flags & O_CREAT ? mode : 0,
                .resolve = RESOLVE_IN_ROOT,
        };
        /* A mount or rename anywhere in the system while a ".." is followed, as in every link of sysfs, gives
         * EAGAIN: the kernel could not rule out an escape and asks to try again (openat2(2)). Services being
         * started cause bursts. */
        for (unsigned i = 0; i < EAGAIN_TRIES; i++) {
                long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

                if (fd >= 0)
                        return (int) fd;
                if (errno != EAGAIN)
                        return -errno;
                sched_yield();
        }
        return -EAGAIN;
}

int root_openf(int root_fd, int flags, const char *format, ...) {
        FORMAT_PATH(path, format);
        return root_openat(root_fd, path, flags, 0);
}

static int read_small(int root_fd, const char *path, char *buf, size_t size) {
        _cleanup_close_ int fd = root_openat(root_fd, path, O_RDONLY, 0);
        size_t got = 0;

        buf[0] = '\0';
        if (fd < 0)
                return fd;
        for (;;) {
                ssize_t n = read(fd, buf + got, size - 1 - got);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        buf[0] = '\0';
                        return -errno;
                }
                if (n == 0)
                        break;
                got += (size_t) n;
                if (got == size - 1) {
                        buf[0] = '\0';
                        return -EFBIG;
                }
        }
        if (got > 0 && buf[got - 1] == '\n')
                got--;
        buf[got] = '\0';
        return 0;
}

int root_read(int root_fd, char *buf, size_t size, const char *format, ...) {
        FORMAT_PATH(path, format);
        return read_small(root_fd, path, buf, size);
}

int root_read_all(int root_fd, const char *path, size_t max, char **ret, size_t *ret_size) {
        _cleanup_close_ int fd = root_openat(root_fd, path, O_RDONLY | O_NOCTTY, 0);
        _cleanup_free_ char *buf = NULL;
        size_t size = 0, got = 0;

        if (fd < 0)
                return fd;
        for (;;) {
                if (size - got < 2) {
                        size_t more = size ? size * 2 : 4096;
                        char *p = realloc(buf, more);

                        if (!p)
                                return -ENOMEM;
                        buf = p;
                        size = more;
                }
                ssize_t n = read(fd, buf + got, size - 1 - got);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                got += (size_t) n;
                if (got > max)
                        return -EFBIG;
        }
        buf[got] = '\0';
        *ret = TAKE_PTR(buf);
        if (ret_size)
                *ret_size = got;
        return 0;
}

int root_read_u64(int root_fd, uint64_t *ret, const char *format, ...) {
        char buf[64];
        FORMAT_PATH(path, format);
        int r = read_small(root_fd, path, buf, sizeof(buf));

        return r < 0 ? r : parse_u64(buf, 0, ret);
}

int root_read_hex(int root_fd, uint64_t *ret, const char *format, ...) {
        char buf[64];
        FORMAT_PATH(path, format);
        int r = read_small(root_fd, path, buf, sizeof(buf));

        return r < 0 ? r : parse_u64(buf, 16, ret);
}

int root_read_int(int root_fd, int *ret, const char *format, ...) {
        char buf[64];
        uint64_t v;
        FORMAT_PATH(path, format);
        int r = read_small(root_fd, path, buf, sizeof(buf));

        if (r < 0)
                return r;
        r = parse_u64(buf[0] == '-' ? buf + 1 : buf, 0, &v);
        if (r < 0)
                return r;
        if (v > INT32_MAX)
                return -ERANGE;
        *ret = buf[0] == '-' ? -(int) v : (int) v;
        return 0;
}

int root_link_name(int root_fd, char *buf, size_t size, const char *format, ...) {
        char target[512];
        FORMAT_PATH(path, format);
        buf[0] = '\0';

        /* readlinkat() has no RESOLVE_IN_ROOT: open the link itself, then read it with an empty path */
        _cleanup_close_ int fd = root_openat(root_fd, path, O_PATH | O_NOFOLLOW, 0);
        if (fd < 0)
                return fd;
        ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);
        if (n < 0)
                return errno == ENOENT ? -EINVAL : -errno; /* empty path on no link: ENOENT */
        target[n] = '\0';

        const char *name = strrchr(target, '/');
        name = name ? name + 1 : target;
        if (strlen(name) >= size)
                return -EFBIG;
        strcpy(buf, name);
        return 0;
}

bool root_exists(int root_fd, const char *format, ...) {
        FORMAT_PATH(path, format);
        _cleanup_close_ int fd = root_openat(root_fd, path, O_PATH | O_NOFOLLOW, 0);

        return fd >= 0;
}

int root_write(int root_fd, const char *text, const char *format, ...) {
        FORMAT_PATH(path, format);
        _cleanup_close_ int fd = root_openat(root_fd, path, O_WRONLY | O_TRUNC, 0);
        size_t len = strlen(text);

        if (fd < 0)
                return fd;
        /* No retry on EINTR: the kernel may have acted on the write already (sriov_numvfs) */
        ssize_t n = write(fd, text, len);
        if (n < 0)
                return -errno;
        return (size_t) n == len ? 0 : -EIO;
}

DIR *root_opendir(int root_fd, const char *format, ...) {
        FORMAT_PATH(path, format);
        int fd = root_openat(root_fd, path, O_RDONLY | O_DIRECTORY, 0);

        if (fd < 0) {
                errno = -fd;
                return NULL;
        }
        DIR *d = fdopendir(fd);
        if (!d)
                close(fd);
        return d;
}

static int write_all(int fd, const char *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                size -= (size_t) n;
        }
        return 0;
}

int root_replace(int root_fd, const char *dir, const char *name, const char *data, size_t size, mode_t mode) {
        _cleanup_close_ int dir_fd = root_openat(root_fd, dir, O_RDONLY | O_DIRECTORY, 0);
        char tmp[300];

        if (dir_fd < 0)
                return dir_fd;
        snprintf(tmp, sizeof(tmp), ".%s.tmp", name);
        _cleanup_close_ int fd =
                        openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd < 0)
                return -errno;
        int r = write_all(fd, data, size);
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        if (r >= 0 && renameat(dir_fd, tmp, dir_fd, name) < 0)
                r = -errno;
        if (r < 0) {
                unlinkat(dir_fd, tmp, 0);
                return r;
        }
        fsync(dir_fd); /* the rename itself; nothing useful to do if it fails */
        return 0;
}

int root_unlink(int root_fd, const char *dir, const char *name) {
        _cleanup_close_ int dir_fd = root_openat(root_fd, dir, O_RDONLY | O_DIRECTORY, 0);

        if (dir_fd < 0)
                return dir_fd;
        return unlinkat(dir_fd, name, 0) < 0 ? -errno : 0;
}
