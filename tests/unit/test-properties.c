/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy/allocate by chance: random hosts, policies and sequences of requests, judged by rules that are
 * written here once more in the plainest way. Small hosts come first, so that the first failure is a small
 * one. */

#include "common/net-driver.h"
#include "policy/over-policy.h"
#include "tests/unit/test-policy-chance.h"
#include "tests/unit/test.h"

#include <string.h>

#define CASES    12000U
#define REQUESTS 14U

static const struct pool *pool_of(const struct host *h, const char *name) {
        return &h->policy->pools[policy_find_pool(h->policy, name)];
}

static const struct grant *grant_of(const struct host *h, const char *tenant, const char *pool) {
        return tenant_find_grant(policy_find_tenant(h->policy, tenant),
                                 (size_t) policy_find_pool(h->policy, pool));
}

/* VFs of a tenant, of a pool or of all, on a PF or on all. */
static size_t count_held(const struct host *h, const char *tenant, const char *pool, const struct pf *pf) {
        size_t n = 0;

        for (size_t i = 0; i < h->n_leases; i++)
                for (size_t k = 0; k < h->leases[i]->n_vfs; k++) {
                        const struct lease *l = h->leases[i];

                        n += strcmp(l->tenant, tenant) == 0 &&
                             (!pool || strcmp(l->pools[l->vfs[k].pool], pool) == 0) &&
                             (!pf || address_equal(l->vfs[k].pf, pf->address));
                }
        return n;
}

static bool group_is_on(const struct host *h, const struct request *r, const struct pf *pf) {
        for (size_t i = 0; i < h->n_leases; i++)
                for (size_t k = 0; k < h->leases[i]->n_vfs; k++)
                        if (strcmp(h->leases[i]->tenant, r->tenant) == 0 &&
                            strcmp(h->leases[i]->group, request_group(r)) == 0 &&
                            address_equal(h->leases[i]->vfs[k].pf, pf->address))
                                return true;
        return false;
}

static bool group_is_apart(const struct host *h, const struct request *r) {
        for (size_t i = 0; i < h->n_leases; i++)
                if (h->leases[i]->apart && strcmp(h->leases[i]->tenant, r->tenant) == 0 &&
                    strcmp(h->leases[i]->group, request_group(r)) == 0)
                        return true;
        return false;
}

static uint64_t guaranteed(const struct host *h, const struct pf *pf) {
        uint64_t n = 0;

        for (size_t i = 0; i < h->n_leases; i++)
                for (size_t k = 0; k < h->leases[i]->n_vfs; k++)
                        if (address_equal(h->leases[i]->vfs[k].pf, pf->address) &&
                            h->leases[i]->vfs[k].attributes.set & ATTR_MIN_TX)
                                n += h->leases[i]->vfs[k].attributes.min_tx_mbps;
        return n;
}

/* What the VFs of a want are told, but for the MAC. */
static struct vf_attributes wanted(const struct host *h, const struct request *r, size_t want) {
        const struct vf_attributes *chosen = &r->wants[want].chosen;
        struct vf_attributes a = grant_of(h, r->tenant, r->wants[want].pool)->attributes;

        if (chosen->set & ATTR_VLAN)
                a.vlan = chosen->vlan;
        if (chosen->set & ATTR_MIN_TX)
                a.min_tx_mbps = chosen->min_tx_mbps;
        a.set |= chosen->set & ATTR_MIN_TX;
        return a;
}

/* Which of these the PF's driver cannot do, wished for or not. */
static uint32_t cannot(const struct host *h, const struct request *r, size_t want, const struct pf *pf) {
        const struct vf_attributes a = wanted(h, r, want);

        return net_driver_refuses(pf->driver, &a);
}

static bool is_able(const struct host *h, const struct request *r, size_t want, const struct pf *pf) {
        return !(cannot(h, r, want, pf) & ~grant_of(h, r->tenant, r->wants[want].pool)->wish);
}

