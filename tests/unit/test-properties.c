/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy/allocate by chance: random hosts, policies and sequences of requests, judged by rules that are
 * written here once more in the plainest way. Small hosts come first, so that the first failure is a small
 * one. */

#include "common/text.h"
#include "policy/allocate.h"
#include "policy/explain.h"
#include "policy/over-policy.h"
#include "tests/unit/test-policy-host.h"
#include "tests/unit/test.h"

#include <string.h>

#define CASES    12000U
#define REQUESTS 14U
#define TENANTS  3U
#define POOLS    2U

static const char *const tenant_names[TENANTS] = { "red", "blue", "green" };
static const char *const pool_names[POOLS] = { "net", "wide" };
static const char *const vm_names[] = { "vm1", "vm2", "vm3", "vm4" };

struct text {
        char data[4096];
        size_t n;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        t->n += (size_t) vsnprintf(t->data + t->n, sizeof(t->data) - t->n, format, ap);
        va_end(ap);
        if (t->n >= sizeof(t->data))
                abort();
}

static void put_pools(struct text *t, struct chance *c) {
        static const char *const placements[] = { "pack", "spread", "least-loaded" };

        put(t, "\"pools\": {");
        for (unsigned i = 0; i < POOLS; i++)
                put(t,
                    "%s \"%s\": { \"vfs\": \"max\", \"placement\": \"%s\", \"numa\": \"%s\", \"anti_affinity\": %s,"
                    " \"functions\": [ { \"driver\": \"%s\" } ] }",
                    i ? "," : "", pool_names[i], placements[chance_below(c, 3)],
                    chance_below(c, 4) ? "prefer" : "require", chance_below(c, 5) ? "false" : "true",
                    i ? "ice" : "bnxt_en");
        put(t, "}");
}

/* MACs of each tenant and pool from a range of its own, sometimes of two addresses only. */
static void put_tenant(struct text *t, struct chance *c, unsigned i) {
        put(t, "\"%s\": { \"users\": [ %u ],", tenant_names[i], 1000 + i);
        if (chance_below(c, 3) == 0)
                put(t, "\"quota\": %u,", 2 + chance_below(c, 8));
        put(t, "\"pools\": {");
        for (unsigned p = 0; p < POOLS; p++) {
                put(t, "%s \"%s\": { \"quota\": %u", p ? "," : "", pool_names[p], 1 + chance_below(c, 16));
                if (chance_below(c, 3) == 0)
                        put(t, ", \"pf_share\": \"%u%%\"", 1 + chance_below(c, 100));
                if (chance_below(c, 2))
                        put(t, ", \"vlans\": [ %u, \"%u-%u\" ]", 100 + i, 200 + 10 * i, 205 + 10 * i);
                if (chance_below(c, 2))
                        put(t, ", \"macs\": \"02:00:00:0%u:0%u:00/%u\"", i, p, chance_below(c, 4) ? 40 : 47);
                if (chance_below(c, 3) == 0)
                        put(t, ", \"min_tx_mbps\": %u", 1 + chance_below(c, 600));
                if (chance_below(c, 3) == 0)
                        put(t, ", \"max_tx_mbps\": %u", 600 + chance_below(c, 1000));
                put(t, "}");
        }
        put(t, "} }");
}

static struct policy *random_policy(struct chance *c) {
        struct text t = { .n = 0 };

        put(&t, "{ \"version\": 1, ");
        put_pools(&t, c);
        put(&t, ", \"tenants\": {");
        for (unsigned i = 0; i < TENANTS; i++) {
                put(&t, "%s", i ? "," : "");
                put_tenant(&t, c, i);
        }
        put(&t, "} }");
        return policy_of(t.data);
}

static struct host random_host(struct chance *c, unsigned size) {
        struct host h = { .policy = random_policy(c), .inventory = { .can_fd = true, .can_node = true } };
        unsigned n = 1 + chance_below(c, size);

