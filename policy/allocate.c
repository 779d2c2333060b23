/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a request gets: what its tenant may have at all, then where it comes from. Pure and deterministic. */

#include "policy/allocate.h"
#include "common/macro.h"
#include "common/text.h"
#include "policy/place.h"

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

bool reason_may_pass(enum reason r) {
        static const enum reason passing[] = {
                REASON_QUOTA,    REASON_TOTAL_QUOTA,   REASON_POOL_EMPTY,   REASON_NUMA,
                REASON_PF_SHARE, REASON_ANTI_AFFINITY, REASON_IN_LINE,      REASON_AFFINITY,
                REASON_RATE_SUM, REASON_MAC_IN_USE,    REASON_MACS_USED_UP, REASON_NAMESPACES_USED_UP
        };

        FOREACH_ARRAY(p, passing, ARRAY_SIZE(passing))
                if (*p == r)
                        return true;
        return false;
}

const char *refusal_text(const struct refusal *why, bool admin, char buf[REFUSAL_TEXT_MAX]) {
        bool more = admin && why->beyond[0];

        snprintf(buf, REFUSAL_TEXT_MAX, "%s%s%s", why->detail, more ? "; " : "", more ? why->beyond : "");
        return buf;
}

/* Adds a name to ": web1, web2"; false once there is no room. */
static bool add_name(char *buf, size_t size, const char *name, const char *note) {
        size_t at = strlen(buf);
        bool cut = at + strlen(name) + strlen(note) + sizeof(", , ...") > size;

        snprintf(buf + at, size - at, "%s%s%s", at ? ", " : ": ", cut ? "..." : name, cut ? "" : note);
        return !cut;
}

static bool lease_has(const struct lease *l, const char *pool) {
        for (size_t k = 0; k < l->n_vfs; k++)
                if (!pool || strcmp(l->pools[l->vfs[k].pool], pool) == 0)
                        return true;
        return false;
}

/* Who has what a quota counts. pool NULL: of all pools. */
static void name_users(const struct placing *p, const char *pool, char *buf, size_t size) {
        const struct world *w = p->world;
        const struct lease *last = NULL;

        buf[0] = '\0';
        for (size_t i = 0; i < w->n_leases; i++)
                if (strcmp(w->leases[i]->tenant, p->request->tenant) == 0 && lease_has(w->leases[i], pool) &&
                    !add_name(buf, size, w->leases[i]->vm, ""))
                        return;
        for (size_t i = 0; i < p->n_promised; i++) {
                const struct promised *v = &p->promised[i];

                if (!v->counts || v->lease == last || strcmp(v->lease->tenant, p->request->tenant) != 0 ||
                    (pool && strcmp(v->lease->pools[v->vf->pool], pool) != 0))
                        continue;
                last = v->lease;
                if (!add_name(buf, size, v->lease->vm, " (reserved)"))
                        return;
        }
}

static unsigned count_of(const struct request *r, const char *pool) {
        unsigned n = 0;

        for (size_t i = 0; i < r->n_wants; i++)
                if (!pool || strcmp(r->wants[i].pool, pool) == 0)
                        n += r->wants[i].count;
        return n;
}

static void tell_quota(const struct placing *p, unsigned quota, size_t used, const char *vms, char *detail,
                       size_t size) {
        if (p->returned == RETURNED_NOTHING)
                snprintf(detail, size, "quota %u, in use %zu%s", quota, used, vms);
        else
                snprintf(detail, size, "quota %u, which is less than is wanted", quota);
}

static int check_quotas(const struct placing *p, char *detail, size_t size) {
        const struct request *r = p->request;
        char vms[256];

        for (size_t i = 0; i < r->n_wants; i++) {
                if (p->used[i] + count_of(r, r->wants[i].pool) <= p->grants[i]->quota)
                        continue;
                name_users(p, r->wants[i].pool, vms, sizeof(vms));
                tell_quota(p, p->grants[i]->quota, p->used[i], vms, detail, size);
                return REASON_QUOTA;
        }
        if (p->tenant->quota == QUOTA_NONE || p->used_total + count_of(r, NULL) <= p->tenant->quota)
                return REASON_NONE;
        name_users(p, NULL, vms, sizeof(vms));
        tell_quota(p, p->tenant->quota, p->used_total, vms, detail, size);
        return REASON_TOTAL_QUOTA;
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
        uint64_t need = allocate_memlock_need(r->memory, hand_off, count_of(r, NULL));

        if (r->memory == 0 || t->memlock == 0 || need <= t->memlock)
                return REASON_NONE;
        snprintf(detail, size, "needs %s (%llu bytes), the policy allows %s (%llu bytes)", SIZE_STR(need),
                 (unsigned long long) need, SIZE_STR(t->memlock), (unsigned long long) t->memlock);
        return REASON_MEMLOCK;
}

