/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of the VFs that are promised to VMs are still to be given. */

#include "policy/promise.h"

static const struct vf *find_vf(const struct pf *pf, struct address a) {
        size_t low = 0,
               high = pf->n_vfs; /* addresses rise with the index (SR-IOV 3.3.9: offset and stride) */

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int c = address_compare(pf->vfs[middle]->address, a);

                if (c == 0)
                        return pf->vfs[middle];
                if (c < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

bool promise_is_open(const struct inventory *inventory, const struct leased_vf *v) {
        const struct pf *pf = inventory_find_pf(inventory, v->pf);
        const struct vf *vf = pf ? find_vf(pf, v->address) : NULL;

        return !vf || !vf->lease[0];
}