/* There are so many VFs in the pool of a want, and so many of them are of PFs that can do it. */
static size_t count_pool(const struct host *h, const struct request *r, size_t want, size_t *ret_able) {
        size_t n = 0;

        *ret_able = 0;
        for (size_t k = 0; k < h->inventory.n_pfs; k++) {
                const struct pf *pf = h->inventory.pfs[k];

                if (pf->pool != policy_find_pool(h->policy, r->wants[want].pool))
                        continue;
                n += pf->n_vfs;
                *ret_able += is_able(h, r, want, pf) ? pf->n_vfs : 0;
        }
        return n;
}

/* The pool's PFs could serve each want if only they were free; or there are too few even without regard to
 * what drivers can do. */
static bool is_supported(const struct host *h, const struct request *r) {
        for (size_t i = 0; i < r->n_wants; i++) {
                size_t able, n = count_pool(h, r, i, &able);

                if (n > 0 &&
                    (able == 0 || (r->n_wants == 1 && n >= r->wants[i].count && able < r->wants[i].count)))
                        return false;
        }
        return true;
}

/* How many VFs a PF could give to the only want of a request, by all rules. */
static size_t possible(const struct host *h, const struct request *r, const struct pf *pf) {
        const struct pool *pool = pool_of(h, r->wants[0].pool);
        const struct grant *g = grant_of(h, r->tenant, r->wants[0].pool);
        const struct vf_attributes a = wanted(h, r, 0);
        uint32_t min_mbps = a.set & ~cannot(h, r, 0, pf) & ATTR_MIN_TX ? a.min_tx_mbps : 0;
        size_t n = 0;

        if (pf->pool != policy_find_pool(h->policy, r->wants[0].pool) || pf->drained || pf->stuck ||
            !is_able(h, r, 0, pf) ||
            (pool->numa == NUMA_REQUIRE && (r->numa_node < 0 || pf->numa_node != r->numa_node)))
                return 0;
        for (size_t i = 0; i < pf->n_vfs; i++)
                n += pf->vfs[i]->state == VF_READY;
        if (g->pf_share > 0) {
                size_t share = MAX(pf->n_vfs * g->pf_share / 100, (size_t) 1),
                       have = count_held(h, r->tenant, NULL, pf);

                n = MIN(n, share > have ? share - have : 0);
        }
        if (r->apart || pool->apart || group_is_apart(h, r))
                n = MIN(n, group_is_on(h, r, pf) ? (size_t) 0 : (size_t) 1);
        while (min_mbps > 0 && n > 0 && guaranteed(h, pf) + n * min_mbps > pf->link_mbps)
                n--;
        return n;
}

/* A refusal for want of VFs must be true: no choice of PFs would do. Only for one want, where PFs do not
 * depend on each other. */
static void require_no_room(const struct host *h, const struct request *r) {
        size_t sum = 0, most = 0;
        bool bound = false;

        for (size_t i = 0; i < h->inventory.n_pfs; i++)
                bound = bound ||
                        (h->inventory.pfs[i]->pool == policy_find_pool(h->policy, r->wants[0].pool) &&
                         group_is_on(h, r, h->inventory.pfs[i]));
        for (size_t i = 0; i < h->inventory.n_pfs; i++) {
                const struct pf *pf = h->inventory.pfs[i];
                size_t n = possible(h, r, pf);

                sum += n;
                if (!bound || group_is_on(h, r, pf))
                        most = MAX(most, n);
        }
        assert_true((r->together ? most : sum) < r->wants[0].count);
}

static void require_attributes(const struct host *h, const struct request *r, const struct chosen_vf *v) {
        const struct grant *g = grant_of(h, r->tenant, r->wants[v->want].pool);
        const struct vf_attributes *a = &v->attributes;
        uint32_t left_out = g->wish & cannot(h, r, v->want, v->vf->pf);

        assert_int_equal(net_driver_refuses(v->vf->pf->driver, a), 0);
        assert_int_equal(a->set & ~ATTR_MAC, wanted(h, r, v->want).set & ~left_out);
        assert_true(!(a->set & ATTR_VLAN) || grant_allows_vlan(g, a->vlan));
        assert_true(!(g->n_vlans > 0) || a->set & ATTR_VLAN);
        assert_true(!(g->n_macs > 0) == !(a->set & ATTR_MAC));
        assert_true(!(a->set & ATTR_MAC) || (grant_allows_mac(g, a->mac) && mac_is_unicast(a->mac)));
        if (a->set & ATTR_MAX_TX)
                assert_true(a->max_tx_mbps <= g->attributes.max_tx_mbps);
        if (a->set & ATTR_MIN_TX)
                assert_true(a->min_tx_mbps <= g->attributes.min_tx_mbps);
}

