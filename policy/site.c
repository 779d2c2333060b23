/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PFs as a request sees them: one look at all leases and promises, one at the VFs of the pools that it wants.
 */

#include "policy/place.h"
#include "policy/promise.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct site *placing_site(const struct placing *p, struct address pf) {
        const struct inventory *inv = p->world->inventory;
        size_t low = 0, high = inv->n_pfs;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int c = address_compare(inv->pfs[middle]->address, pf);

                if (c == 0)
                        return &p->sites[middle];
                if (c < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

static bool is_mine(const struct placing *p, const struct lease *l) {
        return strcmp(l->tenant, p->request->tenant) == 0;
}

static const char *group_of(const struct request *r) {
        return r->group ? r->group : r->vm;
}

/* Taken as given back: see enum returned. */
bool placing_is_returned(const struct placing *p, const struct lease *l) {
        return p->returned == RETURNED_BY_ALL || (p->returned == RETURNED_BY_OTHERS && !is_mine(p, l));
}

static int compare_held(const void *a, const void *b) {
        const struct address *x = a, *y = b;

        return address_compare(*x, *y);
}

bool placing_is_ready(const struct placing *p, const struct vf *vf) {
        switch (p->returned) {
        case RETURNED_NOTHING:
                break;
        case RETURNED_BY_OTHERS: /* what is not ready yet, or drained, may be later */
                return p->n_held == 0 ||
                       !bsearch(&vf->address, p->held, p->n_held, sizeof(*p->held), compare_held);
        case RETURNED_BY_ALL:
                return true;
        }
        return vf->state == VF_READY && !vf->pf->stuck && !vf->pf->drained;
}

/* One VF that somebody has or is promised weighs on its PF, and on its tenant. */
static void count_vf(struct placing *p, const struct lease *l, const struct leased_vf *v, bool mine,
                     bool group) {
        struct site *s = placing_site(p, v->pf);

        if (mine) {
                p->used_total++;
                for (size_t i = 0; i < p->request->n_wants; i++)
                        p->used[i] += strcmp(l->pools[v->pool], p->request->wants[i].pool) == 0;
        }
        if (!s)
                return;
        s->mine += mine;
        s->group_here = s->group_here || group;
        if (v->attributes.set & ATTR_MIN_TX)
                s->min_mbps += v->attributes.min_tx_mbps;
}

static void count_leases(struct placing *p) {
        const struct world *w = p->world;

        for (size_t i = 0; i < w->n_leases; i++) {
                const struct lease *l = w->leases[i];
                bool mine = is_mine(p, l), group = mine && strcmp(l->group, group_of(p->request)) == 0;

                if (placing_is_returned(p, l))
                        continue;
                p->apart = p->apart || (group && l->apart);
                for (size_t k = 0; k < l->n_vfs; k++) {
                        count_vf(p, l, &l->vfs[k], mine, group);
                        if (p->returned == RETURNED_BY_OTHERS)
                                p->held[p->n_held++] = l->vfs[k].address;
                }
        }
        qsort(p->held, p->n_held, sizeof(*p->held), compare_held);
}

static bool asks_for(const struct request *r, const char *pool) {
        for (size_t i = 0; i < r->n_wants; i++)
                if (strcmp(r->wants[i].pool, pool) == 0)
                        return true;
        return false;
}

static void count_promise(struct placing *p, const struct lease *l) {
        bool mine = is_mine(p, l), own = mine && strcmp(l->vm, p->request->vm) == 0;
        bool group = mine && strcmp(l->group, group_of(p->request)) == 0;

        if (placing_is_returned(p, l))
                return;
        p->apart = p->apart || (group && l->apart);
        for (size_t k = 0; k < l->n_vfs; k++) {
                const struct leased_vf *v = &l->vfs[k];

                if (!promise_is_open(p->world->inventory, v))
                        continue;
                bool counts = !own || !asks_for(p->request, l->pools[v->pool]);
                if (counts)
                        count_vf(p, l, v, mine, group);
                p->promised[p->n_promised++] = (struct promised){
                        .address = v->address, .lease = l, .vf = v, .own = own, .counts = counts
                };
        }
}

static int compare_promised(const void *a, const void *b) {
        const struct promised *x = a, *y = b;

        return address_compare(x->address, y->address);
}

const struct promised *placing_promise(const struct placing *p, const struct vf *vf) {
        const struct promised key = { .address = vf->address };

        return p->n_promised ? bsearch(&key, p->promised, p->n_promised, sizeof(key), compare_promised)
                             : NULL;
}

static bool is_wanted(const struct placing *p, int pool) {
        for (size_t i = 0; i < p->request->n_wants; i++)
                if (pool >= 0 && p->grants[i]->pool == (size_t) pool)
                        return true;
        return false;
}

/* The VFs of one PF. */
static void count_site(struct placing *p, struct site *s) {
        for (size_t i = 0; i < s->pf->n_vfs; i++) {
                const struct vf *vf = s->pf->vfs[i];
                const struct promised *promise = placing_promise(p, vf);
                bool free = vf_is_alone(vf) && placing_is_ready(p, vf);

                s->load += vf->state == VF_LEASING || vf->state == VF_LEASED || vf->state == VF_RECLAIMING ||
                           (promise && !promise->own);
                s->free += free && (!promise || promise->own);
                s->own += free && promise && promise->own;
        }
        if (!s->pf->needs_disks || p->returned != RETURNED_NOTHING) /* with VFs disks come back */
                return;
        s->short_of_disks = s->free > s->pf->free_disks;
        s->free = MIN(s->free, (size_t) s->pf->free_disks);
        s->own = MIN(s->own, (size_t) s->pf->free_disks);
}

int placing_init(struct placing *p) {
        const struct world *w = p->world;
        size_t n_promised = 0, n_held = 0;

        for (size_t i = 0; i < w->n_promises; i++)
                n_promised += w->promises[i]->n_vfs;
        for (size_t i = 0; i < w->n_leases; i++)
                n_held += is_mine(p, w->leases[i]) ? w->leases[i]->n_vfs : 0;
        p->sites = calloc(w->inventory->n_pfs + 1, sizeof(*p->sites));
        p->promised = calloc(n_promised + 1, sizeof(*p->promised));
        p->held = calloc(n_held + 1, sizeof(*p->held));
        if (!p->sites || !p->promised || !p->held)
                return -ENOMEM;
        for (size_t i = 0; i < w->inventory->n_pfs; i++)
                p->sites[i].pf = w->inventory->pfs[i];
        p->apart = p->request->apart;
        count_leases(p);
        for (size_t i = 0; i < w->n_promises; i++)
                count_promise(p, w->promises[i]);
        qsort(p->promised, p->n_promised, sizeof(*p->promised), compare_promised);
        for (size_t i = 0; i < w->inventory->n_pfs; i++)
                if (is_wanted(p, w->inventory->pfs[i]->pool))
                        count_site(p, &p->sites[i]);
        return 0;
}

void placing_done(struct placing *p) {
        free(p->sites);
        free(p->promised);
        free(p->held);
}
