/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statistics in replies. */

#include "daemon/worker-stats.h"
#include "common/macro.h"
#include "daemon/worker-memfd.h"
#include "sriov/netvf-stats.h"

#include <errno.h>
#include <time.h>

static uint64_t now_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

int worker_stats_seal(const struct vf_statistics *list, size_t n, struct worker_reply *reply, int *ret_fd) {
        const struct iovec all = { (void *) list, n * sizeof(*list) };

        int fd = sealed_write("vf-statistics", &all, 1);
        if (fd < 0)
                return fd;
        reply->value[0] = n;
        *ret_fd = fd;
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

int worker_stats_take(const struct worker_reply *reply, int fd, struct vf_statistics **ret, size_t *ret_n) {
        size_t n = reply->value[0], size;

        if (reply->error < 0)
                return reply->error;
        if (n > VFS_PER_PF_MAX || sealed_size(fd, &size) < 0 || size != n * sizeof(struct vf_statistics))
                return -EPROTO;
        _cleanup_free_ struct vf_statistics *list = calloc(n + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        if (sealed_read(fd, list, size, 0) < 0)
                return -EPROTO;
        for (size_t i = 0; i < n; i++)
                if (list[i].index >= VFS_PER_PF_MAX || (i > 0 && list[i].index <= list[i - 1].index))
                        return -EPROTO;
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}
