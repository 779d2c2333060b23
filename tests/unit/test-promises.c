/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VFs that are promised to VMs, by chance: to whom they go, and how they are counted. */

#include "policy/explain.h"
#include "tests/unit/test-policy-chance.h"
#include "tests/unit/test.h"

#include <string.h>

#define CASES 12000U

/* Promises: never given to another VM, counted in quotas, the VM's own come first. */
static void promises_hold(void **state) {
        struct chance c = chance_begin();

        for (unsigned i = 0; i < CASES; i++) {
                struct host h = chance_host(&c, 1 + i * 4 / CASES);
                struct world w = host_world(&h);
                struct request r = chance_request(&c), other = chance_request(&c), more = chance_request(&c);
                struct allocation a = { 0 }, b = { 0 };
                struct lease promise = { 0 }, copy = { 0 };
                char detail[512];

                other.vm = "else";
                more.vm = "third";
                if (allocate(&w, &r, &a, detail, sizeof(detail)) == REASON_NONE) {
                        size_t n_before = h.n_leases;

                        host_take(&h, &r, &a, 99);
                        promise = *h.leases[n_before];
                        promise.hand_off = HAND_OFF_AUTO;
                        host_give_back(&h, n_before);
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

static void serve_one(struct host *h, struct chance *c, unsigned serial) {
        const struct world w = host_world(h);
        const struct request r = chance_request(c);
        struct allocation a = { 0 };
        char detail[512];

        if (allocate(&w, &r, &a, detail, sizeof(detail)) == REASON_NONE)
                host_take(h, &r, &a, serial);
}

/* What a VM has and what it was promised beyond that: the VFs of its lease and one more. */
static struct lease promise_more(const struct host *h, const struct lease *l, struct chance *c) {
        const struct pf *pf = h->inventory.pfs[chance_below(c, (unsigned) h->inventory.n_pfs)];
        struct lease promise = *l;

        promise.hand_off = HAND_OFF_AUTO;
        for (size_t i = 0; i < pf->n_vfs && promise.n_vfs == l->n_vfs; i++)
                if (pf->vfs[i]->state == VF_READY)
                        promise.vfs[promise.n_vfs++] = (struct leased_vf){ .address = pf->vfs[i]->address,
                                                                           .pf = pf->address };
        return promise;
}

/* The count that a grant is explained with is the one that a request is refused with. */
static void require_same_count(const struct world *w, const char *tenant, const char *pool,
                               const struct explanations *e) {
        const struct request r = { .tenant = tenant,
                                   .vm = "fifth",
                                   .wants = { { .pool = pool, .count = ACQUIRE_COUNT_MAX } },
                                   .n_wants = 1,
                                   .numa_node = NUMA_NODE_ANY };
        unsigned refused = 1000, explained = 1001;
        struct allocation a = { 0 };
        char detail[512];

        assert_int_equal(allocate(w, &r, &a, detail, sizeof(detail)), REASON_QUOTA);
        assert_int_equal(sscanf(detail, "quota %*u, in use %u", &refused), 1);
        FOREACH_ARRAY(i, e->items, e->n)
                if (strcmp(i->rule, "quota") == 0)
                        assert_int_equal(sscanf(i->why,
                                                "of this pool at the same time; in use or reserved %u",
                                                &explained),
                                         1);
        assert_int_equal(explained, refused);
}

static void explains_every_grant(void **state) {
        struct chance c = chance_begin();
        unsigned promised = 0;

        for (unsigned i = 0; i < 400; i++) {
                struct host h = chance_host(&c, 4);
                struct world w;
                struct lease promise;
                const struct lease *promises[] = { &promise };
                struct explanations e;

                for (unsigned k = 0; k < 4; k++)
                        serve_one(&h, &c, k + 1);
                w = host_world(&h);
                if (h.n_leases > 0) {
                        promise = promise_more(&h, h.leases[chance_below(&c, (unsigned) h.n_leases)], &c);
                        w.promises = promises;
                        w.n_promises = 1;
                        promised++;
                }
                for (unsigned t = 0; t < TENANTS; t++)
                        for (unsigned p = 0; p < POOLS; p++) {
                                assert_int_equal(explain(&w, tenant_names[t], pool_names[p], &e),
                                                 REASON_NONE);
                                assert_true(e.n >= 6);
                                require_same_count(&w, tenant_names[t], pool_names[p], &e);
                                explanations_done(&e);
                        }
                assert_int_equal(explain(&w, "nobody", "net", &e), REASON_NO_SUCH_TENANT);
                assert_int_equal(explain(&w, "red", "nothing", &e), REASON_NO_SUCH_POOL);
                host_done(&h);
        }
        assert_true(promised > 200);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(promises_hold),
                cmocka_unit_test(explains_every_grant),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
