/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Switches in replies. */

#include "daemon/worker-eswitch.h"
#include "common/macro.h"
#include "common/root.h"
#include "daemon/worker-memfd.h"
#include "sriov/eswitch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int worker_eswitch_seal(enum eswitch_mode mode, char (*names)[IFNAME_MAX], size_t n,
                        struct worker_reply *reply, int *ret_fd) {
        const struct iovec all = { names, n * sizeof(*names) };

        reply->value[0] = mode;
        reply->value[1] = n;
        if (n == 0)
                return 0;
        int fd = sealed_write("vf-representors", &all, 1);
        if (fd < 0)
                return fd;
        *ret_fd = fd;
        return 0;
}

int worker_eswitch_put(int root_fd, struct address pf, struct worker_reply *reply, int *ret_fd, char *text,
                       const char **step) {
        enum eswitch_mode mode;
        uint64_t n = 0;

        int r = eswitch_read(root_fd, pf, &mode, text, step);
        if (r < 0)
                return r;
        if (mode == ESWITCH_SWITCHDEV) {
                *step = "reading sriov_numvfs";
                r = root_read_u64(root_fd, &n, "sys/bus/pci/devices/%s/sriov_numvfs", ADDRESS_STR(pf));
                if (r < 0)
                        return r;
        }
        n = MIN(n, (uint64_t) VFS_PER_PF_MAX);
        char(*names)[IFNAME_MAX] = calloc(n + 1, sizeof(*names));
        if (!names)
                return -ENOMEM;
        r = n > 0 ? eswitch_representors(root_fd, pf, names, n, step) : 0;
        if (r >= 0)
                r = worker_eswitch_seal(mode, names, n, reply, ret_fd);
        free(names);
        return r;
}

int worker_eswitch_take(const struct worker_reply *reply, int fd, enum eswitch_mode *ret,
                        char (**ret_names)[IFNAME_MAX], size_t *ret_n) {
        size_t n = reply->value[1], size = 0;

        if (reply->error < 0)
                return reply->error;
        if (reply->value[0] <= ESWITCH_UNKNOWN || reply->value[0] >= _ESWITCH_MODE_MAX ||
            n > VFS_PER_PF_MAX || (n > 0 && (sealed_size(fd, &size) < 0 || size != n * IFNAME_MAX)))
                return -EPROTO;
        char(*names)[IFNAME_MAX] = calloc(n + 1, sizeof(*names));
        if (!names)
                return -ENOMEM;
        int r = n > 0 ? sealed_read(fd, names, size, 0) : 0;
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (!memchr(names[i], '\0', IFNAME_MAX))
                        r = -EPROTO;
        if (r < 0) {
                free(names);
                return -EPROTO;
        }
        *ret = (enum eswitch_mode) reply->value[0];
        *ret_names = names;
        *ret_n = n;
        return 0;
}
