/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases and promises that the policy of today would not give any more. Oldest first, so that the youngest
 * are over a limit. */

#include "policy/over-policy.h"
#include "common/macro.h"
#include "policy/promise.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A VF that somebody has, or is promised and nobody has. */
struct holding {
        const struct lease *lease;
        const struct leased_vf *vf;
        size_t tenant, order; /* indexes: of the tenant in the policy, of this among all */
        /* How many there are up to this one: of its tenant on its PF, of its group on its PF. */
        size_t on_pf, in_group;
};

struct judge {
        const struct world *world;
        struct holding *holdings; /* of all leases, then of all promises */
        size_t n;
        size_t next;       /* holding of the lease that is judged now */
        size_t *per_grant; /* VFs counted so far, by offset of the tenant + index of its grant */
        size_t *offset;    /* by tenant */
        size_t *total;     /* by tenant: VFs counted so far */
};

static bool is_held(const struct world *w, const struct lease *l, const struct leased_vf *v, bool promise) {
        return promise ? promise_is_open(w->inventory, v) : !l->ending;
}

/* What counts of the leases, or promises, of tenants that there are. */
static void collect(struct judge *j, const struct lease *const *leases, size_t n, bool promise) {
        const struct policy *p = j->world->policy;

        for (size_t i = 0; i < n; i++) {
                const struct tenant *t = policy_find_tenant(p, leases[i]->tenant);

                for (size_t k = 0; t && k < leases[i]->n_vfs; k++)
                        if (is_held(j->world, leases[i], &leases[i]->vfs[k], promise)) {
                                j->holdings[j->n] = (struct holding){ .lease = leases[i],
                                                                      .vf = &leases[i]->vfs[k],
                                                                      .tenant = (size_t) (t - p->tenants),
                                                                      .order = j->n };
                                j->n++;
                        }
        }
}

static int by_pf(const struct holding *x, const struct holding *y) {
        return x->tenant != y->tenant ? (x->tenant < y->tenant ? -1 : 1)
                                      : address_compare(x->vf->pf, y->vf->pf);
}

static int by_group(const struct holding *x, const struct holding *y) {
        int c = by_pf(x, y);

        return c != 0 ? c : strcmp(x->lease->group, y->lease->group);
}

static int in_order(int c, const struct holding *x, const struct holding *y) {
        return c != 0 ? c : x->order < y->order ? -1 : x->order > y->order;
}

static int compare_pfs(const void *a, const void *b) {
        const struct holding *x = *(struct holding *const *) a, *y = *(struct holding *const *) b;

        return in_order(by_pf(x, y), x, y);
}

static int compare_groups(const void *a, const void *b) {
        const struct holding *x = *(struct holding *const *) a, *y = *(struct holding *const *) b;

        return in_order(by_group(x, y), x, y);
}

static int count_beside(struct judge *j) {
        _cleanup_free_ struct holding **sorted = calloc(j->n + 1, sizeof(*sorted));

        if (!sorted)
                return -ENOMEM;
        for (size_t i = 0; i < j->n; i++)
                sorted[i] = &j->holdings[i];
        qsort(sorted, j->n, sizeof(*sorted), compare_pfs);
        for (size_t i = 0; i < j->n; i++)
                sorted[i]->on_pf =
                                i > 0 && by_pf(sorted[i - 1], sorted[i]) == 0 ? sorted[i - 1]->on_pf + 1 : 1;
        qsort(sorted, j->n, sizeof(*sorted), compare_groups);
        for (size_t i = 0; i < j->n; i++)
                sorted[i]->in_group = i > 0 && by_group(sorted[i - 1], sorted[i]) == 0
                                                      ? sorted[i - 1]->in_group + 1
                                                      : 1;
        return 0;
}

static size_t count_vfs(const struct lease *const *leases, size_t n) {
        size_t vfs = 0;

        for (size_t i = 0; i < n; i++)
                vfs += leases[i]->n_vfs;
        return vfs;
}

