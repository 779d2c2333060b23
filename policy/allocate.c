/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which VFs a request gets. Pure and deterministic. */

#include "policy/allocate.h"
#include "common/macro.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>

/* Not only guest RAM is pinned: option ROMs and video memory are mapped too. */
#define MEMLOCK_SLACK (64ULL * 1024 * 1024)

uint64_t allocate_memlock_need(uint64_t memory, enum hand_off hand_off, size_t n_vfs) {
        uint64_t times = hand_off == HAND_OFF_FD ? n_vfs : 1, need;

        if (__builtin_mul_overflow(memory, times, &need) ||
            __builtin_add_overflow(need, MEMLOCK_SLACK, &need))
                return UINT64_MAX;
        return need;
}

/* VFs that the tenant has of the pool now; those of leases that end count until they are back. vms: ": web1,
 * web2" */
static size_t used_by(const char *tenant, const char *pool, const struct lease *const *leases, size_t n,
                      char *vms, size_t size) {
        size_t used = 0, at = 0;
        bool cut = false;

        vms[0] = '\0';
        for (size_t i = 0; i < n; i++) {
                if (strcmp(leases[i]->tenant, tenant) != 0 || strcmp(leases[i]->pool, pool) != 0)
                        continue;
                used += leases[i]->n_vfs;
                const char *name = leases[i]->vm;
                if (cut)
                        continue;
                cut = at + strlen(name) + sizeof(", , ...") > size;
                at += (size_t) snprintf(vms + at, size - at, "%s%s", at ? ", " : ": ", cut ? "..." : name);
        }
        return used;
}

/* VFs of one IOMMU group cannot be kept apart; a pool may accept that, but then they go together. */
static bool is_alone(const struct vf *vf) {
        return vf->group_devices <= 1;
}

/* One PF of the pool while VFs are picked: a cursor over its VFs and its load. */
struct candidate {
        const struct pf *pf;
        size_t next;
        size_t ready;
        size_t load;
};

static struct candidate candidate_of(const struct pf *pf) {
        struct candidate c = { .pf = pf };

        for (size_t i = 0; i < pf->n_vfs; i++) {
                enum vf_state s = pf->vfs[i]->state;

                c.ready += s == VF_READY && is_alone(pf->vfs[i]);
                c.load += s == VF_LEASING || s == VF_LEASED || s == VF_RECLAIMING;
        }
        return c;
}

/* a goes before b. */
static bool is_better(const struct candidate *a, const struct candidate *b, enum placement placement) {
        if (placement == PLACEMENT_SPREAD && a->load != b->load)
                return a->load < b->load;
        return address_compare(a->pf->address, b->pf->address) < 0;
}

/* The best PFs of the pool, best first. A request for n VFs never gets to more than the n best, so more are
 * not kept. */
static size_t find_candidates(const struct inventory *inv, size_t pool, enum placement placement,
                              struct candidate ret[ACQUIRE_COUNT_MAX], size_t *n_ready) {
        size_t n = 0;

        *n_ready = 0;
        for (size_t i = 0; i < inv->n_pfs; i++) {
                if (inv->pfs[i]->pool != (int) pool || inv->pfs[i]->stuck)
                        continue;
                struct candidate c = candidate_of(inv->pfs[i]);
                size_t at = n;

                *n_ready += c.ready;
                while (at > 0 && is_better(&c, &ret[at - 1], placement))
                        at--;
                if (c.ready == 0 || at == ACQUIRE_COUNT_MAX)
                        continue;
                n = MIN(n + 1, (size_t) ACQUIRE_COUNT_MAX);
                memmove(ret + at + 1, ret + at, (n - at - 1) * sizeof(*ret));
                ret[at] = c;
        }
        return n;
}

static struct vf *pick(struct candidate *c, size_t n, enum placement placement) {
        struct candidate *best = NULL;

        for (size_t i = 0; i < n; i++)
                if (c[i].ready > 0 && (!best || is_better(&c[i], best, placement)))
                        best = &c[i];
        if (!best)
                return NULL;
        while (best->pf->vfs[best->next]->state != VF_READY || !is_alone(best->pf->vfs[best->next]))
                best->next++;
        best->ready--;
        best->load++;
        return best->pf->vfs[best->next++];
}

/* All VFs of a group, wherever they are; 0 if not all of them are ready and in the pool, or they are more
 * than may be asked for at once. */
