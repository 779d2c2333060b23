/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Change sets between daemon and worker. */

#include "daemon/worker-changeset.h"
#include "common/macro.h"
#include "daemon/worker-memfd.h"

#include <errno.h>
#include <stdlib.h>

int changeset_write(const struct vf_change *changes, size_t n) {
        const struct iovec all = { (void *) changes, n * sizeof(*changes) };

        return sealed_write("vfctl-changes", &all, 1);
}

/* A byte that is neither 0 nor 1 is no bool, and must not be read as one. */
static bool is_bool(const bool *b) {
        return *(const unsigned char *) b <= 1;
}

static bool is_valid(const struct vf_change *c) {
        const struct vf_attributes *a = &c->attributes;

        return c->mode < _VF_CHANGE_MODE_MAX && !(a->set & ~ATTR_ALL) && a->vlan <= VLAN_ID_MAX + 1 &&
               a->vlan_qos <= VLAN_QOS_MAX && a->vlan_protocol < _VLAN_PROTOCOL_MAX &&
               a->link_state < _LINK_STATE_MAX && a->function_state < _FUNCTION_STATE_MAX &&
               is_bool(&a->spoof_check) && is_bool(&a->trust) && is_bool(&a->rss_query) &&
               !(a->mac.byte[0] & 1) && c->error <= 0 && !((c->failed | c->wish) & ~ATTR_ALL);
}

int changeset_read(int fd, size_t n, unsigned n_vfs, struct vf_change **ret) {
        const size_t size = n * sizeof(struct vf_change);
        size_t has;

        if (n == 0 || n > n_vfs || sealed_size(fd, &has) < 0 || has != size)
                return -EINVAL;
        _cleanup_free_ struct vf_change *changes = malloc(size);
        if (!changes)
                return -ENOMEM;
        if (sealed_read(fd, changes, size, 0) < 0)
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                if (!is_valid(&changes[i]) || changes[i].index >= n_vfs ||
                    (i > 0 && changes[i].index <= changes[i - 1].index))
                        return -EINVAL;
        *ret = TAKE_PTR(changes);
        return 0;
}