        for (unsigned i = 0; i < n; i++) {
                unsigned vfs = 1 + chance_below(c, 2 * size);
                struct pf *pf = host_add_pf(&h, i + 1, vfs, vfs);

                if (chance_below(c, 5) == 0) /* guarantees nothing: see net-driver.c */
                        text_copy(pf->driver, sizeof(pf->driver), "igb");

                pf->pool = (int) chance_below(c, POOLS);
                pf->numa_node = (int) chance_below(c, 3) - 1;
                pf->link_mbps = chance_below(c, 3) ? 1000 : 0;
                pf->drained = chance_below(c, 12) == 0;
                pf->stuck = chance_below(c, 20) == 0;
                for (unsigned k = 0; k < vfs; k++)
                        if (chance_below(c, 8) == 0)
                                pf->vfs[k]->state = VF_QUARANTINED;
        }
        return h;
}

static struct request random_request(struct chance *c) {
        struct request r = { .tenant = tenant_names[chance_below(c, TENANTS)],
                             .vm = vm_names[chance_below(c, ARRAY_SIZE(vm_names))],
                             .group = chance_below(c, 4) ? NULL : "pair",
                             .n_wants = 1 + chance_below(c, 2) * chance_below(c, 2),
                             .apart = chance_below(c, 4) == 0,
                             .numa_node = chance_below(c, 2) ? NUMA_NODE_ANY : (int) chance_below(c, 2) };

        r.together = !r.apart && chance_below(c, 6) == 0;
        for (size_t i = 0; i < r.n_wants; i++) {
                struct want *w = &r.wants[i];

                *w = (struct want){ .pool = pool_names[chance_below(c, POOLS)],
                                    .count = 1 + chance_below(c, 3) };
                if (chance_below(c, 14) == 0) {
                        w->chosen.set |= ATTR_VLAN;
                        w->chosen.vlan = (uint16_t) (100 + chance_below(c, 130));
                }
                if (chance_below(c, 14) == 0) {
                        w->chosen.set |= ATTR_MIN_TX;
                        w->chosen.min_tx_mbps = chance_below(c, 500);
                }
                if (w->count == 1 && chance_below(c, 4) == 0) {
                        w->chosen.set |= ATTR_MAC;
                        w->chosen.mac = mac_from_number(0x020000000000 + (chance_below(c, 3) << 16) +
                                                        (chance_below(c, 2) << 8) + chance_below(c, 2));
                }
        }
        return r;
}

static const char *group_of(const struct request *r) {
        return r->group ? r->group : r->vm;
}

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
                            strcmp(h->leases[i]->group, group_of(r)) == 0 &&
                            address_equal(h->leases[i]->vfs[k].pf, pf->address))
                                return true;
        return false;
}

