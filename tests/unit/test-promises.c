/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VFs that are promised to VMs, by chance: to whom they go, and how they are counted. */

#include "policy/explain.h"
#include "tests/unit/test-policy-chance.h"
#include "tests/unit/test.h"

#include <string.h>

#define CASES 12000U

static const struct leased_vf *promised_to(const struct lease *promise, const struct vf *vf) {
        FOREACH_ARRAY(v, promise->vfs, promise->n_vfs)
                if (address_equal(v->address, vf->address))
                        return v;
        return NULL;
}

static bool same_mac(const struct vf_attributes *a, const struct vf_attributes *b) {
        return a->set & b->set & ATTR_MAC && mac_to_number(a->mac) == mac_to_number(b->mac);
}

/* Neither a VF nor a MAC of the promise goes to another VM. */
static void require_kept(const struct world *w, const struct lease *promise, const struct request *other) {
        struct allocation a = { 0 };
        struct refusal why;

        if (allocate(w, other, &a, &why) != REASON_NONE)
                return;
        FOREACH_ARRAY(v, a.vfs, a.n_vfs) {
                assert_null(promised_to(promise, v->vf));
                FOREACH_ARRAY(p, promise->vfs, promise->n_vfs)
                        assert_false(same_mac(&v->attributes, &p->attributes));
        }
}

/* The VM itself gets the same VFs, each with the same MAC. */
static void require_honoured(const struct world *w, const struct lease *promise, const struct request *r) {
        struct allocation a = { 0 };
        struct refusal why;

        assert_int_equal(allocate(w, r, &a, &why), REASON_NONE);
        FOREACH_ARRAY(v, a.vfs, a.n_vfs) {
                const struct leased_vf *p = promised_to(promise, v->vf);

                assert_non_null(p);
                assert_true(!(v->attributes.set & ATTR_MAC) || same_mac(&v->attributes, &p->attributes));
        }
}

/* To any other request a promise is what a lease of the VM would be: it leaves the same, of the same PFs. */
static int require_counted(struct host *h, const struct world *promised, const struct lease *promise,
                           const struct request *other) {
        struct allocation a = { 0 }, b = { 0 };
        struct refusal why, why_b;
        int r = allocate(promised, other, &a, &why);

        *host_add_lease(h, promise->tenant, promise->pools[0], promise->vm, h->inventory.pfs[0], 0, 0) =
                        *promise;
        for (size_t i = 0; i < h->inventory.n_pfs; i++)
                for (size_t k = 0; k < h->inventory.pfs[i]->n_vfs; k++) {
                        struct vf *vf = h->inventory.pfs[i]->vfs[k];

                        if (!promised_to(promise, vf))
                                continue;
                        vf->state = VF_LEASED;
                        memcpy(vf->lease, promise->id, sizeof(vf->lease));
                }
        const struct world leased = host_world(h);
        assert_int_equal(allocate(&leased, other, &b, &why_b), r);
        assert_memory_equal(&a, &b, sizeof(a));
        if (r != REASON_QUOTA && r != REASON_TOTAL_QUOTA) /* these say "(reserved)" */
                assert_string_equal(why.detail, why_b.detail);
        assert_string_equal(why.beyond, why_b.beyond);
        return r;
}

static void promises_hold(void **state) {
        struct chance c = chance_begin();
        unsigned seen[_REASON_MAX] = { 0 };

        for (unsigned i = 0; i < CASES; i++) {
                struct host h = chance_host(&c, 1 + i * 4 / CASES);
                struct world w = host_world(&h);
                struct request r = chance_request(&c), other = chance_request(&c);
                struct allocation a = { 0 };
                struct refusal why;

                other.vm = "else";
                if (allocate(&w, &r, &a, &why) == REASON_NONE) {
                        host_take(&h, &r, &a, 99);
                        struct lease promise = *h.leases[0];
                        const struct lease *promises[] = { &promise };

                        promise.hand_off = HAND_OFF_AUTO;
                        host_give_back(&h, 0);
                        w = host_world(&h);
                        w.promises = promises;
                        w.n_promises = 1;
                        require_kept(&w, &promise, &other);
                        require_honoured(&w, &promise, &r);
                        seen[require_counted(&h, &w, &promise, &other)]++;
                }
                host_done(&h);
        }
        static const enum reason each[] = { REASON_NONE,       REASON_QUOTA,    REASON_TOTAL_QUOTA,
                                            REASON_POOL_EMPTY, REASON_PF_SHARE, REASON_ANTI_AFFINITY,
                                            REASON_RATE_SUM };
        FOREACH_ARRAY(e, each, ARRAY_SIZE(each)) {
                printf("%s: %u\n", reason_name(*e), seen[*e]);
                assert_true(seen[*e] > 5);
        }
}

static void serve_one(struct host *h, struct chance *c, unsigned serial) {
        const struct world w = host_world(h);
        const struct request r = chance_request(c);
        struct allocation a = { 0 };
        struct refusal why;

        if (allocate(&w, &r, &a, &why) == REASON_NONE)
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
        struct refusal why;

        assert_int_equal(allocate(w, &r, &a, &why), REASON_QUOTA);
        assert_int_equal(sscanf(why.detail, "quota %*u, in use %u", &refused), 1);
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

                for (unsigned k = 0; k < 8; k++)
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
