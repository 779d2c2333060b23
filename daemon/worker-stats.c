/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statistics in replies. */

#include "daemon/worker-stats.h"
#include "common/macro.h"
#include "sriov/netvf-stats.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U /* Linux 6.3; demanded where vm.memfd_noexec is 2 */
#endif

static uint64_t now_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static int make_memfd(void) {
        int fd = memfd_create("vf-statistics", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

        if (fd < 0 && errno == EINVAL)
                fd = memfd_create("vf-statistics", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        return fd < 0 ? -errno : fd;
}

int worker_stats_seal(const struct vf_statistics *list, size_t n, struct worker_reply *reply, int *ret_fd) {
        size_t size = n * sizeof(*list);
        _cleanup_close_ int fd = make_memfd();

        if (fd < 0)
                return fd;
        ssize_t written = size > 0 ? write(fd, list, size) : 0;
        if (written != (ssize_t) size)
                return written < 0 ? -errno : -ENOSPC;
        if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;
        reply->value[0] = n;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int worker_stats_put(int root_fd, struct address pf, struct worker_reply *reply, int *ret_fd,
                     const char **step) {
        _cleanup_free_ struct vf_statistics *list = NULL;
        size_t n = 0;

        int r = netvf_stats_read(root_fd, pf, &list, &n, step);
        if (r < 0)
                return r;
        reply->value[1] = now_usec();
        *step = "handing the statistics over";
        return worker_stats_seal(list, n, reply, ret_fd);
}

/* Without its seals, what was checked could change under our eyes, and a read of what is no memfd could wait.
 */
static int check_file(int fd, size_t size) {
        struct stat st;

        int seals = fd >= 0 ? fcntl(fd, F_GET_SEALS) : -1;
        if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 || st.st_size != (off_t) size)
                return -EPROTO;
        return 0;
}

int worker_stats_take(const struct worker_reply *reply, int fd, struct vf_statistics **ret, size_t *ret_n) {
        size_t n = reply->value[0], size = n * sizeof(struct vf_statistics);

        if (reply->error < 0)
                return reply->error;
        if (n > VFS_PER_PF_MAX || check_file(fd, size) < 0)
                return -EPROTO;
        _cleanup_free_ struct vf_statistics *list = calloc(n + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        if (pread(fd, list, size, 0) != (ssize_t) size)
                return -EPROTO;
        for (size_t i = 0; i < n; i++)
                if (list[i].index >= VFS_PER_PF_MAX || (i > 0 && list[i].index <= list[i - 1].index))
                        return -EPROTO;
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}
