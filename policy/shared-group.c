/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VFs that share an IOMMU group, where a pool accepts that: all together or not at all. */

#include "common/macro.h"
#include "policy/place.h"

#include <errno.h>
#include <stdlib.h>

static int compare_groups(const void *a, const void *b) {
        const struct vf *x = *(struct vf *const *) a, *y = *(struct vf *const *) b;

        return x->group != y->group ? (x->group < y->group ? -1 : 1)
                                    : address_compare(x->address, y->address);
}

/* Every VF that shares its group, wherever it is, group by group. */
static struct vf **sort_shared(const struct inventory *inv, size_t *ret_n) {
        size_t n = 0;

        *ret_n = 0;
        for (size_t i = 0; i < inv->n_pfs; i++)
                n += inv->pfs[i]->n_vfs;
        struct vf **shared = calloc(n + 1, sizeof(*shared));
        if (!shared)
                return NULL;
        for (size_t i = 0; i < inv->n_pfs; i++)
                for (size_t k = 0; k < inv->pfs[i]->n_vfs; k++)
                        if (!vf_is_alone(inv->pfs[i]->vfs[k]))
                                shared[(*ret_n)++] = inv->pfs[i]->vfs[k];
        qsort(shared, *ret_n, sizeof(*shared), compare_groups);
        return shared;
}

static bool may_be_given(const struct placing *p, const struct vf *vf) {
        const struct promised *promise = placing_promise(p, vf);

        return placing_is_ready(p, vf) && vf->pf->pool == (int) p->grants[0]->pool &&
               (!promise || promise->own);
}

/* A group of n VFs, if all of it can be given at once. */
static bool take_group(const struct placing *p, struct vf *const *vfs, size_t n, struct allocation *ret) {
        ret->n_vfs = 0;
        for (size_t i = 0; i < n; i++) {
                if (n > ACQUIRE_COUNT_MAX || !may_be_given(p, vfs[i]))
                        return false;
                ret->vfs[ret->n_vfs++] = (struct chosen_vf){ .vf = vfs[i] };
        }
        return true;
}

int place_shared_group(const struct placing *p, struct allocation *ret, size_t *near,
                       bool (*fits)(const struct allocation *a, const void *userdata), const void *userdata) {
        size_t n, end;
        _cleanup_free_ struct vf **shared = sort_shared(p->world->inventory, &n);

        *near = 0;
        if (!shared)
                return -ENOMEM;
        for (size_t i = 0; i < n; i = end) {
                for (end = i + 1; end < n && shared[end]->group == shared[i]->group; end++)
                        ;
                if (!take_group(p, &shared[i], end - i, ret) || !fits(ret, userdata))
                        continue;
                if (ret->n_vfs == p->request->wants[0].count)
                        return 1;
                *near = ret->n_vfs;
        }
        ret->n_vfs = 0;
        return 0;
}