static int judge_init(struct judge *j) {
        const struct world *w = j->world;
        const struct policy *p = w->policy;
        size_t n = 0;

        j->offset = calloc(p->n_tenants + 1, sizeof(*j->offset));
        j->total = calloc(p->n_tenants + 1, sizeof(*j->total));
        for (size_t i = 0; j->offset && i < p->n_tenants; i++) {
                j->offset[i] = n;
                n += p->tenants[i].n_grants;
        }
        j->per_grant = calloc(n + 1, sizeof(*j->per_grant));
        j->holdings = calloc(count_vfs(w->leases, w->n_leases) + count_vfs(w->promises, w->n_promises) + 1,
                             sizeof(*j->holdings));
        if (!j->offset || !j->total || !j->per_grant || !j->holdings)
                return -ENOMEM;
        collect(j, w->leases, w->n_leases, false);
        collect(j, w->promises, w->n_promises, true);
        return count_beside(j);
}

static void judge_done(struct judge *j) {
        free(j->holdings);
        free(j->per_grant);
        free(j->offset);
        free(j->total);
}

static enum reason check_mac(const struct grant *g, const struct vf_attributes *a) {
        if (a->set & ATTR_MAC)
                return grant_may_keep_mac(g, a->mac) ? REASON_NONE : REASON_MAC;
        return g->n_macs > 0 || g->macs_derived ? REASON_MAC : REASON_NONE;
}

static enum reason check_vlan(const struct grant *g, const struct vf_attributes *a) {
        if (!(a->set & ATTR_VLAN))
                return g->n_vlans > 0 ? REASON_VLAN : REASON_NONE;
        if (!grant_allows_vlan(g, a->vlan) ||
            (a->vlan > 0 &&
             (a->vlan_qos != g->attributes.vlan_qos || a->vlan_protocol != g->attributes.vlan_protocol)))
                return REASON_VLAN;
        return REASON_NONE;
}

static enum reason check_rates(const struct vf_attributes *limit, const struct vf_attributes *a) {
        if (limit->set & ATTR_MAX_TX &&
            (!(a->set & ATTR_MAX_TX) || a->max_tx_mbps == 0 || a->max_tx_mbps > limit->max_tx_mbps))
                return REASON_RATE;
        if (a->set & ATTR_MIN_TX && a->min_tx_mbps > (limit->set & ATTR_MIN_TX ? limit->min_tx_mbps : 0))
                return REASON_RATE;
        return REASON_NONE;
}

static enum link_state link_of(const struct vf_attributes *a) {
        return a->set & ATTR_LINK_STATE ? (enum link_state) a->link_state : LINK_STATE_AUTO;
}

/* More than the policy gives, or less than it demands. */
static enum reason check_flags(const struct vf_attributes *limit, const struct vf_attributes *a) {
        bool may_spoof = limit->set & ATTR_SPOOF_CHECK && !limit->spoof_check;
        bool must_not = limit->set & ATTR_SPOOF_CHECK && limit->spoof_check;

        if (a->set & ATTR_SPOOF_CHECK ? !a->spoof_check && !may_spoof : must_not)
                return REASON_OVER_POLICY;
        if (a->set & ATTR_TRUST && a->trust && !(limit->set & ATTR_TRUST && limit->trust))
                return REASON_OVER_POLICY;
        if (a->set & ATTR_RSS_QUERY && a->rss_query && !(limit->set & ATTR_RSS_QUERY && limit->rss_query))
                return REASON_OVER_POLICY;
        return link_of(a) == link_of(limit) ? REASON_NONE : REASON_OVER_POLICY;
}

static enum reason check_attributes(const struct grant *g, const struct vf_attributes *a) {
        struct vf_attributes limit = g->attributes;
        enum reason no = check_mac(g, a);

