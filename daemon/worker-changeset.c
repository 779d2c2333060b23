/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sealed memfd cannot be changed between being checked and being used. */

#include "daemon/worker-changeset.h"
#include "common/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

int changeset_write(const struct vf_change *changes, size_t n) {
        _cleanup_close_ int fd = memfd_create("vfctl-changes", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        const char *p = (const char *) changes;
        size_t left = n * sizeof(*changes);

        if (fd < 0)
                return -errno;
        while (left > 0) {
                ssize_t w = write(fd, p, left);

                if (w <= 0)
                        return w < 0 ? -errno : -EIO;
                p += w;
                left -= (size_t) w;
        }
        if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* A byte that is neither 0 nor 1 is no bool, and must not be read as one. */
static bool is_bool(const bool *b) {
        return *(const unsigned char *) b <= 1;
}

static bool is_valid(const struct vf_change *c) {
        const struct vf_attributes *a = &c->attributes;

        return c->mode < _VF_CHANGE_MODE_MAX && !(a->set & ~ATTR_ALL) && a->vlan <= VLAN_ID_MAX + 1 &&
               a->vlan_qos <= VLAN_QOS_MAX && a->vlan_protocol < _VLAN_PROTOCOL_MAX &&
               a->link_state < _LINK_STATE_MAX && is_bool(&a->spoof_check) && is_bool(&a->trust) &&
               is_bool(&a->rss_query) && !(a->mac.byte[0] & 1) && c->error <= 0 &&
               !((c->failed | c->wish) & ~ATTR_ALL);
}

int changeset_read(int fd, size_t n, unsigned n_vfs, struct vf_change **ret) {
        const size_t size = n * sizeof(struct vf_change);
        struct stat st;

        if (n == 0 || n > n_vfs || fd < 0 || fstat(fd, &st) < 0 || (uint64_t) st.st_size != size ||
            (fcntl(fd, F_GET_SEALS) & SEALS) != SEALS) /* a file that is none has no seals */
                return -EINVAL;
        _cleanup_free_ struct vf_change *changes = malloc(size);
        if (!changes)
                return -ENOMEM;
        for (size_t done = 0; done < size;) {
                ssize_t r = pread(fd, (char *) changes + done, size - done, (off_t) done);

                if (r <= 0)
                        return r < 0 ? -errno : -EINVAL;
                done += (size_t) r;
        }
        for (size_t i = 0; i < n; i++)
                if (!is_valid(&changes[i]) || changes[i].index >= n_vfs ||
                    (i > 0 && changes[i].index <= changes[i - 1].index))
                        return -EINVAL;
        *ret = TAKE_PTR(changes);
        return 0;
}