/* What was given, before it is a lease. */
static void require_choice(const struct host *h, const struct request *r, const struct allocation *a) {
        bool apart = r->apart || group_is_apart(h, r);

        for (size_t i = 0; i < a->n_vfs; i++) {
                const struct vf *vf = a->vfs[i].vf;
                const struct pool *pool = pool_of(h, r->wants[a->vfs[i].want].pool);

                assert_int_equal(vf->state, VF_READY);
                assert_int_equal(vf->pf->pool, pool - h->policy->pools);
                assert_true(!vf->pf->drained && !vf->pf->stuck);
                assert_true(pool->numa != NUMA_REQUIRE || vf->pf->numa_node == r->numa_node);
                assert_true(!(apart || pool->apart) || !group_is_on(h, r, vf->pf));
                require_attributes(h, r, &a->vfs[i]);
                for (size_t k = 0; k < i; k++) {
                        const struct vf *other = a->vfs[k].vf;

                        assert_ptr_not_equal(vf, other);
                        assert_true(!(apart || pool->apart) || vf->pf != other->pf);
                        assert_true(!r->together || vf->pf->pool != other->pf->pool || vf->pf == other->pf);
                }
        }
}

/* What must hold of all leases together. */
static void require_leases(const struct host *h) {
        uint64_t macs[1024];
        size_t n_macs = 0;

        for (size_t i = 0; i < TENANTS; i++) {
                const struct tenant *t = policy_find_tenant(h->policy, tenant_names[i]);

                assert_true(count_held(h, t->name, NULL, NULL) <= t->quota);
                for (size_t k = 0; k < POOLS; k++)
                        assert_true(count_held(h, t->name, pool_names[k], NULL) <=
                                    grant_of(h, t->name, pool_names[k])->quota);
        }
        for (size_t i = 0; i < h->inventory.n_pfs; i++) {
                const struct pf *pf = h->inventory.pfs[i];

                assert_true(guaranteed(h, pf) == 0 || guaranteed(h, pf) <= pf->link_mbps);
        }
        for (size_t i = 0; i < h->n_leases; i++)
                for (size_t k = 0; k < h->leases[i]->n_vfs; k++)
                        if (h->leases[i]->vfs[k].attributes.set & ATTR_MAC && n_macs < ARRAY_SIZE(macs)) {
                                macs[n_macs] = mac_to_number(h->leases[i]->vfs[k].attributes.mac);
                                for (size_t m = 0; m < n_macs; m++)
                                        assert_true(macs[m] != macs[n_macs]);
                                n_macs++;
                        }
}

/* The same answer again, and from leases in another order, but for the order of names in the detail. */
static void require_determined(const struct host *h, const struct request *r, int no,
                               const struct allocation *a) {
        struct lease *turned[256];
        struct world w = host_world(h);
        struct allocation again = { 0 };
        struct refusal why;

        assert_int_equal(allocate(&w, r, &again, &why), no);
        assert_memory_equal(&again, a, sizeof(again));
        if (h->n_leases > ARRAY_SIZE(turned))
                return;
        for (size_t i = 0; i < h->n_leases; i++)
                turned[i] = h->leases[h->n_leases - 1 - i];
        w.leases = (const struct lease *const *) turned;
        again = (struct allocation){ 0 };
        assert_int_equal(allocate(&w, r, &again, &why), no);
        assert_memory_equal(&again, a, sizeof(again));
}

/* What a driver turns out not to be able to do while the VFs are handed over. */
static void lose_wishes(struct lease *l, const struct allocation *a, struct chance *c) {
        for (size_t i = 0; i < a->n_vfs; i++)
                l->vfs[i].attributes.set &= ~(a->vfs[i].wish & chance_below(c, ATTR_ALL + 1));
}