        limit.set &= ~(g->wish & ~a->set); /* a wish that the driver could not fulfil */
        if (no == REASON_NONE)
                no = check_vlan(g, a);
        if (no == REASON_NONE)
                no = check_rates(&limit, a);
        return no != REASON_NONE ? no : check_flags(&limit, a);
}

/* Counts it: next after those that were counted before. */
static enum reason check_counts(struct judge *j, const struct tenant *t, const struct grant *g,
                                const struct pf *pf) {
        const struct holding *h = &j->holdings[j->next++];
        const struct pool *pool = g ? &j->world->policy->pools[g->pool] : NULL;
        enum reason first = REASON_NONE;

        if (g && ++j->per_grant[j->offset[h->tenant] + (size_t) (g - t->grants)] > g->quota)
                first = REASON_QUOTA;
        if (++j->total[h->tenant] > t->quota && first == REASON_NONE)
                first = REASON_TOTAL_QUOTA;
        if (!g || !pf || first != REASON_NONE)
                return first;
        if (g->pf_share > 0 && h->on_pf > grant_share_of(g, pf))
                return REASON_PF_SHARE;
        return pool->apart && h->in_group > 1 ? REASON_ANTI_AFFINITY : REASON_NONE;
}

static enum reason check_vf(struct judge *j, const struct tenant *t, const struct lease *l,
                            const struct leased_vf *v, bool promise) {
        const struct world *w = j->world;
        int pool = policy_find_pool(w->policy, l->pools[v->pool]);
        const struct grant *g = pool >= 0 ? tenant_find_grant(t, (size_t) pool) : NULL;
        const struct pf *pf = inventory_find_pf(w->inventory, v->pf);
        enum reason counts = is_held(w, l, v, promise) ? check_counts(j, t, g, pf) : REASON_NONE;

        if (!g)
                return REASON_NO_SUCH_POOL;
        if (pf && pf->pool != pool)
                return REASON_NOT_MANAGED;
        if (counts != REASON_NONE)
                return counts;
        if (promise)
                return v->attributes.set & ATTR_MAC ? check_mac(g, &v->attributes) : REASON_NONE;
        return check_attributes(g, &v->attributes);
}

/* One VM is on one node. */
static enum reason check_nodes(const struct world *w, const struct lease *l) {
        int node = NUMA_NODE_ANY;

        for (size_t i = 0; i < l->n_vfs; i++) {
                const struct pf *pf = inventory_find_pf(w->inventory, l->vfs[i].pf);
                int pool = policy_find_pool(w->policy, l->pools[l->vfs[i].pool]);

                if (!pf || pool < 0 || w->policy->pools[pool].numa != NUMA_REQUIRE)
                        continue;
                if (pf->numa_node < 0 || (node >= 0 && pf->numa_node != node))
                        return REASON_NUMA;
                node = pf->numa_node;
        }
        return REASON_NONE;
}

static enum reason check_lease(struct judge *j, const struct lease *l, bool promise) {
        const struct tenant *t = policy_find_tenant(j->world->policy, l->tenant);
        enum reason first = REASON_NONE;

        if (!t)
                return REASON_NO_SUCH_TENANT;
        for (size_t i = 0; i < l->n_vfs; i++) {
                enum reason no = check_vf(j, t, l, &l->vfs[i], promise);

                first = first != REASON_NONE ? first : no;
        }
        if (first == REASON_NONE)
                first = check_nodes(j->world, l);
        if (first == REASON_NONE && !promise && t->max_lease > 0 && l->expires_usec == 0)
                first = REASON_OVER_POLICY;
        return first;
}

int over_policy(const struct world *world, enum reason *leases, enum reason *promises) {
        _cleanup_(judge_done) struct judge j = { .world = world };

        if (judge_init(&j) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < world->n_leases; i++)
                leases[i] = world->leases[i]->ending ? REASON_NONE : check_lease(&j, world->leases[i], false);
        for (size_t i = 0; i < world->n_promises; i++)
                promises[i] = check_lease(&j, world->promises[i], true);
        return 0;
}
