/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which VFs a request gets. Pure and deterministic. */

#include "policy/allocate.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not only guest RAM is pinned: option ROMs and video memory are mapped too. */
#define MEMLOCK_SLACK (64ULL * 1024 * 1024)

uint64_t allocate_memlock_need(uint64_t memory, enum hand_off hand_off, size_t n_vfs) {
        uint64_t times = hand_off == HAND_OFF_FD ? n_vfs : 1, need;

        if (__builtin_mul_overflow(memory, times, &need) || __builtin_add_overflow(need, MEMLOCK_SLACK, &need))
                return UINT64_MAX;
        return need;
}

/* VFs that the tenant has of the pool now; those of leases that end count until they are back. */
static unsigned used_by(const char *tenant, const char *pool, const struct lease *const *leases, size_t n, char *vms,
                        size_t size) {
        unsigned used = 0;
        size_t at = 0;

        vms[0] = '\0';
        for (size_t i = 0; i < n; i++) {
                if (strcmp(leases[i]->tenant, tenant) != 0 || strcmp(leases[i]->pool, pool) != 0)
                        continue;
                used += (unsigned) leases[i]->n_vfs;
                int len = snprintf(vms + at, size - at, "%s%s", at ? ", " : ": ", leases[i]->vm);
                if (len > 0 && (size_t) len < size - at)
                        at += (size_t) len;
                else
                        vms[at] = '\0';
        }
        return used;
}

/* One PF of the pool while VFs are picked: a cursor over its VFs and its load. */
struct candidate {
        const struct pf *pf;
        size_t next;
        size_t load;
};

static bool is_taken(const struct vf *vf) {
        return vf->state == VF_LEASING || vf->state == VF_LEASED || vf->state == VF_RECLAIMING;
}

static size_t find_candidates(const struct inventory *inv, size_t pool, struct candidate *ret, size_t *n_ready) {
        size_t n = 0;

        *n_ready = 0;
        for (size_t i = 0; i < inv->n_pfs; i++) {
                const struct pf *pf = inv->pfs[i];
                struct candidate c = { .pf = pf };
                size_t ready = 0;

                if (pf->pool != (int) pool || pf->stuck)
                        continue;
                for (size_t j = 0; j < pf->n_vfs; j++) {
                        ready += pf->vfs[j]->state == VF_READY;
                        c.load += is_taken(pf->vfs[j]);
                }
                *n_ready += ready;
                if (ready > 0)
                        ret[n++] = c;
        }
        return n;
}

static struct vf *take_next(struct candidate *c) {
        while (c->next < c->pf->n_vfs) {
                struct vf *vf = c->pf->vfs[c->next++];

                if (vf->state == VF_READY) {
                        c->load++;
                        return vf;
                }
        }
        return NULL;
}

/* The next VF: of the first PF that has one (pack), or of the one with the least load (spread). PFs come by address, so ties go
 * to the lowest. */
static struct vf *pick(struct candidate *c, size_t n, enum placement placement) {
        for (;;) {
                struct candidate *best = NULL;

                for (size_t i = 0; i < n; i++)
                        if (c[i].next < c[i].pf->n_vfs &&
                            (!best || (placement == PLACEMENT_SPREAD && c[i].load < best->load)))
                                best = &c[i];
                if (!best)
                        return NULL;
                struct vf *vf = take_next(best);
                if (vf)
                        return vf;
        }
}

static int choose(const struct policy *policy, const struct inventory *inv, const struct grant *g, unsigned count,
                  struct allocation *ret, char *detail, size_t size) {
        struct candidate *c = calloc(inv->n_pfs ? inv->n_pfs : 1, sizeof(*c));
        size_t n_ready;

        if (!c)
                return REASON_LIMIT;
        size_t n = find_candidates(inv, g->pool, c, &n_ready);
        if (n_ready < count) {
                free(c);
                snprintf(detail, size, "%zu of %u VFs ready", n_ready, count);
                return REASON_POOL_EMPTY;
        }
        for (ret->n_vfs = 0; ret->n_vfs < count; ret->n_vfs++)
                ret->vfs[ret->n_vfs] = pick(c, n, policy->pools[g->pool].placement);
        free(c);
        return REASON_NONE;
}

static int choose_hand_off(const struct inventory *inv, enum hand_off wish, enum hand_off *ret) {
        if (wish == HAND_OFF_AUTO)
                wish = inv->can_fd ? HAND_OFF_FD : HAND_OFF_NODE;
        *ret = wish;
        if (wish == HAND_OFF_FD)
                return inv->can_fd ? REASON_NONE : REASON_NO_FD_HANDOFF;
        return inv->can_node ? REASON_NONE : REASON_NO_NODE_HANDOFF;
}

static int check_memlock(const struct tenant *t, const struct request *r, enum hand_off hand_off, char *detail,
                         size_t size) {
        uint64_t need = allocate_memlock_need(r->memory, hand_off, r->count);

        if (r->memory == 0 || t->memlock == 0 || need <= t->memlock)
                return REASON_NONE;
        snprintf(detail, size, "needs %s (%llu bytes), the policy allows %s", SIZE_STR(need), (unsigned long long) need,
                 SIZE_STR(t->memlock));
        return REASON_MEMLOCK;
}

int allocate(const struct policy *policy, const struct inventory *inventory, const struct lease *const *leases,
             size_t n_leases, const struct request *request, struct allocation *ret, char *detail, size_t size) {
        const struct tenant *t = policy_find_tenant(policy, request->tenant);
        int pool = policy_find_pool(policy, request->pool), r;
        char vms[256];

        detail[0] = '\0';
        if (!t)
                return REASON_NO_SUCH_TENANT;
        if (!name_is_valid(request->vm)) {
                snprintf(detail, size, "VM");
                return REASON_BAD_NAME;
        }
        const struct grant *g = pool >= 0 ? tenant_find_grant(t, (size_t) pool) : NULL;
        if (!g)
                return REASON_NO_SUCH_POOL;
        if (request->count < 1 || request->count > ACQUIRE_COUNT_MAX) {
                snprintf(detail, size, "1 to %u VFs at once", ACQUIRE_COUNT_MAX);
                return REASON_LIMIT;
        }
        struct allocation a = { .memlock = t->memlock };
        r = choose_hand_off(inventory, request->hand_off, &a.hand_off);
        if (r == REASON_NONE)
                r = check_memlock(t, request, a.hand_off, detail, size);
        if (r != REASON_NONE)
                return r;
        unsigned used = used_by(t->name, request->pool, leases, n_leases, vms, sizeof(vms));
        if (used + request->count > g->quota) {
                snprintf(detail, size, "quota %u, in use %u%s", g->quota, used, vms);
                return REASON_QUOTA;
        }
        r = choose(policy, inventory, g, request->count, &a, detail, size);
        if (r == REASON_NONE)
                *ret = a;
        return r;
}
