/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VFs that share an IOMMU group, where a pool accepts that: all together or not at all. */

#include "policy/place.h"

/* All VFs of a group, wherever they are; 0 if not all of them are ready and in the pool, or they are more
 * than may be asked for at once. */
static size_t collect_group(const struct inventory *inv, size_t pool, int group,
                            struct chosen_vf vfs[ACQUIRE_COUNT_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < inv->n_pfs; i++)
                for (size_t k = 0; k < inv->pfs[i]->n_vfs; k++) {
                        const struct pf *pf = inv->pfs[i];
                        struct vf *vf = pf->vfs[k];

                        if (vf->group != group)
                                continue;
                        if (vf->state != VF_READY || pf->pool != (int) pool || pf->stuck || pf->drained ||
                            n == ACQUIRE_COUNT_MAX)
                                return 0;
                        vfs[n++] = (struct chosen_vf){ .vf = vf };
                }
        return n;
}

bool place_shared_group(const struct world *world, size_t pool, unsigned count, struct allocation *ret,
                        size_t *near) {
        const struct inventory *inv = world->inventory;
        int tried = -1;

        *near = 0;
        for (size_t i = 0; i < inv->n_pfs; i++)
                for (size_t k = 0; inv->pfs[i]->pool == (int) pool && k < inv->pfs[i]->n_vfs; k++) {
                        const struct vf *vf = inv->pfs[i]->vfs[k];

                        if (vf_is_alone(vf) || vf->state != VF_READY || vf->group == tried)
                                continue;
                        tried = vf->group;
                        size_t n = collect_group(inv, pool, vf->group, ret->vfs);
                        if (n == count) {
                                ret->n_vfs = n;
                                return true;
                        }
                        *near = n > 0 ? n : *near;
                }
        return false;
}
