/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths in replies. */

#include "daemon/worker-path.h"
#include "common/macro.h"
#include "sriov/capability.h"
#include "sriov/path.h"

#include <string.h>

_Static_assert(sizeof(struct path_hop[PATH_HOPS_MAX]) <= sizeof(((struct worker_reply *) 0)->data),
               "a path fits");

int worker_path_put(int root_fd, struct address a, struct worker_reply *reply) {
        struct path_hop hops[PATH_HOPS_MAX];
        uint8_t config[256];
        size_t n = 0;
        int r = path_read(root_fd, a, hops, &n);

        reply->value[1] = reply->value[2] = 0;
        if (r < 0)
                return r;
        memcpy(reply->data, hops, n * sizeof(*hops));
        reply->value[1] = n;
        r = capability_read_config(root_fd, a, config, sizeof(config));
        reply->value[2] = r > 0 ? capability_msix_vectors(config, (size_t) r) : 0;
        return 0;
}

/* The hops of a reply that begins with this function; 0 if it does not. */
static size_t hops_of(const struct worker_reply *reply, struct address first,
                      struct path_hop hops[PATH_HOPS_MAX]) {
        size_t n = (size_t) MIN(reply->value[1], (uint64_t) PATH_HOPS_MAX);

        if (reply->error < 0)
                return 0;
        memcpy(hops, reply->data, n * sizeof(*hops));
        if (n == 0 || !address_equal(hops[0].address, first))
                return 0;
        for (size_t i = 0; i < n; i++)
                if (hops[i].kind >= _HOP_KIND_MAX)
                        hops[i].kind = HOP_UNKNOWN, hops[i].flags = 0;
        return n;
}

static void take_path(struct pf *pf, const struct path_hop *hops, size_t n) {
        memcpy(pf->path, hops, n * sizeof(*hops));
        pf->n_path = n;
}

/* A failed look at one VF says nothing of the way that it shares with others. */
void worker_path_take_vf(const struct worker_reply *reply, struct vf *vf) {
        struct path_hop hops[PATH_HOPS_MAX];
        size_t n = hops_of(reply, vf->address, hops);
        bool whole = vf->pf->whole; /* itself is where its path begins */

        if (!whole && (n < 2 || !address_equal(hops[1].address, vf->pf->address)))
                n = 0;
        vf->hop = n > 0 ? hops[0] : (struct path_hop){ .address = vf->address };
        if (n > 0 && vf->vectors == 0) /* what it was given stands: a device that says something else is not
                                          given it over and over */
                vf->vectors = (unsigned) MIN(reply->value[2], (uint64_t) MSIX_MAX);
        if (whole)
                take_path(vf->pf, hops, MIN(n, ARRAY_SIZE(vf->pf->path)));
        else if (n > 0)
                take_path(vf->pf, hops + 1, n - 1);
}

void worker_path_take_pf(const struct worker_reply *reply, struct pf *pf) {
        struct path_hop hops[PATH_HOPS_MAX];
        size_t n = hops_of(reply, pf->address, hops);

        take_path(pf, hops, MIN(n, ARRAY_SIZE(pf->path)));
}