static bool group_is_apart(const struct host *h, const struct request *r) {
        for (size_t i = 0; i < h->n_leases; i++)
                if (h->leases[i]->apart && strcmp(h->leases[i]->tenant, r->tenant) == 0 &&
                    strcmp(h->leases[i]->group, group_of(r)) == 0)
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

/* How many VFs a PF could give to the only want of a request, by all rules. */
static size_t possible(const struct host *h, const struct request *r, const struct pf *pf,
                       uint32_t min_mbps) {
        const struct pool *pool = pool_of(h, r->wants[0].pool);
        const struct grant *g = grant_of(h, r->tenant, r->wants[0].pool);
        size_t n = 0;

        if (pf->pool != policy_find_pool(h->policy, r->wants[0].pool) || pf->drained || pf->stuck ||
            (min_mbps > 0 && strcmp(pf->driver, "igb") == 0) ||
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
        const struct grant *g = grant_of(h, r->tenant, r->wants[0].pool);
        uint32_t min = r->wants[0].chosen.set & ATTR_MIN_TX ? r->wants[0].chosen.min_tx_mbps
                       : g->attributes.set & ATTR_MIN_TX    ? g->attributes.min_tx_mbps
                                                            : 0;
        size_t sum = 0, most = 0;
        bool bound = false;

        for (size_t i = 0; i < h->inventory.n_pfs; i++)
                bound = bound ||
                        (h->inventory.pfs[i]->pool == policy_find_pool(h->policy, r->wants[0].pool) &&
                         group_is_on(h, r, h->inventory.pfs[i]));
        for (size_t i = 0; i < h->inventory.n_pfs; i++) {
                const struct pf *pf = h->inventory.pfs[i];
                size_t n = possible(h, r, pf, min);

                sum += n;
                if (!bound || group_is_on(h, r, pf))
                        most = MAX(most, n);
        }
        assert_true((r->together ? most : sum) < r->wants[0].count);
}

static void require_attributes(const struct host *h, const struct request *r, const struct chosen_vf *v) {
        const struct grant *g = grant_of(h, r->tenant, r->wants[v->want].pool);

        assert_true(!(v->attributes.set & ATTR_MIN_TX) || strcmp(v->vf->pf->driver, "igb") != 0);
        const struct vf_attributes *a = &v->attributes;

        assert_true(!(a->set & ATTR_VLAN) || grant_allows_vlan(g, a->vlan));
        assert_true(!(g->n_vlans > 0) || a->set & ATTR_VLAN);
        assert_true(!(g->n_macs > 0) == !(a->set & ATTR_MAC));
        assert_true(!(a->set & ATTR_MAC) || (grant_allows_mac(g, a->mac) && mac_is_unicast(a->mac)));
        if (g->attributes.set & ATTR_MAX_TX)
                assert_true(a->set & ATTR_MAX_TX && a->max_tx_mbps <= g->attributes.max_tx_mbps);
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

static void take(struct host *h, const struct request *r, const struct allocation *a, unsigned serial) {
        struct lease *l = host_add_lease(h, r->tenant, r->wants[0].pool, r->vm, a->vfs[0].vf->pf, 0, 0);

        snprintf(l->id, sizeof(l->id), "%016x", serial);
        text_copy(l->group, sizeof(l->group), group_of(r));
        l->apart = a->apart;
        l->hand_off = a->hand_off;
        for (size_t i = 1; i < r->n_wants; i++)
                text_copy(l->pools[l->n_pools++], sizeof(l->pools[0]), r->wants[i].pool);
        for (size_t i = 0; i < a->n_vfs; i++) {
                struct vf *vf = a->vfs[i].vf;

                l->vfs[l->n_vfs++] = (struct leased_vf){ .address = vf->address,
                                                         .pf = vf->pf->address,
                                                         .pool = a->vfs[i].want,
                                                         .attributes = a->vfs[i].attributes };
                vf->state = VF_LEASED;
                memcpy(vf->lease, l->id, sizeof(vf->lease));
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

static void give_back(struct host *h, size_t i) {
        struct lease *l = h->leases[i];

        for (size_t p = 0; p < h->inventory.n_pfs; p++)
                for (size_t k = 0; k < h->inventory.pfs[p]->n_vfs; k++) {
                        struct vf *vf = h->inventory.pfs[p]->vfs[k];

                        if (strcmp(vf->lease, l->id) != 0)
                                continue;
                        vf->state = VF_READY;
                        vf->lease[0] = '\0';
                }
        free(l);
        memmove(h->leases + i, h->leases + i + 1, (--h->n_leases - i) * sizeof(*h->leases));
}

/* The same answer again, and from leases in another order, but for the order of names in the detail. */
static void require_determined(const struct host *h, const struct request *r, int no,
                               const struct allocation *a) {
        struct lease *turned[256];
        struct world w = host_world(h);
        struct allocation again = { 0 };
        char detail[512];

        assert_int_equal(allocate(&w, r, &again, detail, sizeof(detail)), no);
        assert_memory_equal(&again, a, sizeof(again));
        if (h->n_leases > ARRAY_SIZE(turned))
                return;
        for (size_t i = 0; i < h->n_leases; i++)
                turned[i] = h->leases[h->n_leases - 1 - i];
        w.leases = (const struct lease *const *) turned;
        again = (struct allocation){ 0 };
        assert_int_equal(allocate(&w, r, &again, detail, sizeof(detail)), no);
        assert_memory_equal(&again, a, sizeof(again));
}

static void one_request(struct host *h, struct chance *c, unsigned serial, unsigned seen[_REASON_MAX]) {
        const struct world w = host_world(h);
        struct request r = random_request(c);
        struct allocation a = { 0 };
        char detail[512];

        int no = allocate(&w, &r, &a, detail, sizeof(detail));
        assert_true(no >= 0);
        seen[no]++;
        require_determined(h, &r, no, &a);
        if (no == REASON_NONE) {
                require_choice(h, &r, &a);
                take(h, &r, &a, serial);
        } else {
                assert_int_equal(a.n_vfs, 0);
                if (r.n_wants == 1 &&
                    (no == REASON_POOL_EMPTY || no == REASON_NUMA || no == REASON_PF_SHARE ||
                     no == REASON_ANTI_AFFINITY || no == REASON_AFFINITY || no == REASON_RATE_SUM ||
                     no == REASON_ATTRIBUTE_UNSUPPORTED))
                        require_no_room(h, &r);
        }
        require_leases(h);
}

static void holds_by_chance(void **state) {
        struct chance c = chance_begin();
        unsigned seen[_REASON_MAX] = { 0 };

        for (unsigned i = 0; i < CASES; i++) {
                struct host h = random_host(&c, 1 + i * 6 / CASES);
                enum reason over[256];

                for (unsigned k = 0; k < REQUESTS; k++) {
                        one_request(&h, &c, k + 1, seen);
                        if (h.n_leases > 0 && chance_below(&c, 3) == 0)
                                give_back(&h, chance_below(&c, (unsigned) h.n_leases));
                }
                const struct world w = host_world(&h);
                assert_int_equal(over_policy(&w, over), 0);
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

/* Promises: never given to another VM, counted in quotas, the VM's own come first. */
static void promises_hold(void **state) {
        struct chance c = chance_begin();

        for (unsigned i = 0; i < CASES; i++) {
                struct host h = random_host(&c, 1 + i * 4 / CASES);
                struct world w = host_world(&h);
                struct request r = random_request(&c), other = random_request(&c), more = random_request(&c);
                struct allocation a = { 0 }, b = { 0 };
                struct lease promise = { 0 }, copy = { 0 };
                char detail[512];

                other.vm = "else";
                more.vm = "third";
                if (allocate(&w, &r, &a, detail, sizeof(detail)) == REASON_NONE) {
                        size_t n_before = h.n_leases;

                        take(&h, &r, &a, 99);
                        promise = *h.leases[n_before];
                        promise.hand_off = HAND_OFF_AUTO;
                        give_back(&h, n_before);
                        const struct lease *list[] = { &promise };
                        w = host_world(&h);
                        w.promises = list;
                        w.n_promises = 1;
                        if (allocate(&w, &other, &b, detail, sizeof(detail)) == REASON_NONE)
                                for (size_t k = 0; k < b.n_vfs; k++)
                                        for (size_t m = 0; m < promise.n_vfs; m++) {
                                                assert_true(!address_equal(b.vfs[k].vf->address,
                                                                           promise.vfs[m].address));
                                                assert_true(!(b.vfs[k].attributes.set &
                                                              promise.vfs[m].attributes.set & ATTR_MAC) ||
                                                            mac_to_number(b.vfs[k].attributes.mac) !=
                                                                            mac_to_number(promise.vfs[m].attributes
                                                                                                          .mac));
                                        }
                        memset(&b, 0, sizeof(b));
                        assert_int_equal(allocate(&w, &r, &b, detail, sizeof(detail)), REASON_NONE);
                        for (size_t k = 0; k < b.n_vfs; k++) { /* the same VFs, each with the same MAC */
                                bool found = false;

                                for (size_t m = 0; m < promise.n_vfs; m++)
                                        found = found ||
                                                (address_equal(b.vfs[k].vf->address,
                                                               promise.vfs[m].address) &&
                                                 mac_to_number(b.vfs[k].attributes.mac) ==
                                                                 mac_to_number(promise.vfs[m].attributes
                                                                                               .mac));
                                assert_true(found);
                        }
                        copy = promise; /* counted like a lease of the VM */
                        host_add_lease(&h, copy.tenant, copy.pools[0], copy.vm, h.inventory.pfs[0], 0, 0);
                        copy.n_vfs = promise.n_vfs;
                        *h.leases[h.n_leases - 1] = copy;
                        struct world as_lease = host_world(&h);
                        int with_lease = allocate(&as_lease, &more, &a, detail, sizeof(detail));
                        int with_promise = allocate(&w, &more, &b, detail, sizeof(detail));
                        if (with_lease == REASON_QUOTA || with_lease == REASON_TOTAL_QUOTA)
                                assert_int_equal(with_promise, with_lease);
                }
                host_done(&h);
        }
}

static const char *file_of(struct text *t, struct chance *c, bool pools, int tenant) {
        put(t, "{ \"version\": 1");
        if (pools) {
                put(t, ", ");
                put_pools(t, c);
        }
        if (tenant >= 0) {
                put(t, ", \"tenants\": {");
                put_tenant(t, c, (unsigned) tenant);
                put(t, "}");
        }
        put(t, " }");
        return t->data;
}

/* Files of policy.d that define different tenants may come in any order. */
static void order_of_files_does_not_matter(void **state) {
        struct chance c = chance_begin();

        for (unsigned i = 0; i < 300; i++) {
                static struct text t[TENANTS + 1];
                struct policy_source one[TENANTS + 1], two[TENANTS + 1];
                struct policy_errors errors = { 0 };
                struct policy *p = NULL, *q = NULL;
                struct host h = random_host(&c, 4);
                struct allocation a = { 0 }, b = { 0 };
                char detail[512], detail_b[512];

                for (unsigned k = 0; k <= TENANTS; k++) {
                        t[k].n = 0;
                        const char *text = file_of(&t[k], &c, k == 0, (int) k - 1);
                        one[k] = two[TENANTS - k] = (struct policy_source){ k == 0   ? "pools"
                                                                            : k == 1 ? "one"
                                                                            : k == 2 ? "two"
                                                                                     : "three",
                                                                            text, t[k].n };
                }
                assert_int_equal(policy_parse(one, TENANTS + 1, &p, &errors), 0);
                assert_int_equal(policy_parse(two, TENANTS + 1, &q, &errors), 0);
                struct request r = random_request(&c);
                struct world w = host_world(&h);
                w.policy = p;
                int x = allocate(&w, &r, &a, detail, sizeof(detail));
                w.policy = q;
                assert_int_equal(allocate(&w, &r, &b, detail_b, sizeof(detail_b)), x);
                assert_string_equal(detail, detail_b);
                assert_memory_equal(&a, &b, sizeof(a));
                policy_free(p);
                policy_free(q);
                policy_errors_done(&errors);
                host_done(&h);
        }
}

static void explains_every_grant(void **state) {
        struct chance c = chance_begin();

        for (unsigned i = 0; i < 200; i++) {
                struct host h = random_host(&c, 4);
                struct world w = host_world(&h);
                struct explanations e;

                for (unsigned t = 0; t < TENANTS; t++)
                        for (unsigned p = 0; p < POOLS; p++) {
                                assert_int_equal(explain(&w, tenant_names[t], pool_names[p], &e),
                                                 REASON_NONE);
                                assert_true(e.n >= 6);
                                explanations_done(&e);
                        }
                assert_int_equal(explain(&w, "nobody", "net", &e), REASON_NO_SUCH_TENANT);
                assert_int_equal(explain(&w, "red", "nothing", &e), REASON_NO_SUCH_POOL);
                host_done(&h);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(holds_by_chance),
                cmocka_unit_test(promises_hold),
                cmocka_unit_test(order_of_files_does_not_matter),
                cmocka_unit_test(explains_every_grant),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