/* A refusal says how many VFs could be had: so many are granted, unless MACs run out, and one more is not. */
static void require_true_count(const struct host *h, const struct request *r, const struct refusal *why) {
        const char *at = strstr(why->detail, " VFs to be had");
        const struct world w = host_world(h);
        struct request less = *r;
        struct allocation a;
        struct refusal unused;
        unsigned n = 0, of = 0;

        while (at && at > why->detail && *at != ':')
                at--;
        assert_true(at && sscanf(at, ": %u of %u", &n, &of) == 2 && of == r->wants[0].count && n < of);
        less.wants[0].count = n;
        if (n > 0) {
                int no = allocate(&w, &less, &a, &unused);

                assert_true(no == REASON_NONE || no == REASON_MACS_USED_UP);
        }
        less.wants[0].count = n + 1;
        assert_int_not_equal(allocate(&w, &less, &a, &unused), REASON_NONE);
}

static void one_request(struct host *h, struct chance *c, unsigned serial, unsigned seen[_REASON_MAX]) {
        const struct world w = host_world(h);
        struct request r = chance_request(c);
        struct allocation a = { 0 };
        struct refusal why;

        int no = allocate(&w, &r, &a, &why);
        assert_true(no >= 0);
        seen[no]++;
        require_determined(h, &r, no, &a);
        if (no == REASON_NONE) {
                require_choice(h, &r, &a);
                host_take(h, &r, &a, serial);
                lose_wishes(h->leases[h->n_leases - 1], &a, c);
        } else {
                assert_int_equal(a.n_vfs, 0);
                if (no == REASON_POOL_EMPTY || (no == REASON_ATTRIBUTE_UNSUPPORTED && r.n_wants == 1))
                        assert_int_equal(is_supported(h, &r), no == REASON_POOL_EMPTY);
                if (r.n_wants == 1 &&
                    (no == REASON_POOL_EMPTY || no == REASON_NUMA || no == REASON_PF_SHARE ||
                     no == REASON_ANTI_AFFINITY || no == REASON_AFFINITY || no == REASON_RATE_SUM ||
                     no == REASON_ATTRIBUTE_UNSUPPORTED)) {
                        require_no_room(h, &r);
                        if (no != REASON_ATTRIBUTE_UNSUPPORTED)
                                require_true_count(h, &r, &why);
                }
        }
        require_leases(h);
}

static void holds_by_chance(void **state) {
        struct chance c = chance_begin();
        unsigned seen[_REASON_MAX] = { 0 };

        for (unsigned i = 0; i < CASES; i++) {
                struct host h = chance_host(&c, 1 + i * 6 / CASES);
                enum reason over[256];

                for (unsigned k = 0; k < REQUESTS; k++) {
                        one_request(&h, &c, k + 1, seen);
                        if (h.n_leases > 0 && chance_below(&c, 3) == 0)
                                host_give_back(&h, chance_below(&c, (unsigned) h.n_leases));
                }
                const struct world w = host_world(&h);
                assert_int_equal(over_policy(&w, over, NULL), 0);
                for (size_t k = 0; k < h.n_leases; k++) /* what was just given is not over the same policy */
                        assert_int_equal(over[k], REASON_NONE);
                host_done(&h);
        }
        printf("granted: %u of %u\n", seen[REASON_NONE], CASES * REQUESTS);
        assert_true(seen[REASON_NONE] > CASES * 2);
        static const enum reason each[] = { REASON_QUOTA,        REASON_TOTAL_QUOTA,
                                            REASON_POOL_EMPTY,   REASON_NUMA,
                                            REASON_PF_SHARE,     REASON_ANTI_AFFINITY,
                                            REASON_AFFINITY,     REASON_RATE_SUM,
                                            REASON_RATE,         REASON_VLAN,
                                            REASON_MAC,          REASON_MAC_IN_USE,
                                            REASON_MACS_USED_UP, REASON_ATTRIBUTE_UNSUPPORTED };
        FOREACH_ARRAY(e, each, ARRAY_SIZE(each)) {
                printf("%s: %u\n", reason_name(*e), seen[*e]);
                assert_true(seen[*e] > 5);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(holds_by_chance),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
