/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sealed memory files. */

#include "daemon/worker-memfd.h"
#include "common/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U /* Linux 6.3; demanded where vm.memfd_noexec is 2 */
#endif

static int make_memfd(const char *name) {
        int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

        if (fd < 0 && errno == EINVAL)
                fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        return fd < 0 ? -errno : fd;
}

int sealed_write(const char *name, const struct iovec *parts, int n_parts) {
        _cleanup_close_ int fd = make_memfd(name);

        if (fd < 0)
                return fd;
        FOREACH_ARRAY(part, parts, n_parts) {
                const char *p = part->iov_base;

                for (size_t left = part->iov_len; left > 0;) {
                        ssize_t n = write(fd, p, left);

                        if (n <= 0)
                                return n < 0 ? -errno : -EIO;
                        p += n;
                        left -= (size_t) n;
                }
        }
        if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Without its seals, what was checked could change under our eyes, and a read of what is no memfd could wait.
 */
int sealed_size(int fd, size_t *ret) {
        struct stat st;

        int seals = fd >= 0 ? fcntl(fd, F_GET_SEALS) : -1;
        if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0)
                return -EPROTO;
        *ret = (size_t) st.st_size;
        return 0;
}

int sealed_read(int fd, void *buf, size_t size, size_t offset) {
        for (size_t done = 0; done < size;) {
                ssize_t n = pread(fd, (char *) buf + done, size - done, (off_t) (offset + done));

                if (n <= 0)
                        return n < 0 ? -errno : -EPROTO;
                done += (size_t) n;
        }
        return 0;
}