static size_t collect_group(const struct inventory *inv, size_t pool, int group,
                            struct vf *vfs[ACQUIRE_COUNT_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < inv->n_pfs; i++)
                for (size_t k = 0; k < inv->pfs[i]->n_vfs; k++) {
                        struct vf *vf = inv->pfs[i]->vfs[k];

                        if (vf->group != group)
                                continue;
                        if (vf->state != VF_READY || inv->pfs[i]->pool != (int) pool || inv->pfs[i]->stuck ||
                            n == ACQUIRE_COUNT_MAX)
                                return 0;
                        vfs[n++] = vf;
                }
        return n;
}

/* A whole shared group of just this size; *near is the size of one that is ready, if there is any. */
static bool choose_group(const struct inventory *inv, size_t pool, unsigned count, struct allocation *ret,
                         size_t *near) {
        int tried = -1;

        *near = 0;
        for (size_t i = 0; i < inv->n_pfs; i++)
                for (size_t k = 0; inv->pfs[i]->pool == (int) pool && k < inv->pfs[i]->n_vfs; k++) {
                        const struct vf *vf = inv->pfs[i]->vfs[k];

                        if (is_alone(vf) || vf->state != VF_READY || vf->group == tried)
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

static int choose(const struct policy *policy, const struct inventory *inv, const struct grant *g,
                  unsigned count, struct allocation *ret, char *detail, size_t size) {
        enum placement placement = policy->pools[g->pool].placement;
        struct candidate c[ACQUIRE_COUNT_MAX];
        size_t n_ready, n = find_candidates(inv, g->pool, placement, c, &n_ready), near;

        if (n_ready < count) {
                if (choose_group(inv, g->pool, count, ret, &near))
                        return REASON_NONE;
                if (near > 0)
                        snprintf(detail, size,
                                 "%zu of %u VFs ready; others share an IOMMU group and go together: ask for %zu",
                                 n_ready, count, near);
                else
                        snprintf(detail, size, "%zu of %u VFs ready", n_ready, count);
                return REASON_POOL_EMPTY;
        }
        for (ret->n_vfs = 0; ret->n_vfs < count; ret->n_vfs++)
                ret->vfs[ret->n_vfs] = pick(c, n, placement);
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

/* All devices of a group must be bound to one iommufd (Documentation/driver-api/vfio.rst), and the fd
 * hand-off gives each VF one of its own. */
static int choose_hand_off_of_group(const struct inventory *inv, enum hand_off wish, enum hand_off *ret,
                                    char *detail, size_t size) {
        *ret = HAND_OFF_NODE;
        if (wish != HAND_OFF_FD && inv->can_node)
                return REASON_NONE;
        snprintf(detail, size, "VFs of a shared IOMMU group can only be handed over by their node");
        return wish == HAND_OFF_FD ? REASON_NO_FD_HANDOFF : REASON_NO_NODE_HANDOFF;
}

static int check_memlock(const struct tenant *t, const struct request *r, enum hand_off hand_off,
                         char *detail, size_t size) {
        uint64_t need = allocate_memlock_need(r->memory, hand_off, r->count);

        if (r->memory == 0 || t->memlock == 0 || need <= t->memlock)
                return REASON_NONE;
        snprintf(detail, size, "needs %s (%llu bytes), the policy allows %s (%llu bytes)", SIZE_STR(need),
                 (unsigned long long) need, SIZE_STR(t->memlock), (unsigned long long) t->memlock);
        return REASON_MEMLOCK;
}

int allocate(const struct policy *policy, const struct inventory *inventory,
             const struct lease *const *leases, size_t n_leases, const struct request *request,
             struct allocation *ret, char *detail, size_t size) {
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
        size_t used = used_by(t->name, request->pool, leases, n_leases, vms, sizeof(vms));
        if (used + request->count > g->quota) {
                snprintf(detail, size, "quota %u, in use %zu%s", g->quota, used, vms);
                return REASON_QUOTA;
        }
        r = choose(policy, inventory, g, request->count, &a, detail, size);
        if (r == REASON_NONE && !is_alone(a.vfs[0]))
                r = choose_hand_off_of_group(inventory, request->hand_off, &a.hand_off, detail, size);
        if (r == REASON_NONE)
                *ret = a;
        return r;
}
