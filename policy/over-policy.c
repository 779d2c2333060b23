/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases that the policy of today would not give any more. Oldest first, so that the youngest are over a
 * quota. */

#include "policy/over-policy.h"
#include "common/macro.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* VFs that the tenants have, while the leases are gone through: all of one tenant side by side. */
struct tally {
        size_t *per_grant; /* by offset of the tenant + index of its grant */
        size_t *offset;    /* by tenant */
        size_t *total;     /* by tenant */
};

static int tally_init(struct tally *t, const struct policy *p) {
        size_t n = 0;

        t->offset = calloc(p->n_tenants + 1, sizeof(*t->offset));
        t->total = calloc(p->n_tenants + 1, sizeof(*t->total));
        for (size_t i = 0; t->offset && i < p->n_tenants; i++) {
                t->offset[i] = n;
                n += p->tenants[i].n_grants;
        }
        t->per_grant = calloc(n + 1, sizeof(*t->per_grant));
        return t->offset && t->total && t->per_grant ? 0 : -ENOMEM;
}

static void tally_done(struct tally *t) {
        free(t->per_grant);
        free(t->offset);
        free(t->total);
}

static enum reason check_attributes(const struct grant *g, const struct vf_attributes *a) {
        struct vf_attributes limit = g->attributes;

        limit.set &= ~(g->wish & ~a->set); /* a wish that the driver could not fulfil */
        if (a->set & ATTR_MAC && !grant_may_keep_mac(g, a->mac))
                return REASON_MAC;
        if (a->set & ATTR_VLAN ? !grant_allows_vlan(g, a->vlan) : g->n_vlans > 0)
                return REASON_VLAN;
        if (limit.set & ATTR_MAX_TX &&
            (!(a->set & ATTR_MAX_TX) || a->max_tx_mbps == 0 || a->max_tx_mbps > limit.max_tx_mbps))
                return REASON_RATE;
        if (a->set & ATTR_MIN_TX && a->min_tx_mbps > (limit.set & ATTR_MIN_TX ? limit.min_tx_mbps : 0))
                return REASON_RATE;
        if ((a->set & ATTR_TRUST && a->trust && !(limit.set & ATTR_TRUST && limit.trust)) ||
            (limit.set & ATTR_SPOOF_CHECK && limit.spoof_check &&
             !(a->set & ATTR_SPOOF_CHECK && a->spoof_check)))
                return REASON_OVER_POLICY;
        return REASON_NONE;
}

static enum reason check_vf(const struct world *w, const struct tenant *t, const struct lease *l,
                            const struct leased_vf *v, size_t *per_grant) {
        int pool = policy_find_pool(w->policy, l->pools[v->pool]);
        const struct grant *g = pool >= 0 ? tenant_find_grant(t, (size_t) pool) : NULL;
        const struct pf *pf = inventory_find_pf(w->inventory, v->pf);

        if (!g)
                return REASON_NO_SUCH_POOL;
        if (pf && pf->pool != pool)
                return REASON_NOT_MANAGED;
        if (++per_grant[g - t->grants] > g->quota)
                return REASON_QUOTA;
        return check_attributes(g, &v->attributes);
}

static enum reason check_lease(const struct world *w, struct tally *tally, const struct lease *l) {
        const struct tenant *t = policy_find_tenant(w->policy, l->tenant);
        enum reason first = REASON_NONE;

        if (!t)
                return REASON_NO_SUCH_TENANT;
        size_t i = (size_t) (t - w->policy->tenants);
        for (size_t k = 0; k < l->n_vfs; k++) {
                enum reason no = check_vf(w, t, l, &l->vfs[k], tally->per_grant + tally->offset[i]);

                first = first != REASON_NONE ? first : no;
                if (++tally->total[i] > t->quota && first == REASON_NONE)
                        first = REASON_TOTAL_QUOTA;
        }
        if (first == REASON_NONE && t->max_lease > 0 && l->expires_usec == 0)
                first = REASON_OVER_POLICY;
        return first;
}

int over_policy(const struct world *world, enum reason *ret) {
        _cleanup_(tally_done) struct tally t = { 0 };

        if (tally_init(&t, world->policy) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < world->n_leases; i++)
                ret[i] = world->leases[i]->ending ? REASON_NONE : check_lease(world, &t, world->leases[i]);
        return 0;
}