/* What can be said of a request before anybody else is looked at. */
static int check_request(struct placing *p, struct vf_attributes attributes[WANTS_MAX], char *detail,
                         size_t size) {
        const struct request *r = p->request;
        const struct policy *policy = p->world->policy;

        if (!name_is_valid(r->vm) || (r->group && !name_is_valid(r->group))) {
                snprintf(detail, size, "%s", name_is_valid(r->vm) ? "group" : "VM");
                return REASON_BAD_NAME;
        }
        for (size_t i = 0; i < r->n_wants; i++) {
                int pool = policy_find_pool(policy, r->wants[i].pool);

                p->grants[i] = pool >= 0 ? tenant_find_grant(p->tenant, (size_t) pool) : NULL;
                if (!p->grants[i])
                        return REASON_NO_SUCH_POOL;
        }
        for (size_t i = 0; i < r->n_wants; i++)
                if (r->wants[i].count < 1 || r->wants[i].count > ACQUIRE_COUNT_MAX)
                        goto limit;
        if (r->n_wants < 1 || count_of(r, NULL) > ACQUIRE_COUNT_MAX)
                goto limit;
        for (size_t i = 0; i < r->n_wants; i++) {
                int no = choose_attributes(&policy->pools[p->grants[i]->pool], p->grants[i], &r->wants[i],
                                           &attributes[i], detail, size);

                if (no != REASON_NONE)
                        return no;
        }
        return REASON_NONE;
limit:
        snprintf(detail, size, "1 to %u VFs at once", ACQUIRE_COUNT_MAX);
        return REASON_LIMIT;
}

static int fill(struct placing *p, struct allocation *a, struct refusal *why) {
        struct vf_attributes attributes[WANTS_MAX];
        const struct request *r = p->request;
        char *detail = why->detail;
        const size_t size = sizeof(why->detail);

        int no = check_request(p, attributes, detail, size);
        if (no == REASON_NONE)
                no = choose_hand_off(p->world->inventory, r->hand_off, &a->hand_off);
        if (no == REASON_NONE)
                no = check_memlock(p->tenant, r, a->hand_off, detail, size);
        if (no == REASON_NONE)
                no = placing_init(p);
        if (no == REASON_NONE)
                no = check_quotas(p, detail, size);
        if (no == REASON_NONE)
                no = place(p, attributes, a, why);
        if (no == REASON_NONE)
                no = choose_macs(p, a, detail, size);
        if (no == REASON_NONE && !vf_is_alone(a->vfs[0].vf))
                no = choose_hand_off_of_group(p->world->inventory, r->hand_off, &a->hand_off, detail, size);
        a->apart = p->apart;
        return no;
}

static int allocate_if(const struct world *world, const struct request *request, enum returned returned,
                       struct allocation *ret, struct refusal *why) {
        const struct tenant *t = policy_find_tenant(world->policy, request->tenant);
        _cleanup_(placing_done) struct placing p = {
                .world = world, .request = request, .tenant = t, .returned = returned
        };

        why->detail[0] = why->beyond[0] = '\0';
        if (!t)
                return REASON_NO_SUCH_TENANT;
        struct allocation a = { .memlock = t->memlock, .max_lease = t->max_lease };
        int no = fill(&p, &a, why);
        if (no == REASON_NONE)
                *ret = a;
        return no;
}

int allocate(const struct world *world, const struct request *request, struct allocation *ret,
             struct refusal *why) {
        return allocate_if(world, request, RETURNED_NOTHING, ret, why);
}

int allocate_ever(const struct world *world, const struct request *request, struct refusal *why) {
        struct allocation a;

        return allocate_if(world, request, RETURNED_BY_ALL, &a, why);
}

bool allocate_competes(const struct world *world, const struct request *request, enum reason why) {
        struct allocation a;
        struct refusal unused;

        if (why == REASON_MAC_IN_USE || why == REASON_MACS_USED_UP)
                return false;
        int no = allocate_if(world, request, RETURNED_BY_OTHERS, &a, &unused);
        /* of its own VFs, too, anybody may take those that come back */
        return no == REASON_NONE || no == REASON_POOL_EMPTY || no == REASON_NUMA || no == REASON_AFFINITY ||
               no < 0;
}
