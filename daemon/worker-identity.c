/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Identities in replies. */

#include "daemon/worker-identity.h"
#include "common/macro.h"
#include "common/text.h"
#include "sriov/identity.h"

#include <string.h>

_Static_assert(sizeof(struct worker_identity) <= sizeof(((struct worker_reply *) 0)->data),
               "an identity fits");

int worker_identity_put(int root_fd, struct address a, struct worker_reply *reply, const char **step) {
        struct worker_identity w = { 0 };
        struct identity id;

        int r = identity_read(root_fd, a, &id, step);
        if (r < 0)
                return r;
        text_copy(w.serial, sizeof(w.serial), id.serial);
        text_copy(w.dsn, sizeof(w.dsn), id.dsn);
        w.mac = id.mac;
        w.link_mbps = id.link_mbps;
        w.vf_total_msix = id.vf_total_msix;
        memcpy(reply->data, &w, sizeof(w));
        return 0;
}

void worker_identity_take(const struct worker_reply *reply, struct pf *pf) {
        struct worker_identity w;

        if (reply->error < 0)
                return;
        memcpy(&w, reply->data, sizeof(w));
        w.serial[sizeof(w.serial) - 1] = w.dsn[sizeof(w.dsn) - 1] = '\0';
        text_copy(pf->serial, sizeof(pf->serial), w.serial);
        text_copy(pf->dsn, sizeof(pf->dsn), w.dsn);
        pf->mac = w.mac;
        pf->link_mbps = w.link_mbps;
        pf->vf_total_msix = w.vf_total_msix;
        pf->identified = true;
}
