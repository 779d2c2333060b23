/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy/allocate by chance, against the same choice done again the slow way. */

#include "tests/unit/test-allocate.h"

static const char *const tenants[] = { "red", "blue" }, *const pools[] = { "net", "wide", "even" };

static const char *one_of(struct chance *c, const char *const *names, unsigned n) {
        return names[chance_below(c, n)];
}

/* Somebody has VFs of the PF, perhaps with a rate that is guaranteed. */
static void add_lease(struct host *h, struct pf *pf, struct chance *c) {
        unsigned first = chance_below(c, (unsigned) pf->n_vfs);
        struct lease *l = host_add_lease(h, one_of(c, tenants, 2), h->policy->pools[pf->pool].name, "old", pf,
                                         first, 1 + chance_below(c, (unsigned) pf->n_vfs - first));

        l->ending = chance_below(c, 2);
        for (size_t i = 0; i < l->n_vfs; i++)
                if (chance_below(c, 2))
                        l->vfs[i].attributes =
                                        (struct vf_attributes){ .set = ATTR_MIN_TX,
                                                                .min_tx_mbps = 50 * chance_below(c, 4) };
}

static struct host random_host(struct chance *c) {
        struct host h = new_host();
        unsigned n = chance_below(c, 6);

        for (unsigned i = 0; i < n; i++) {
                unsigned vfs = chance_below(c, 12);
                struct pf *pf = host_add_pf(&h, i + 1, 12, vfs);
                const char *pool = chance_below(c, 5) ? one_of(c, pools, 3) : NULL;

                pf->pool = pool ? policy_find_pool(h.policy, pool) : -1;
                pf->stuck = chance_below(c, 10) == 0;
                pf->numa_node = (int) chance_below(c, 3) - 1;
                pf->link_mbps = 500 * chance_below(c, 4);
                for (unsigned k = 0; k < vfs; k++)
                        if (chance_below(c, 3) == 0)
                                pf->vfs[k]->state = (enum vf_state) chance_below(c, _VF_STATE_MAX);
                if (vfs > 0 && pf->pool >= 0 && chance_below(c, 2))
                        add_lease(&h, pf, c);
        }
        return h;
}

/* Loads and ready VFs before the choice, by the plainest way to count. */
static size_t count_states(const struct pf *pf, bool load) {
        size_t n = 0;

        for (size_t i = 0; i < pf->n_vfs; i++) {
                enum vf_state s = pf->vfs[i]->state;

                n += load ? s == VF_LEASED || s == VF_LEASING || s == VF_RECLAIMING : s == VF_READY;
        }
        return n;
}

static double guaranteed(const struct host *h, const struct pf *pf) {
        double n = 0;

        for (size_t i = 0; i < h->n_leases; i++)
                for (size_t k = 0; k < h->leases[i]->n_vfs; k++)
                        if (address_equal(h->leases[i]->vfs[k].pf, pf->address))
                                n += h->leases[i]->vfs[k].attributes.min_tx_mbps;
        return n;
}

/* The larger part in use, of its VFs or of its bandwidth. */
static double part_in_use(const struct host *h, const struct pf *pf) {
        double vfs = (double) count_states(pf, true) / (double) pf->n_vfs;
        double mbps = pf->link_mbps ? guaranteed(h, pf) / pf->link_mbps : 0;

        return MAX(vfs, mbps);
}

/* Whether a comes before b, which has a lower address. */
static bool is_before(const struct host *h, const struct simple *r, const struct pf *a, const struct pf *b) {
        bool a_near = r->node > 0 && a->numa_node == (int) r->node - 1;
        bool b_near = r->node > 0 && b->numa_node == (int) r->node - 1;

        if (a_near != b_near)
                return a_near;
        if (strcmp(r->pool, "wide") == 0)
                return count_states(a, true) < count_states(b, true);
        return strcmp(r->pool, "even") == 0 && part_in_use(h, a) < part_in_use(h, b);
}

/* The choice done again the slow way: mark each VF as leased once it is chosen. */
static void require_choice(const struct host *h, const struct simple *r, const struct allocation *a) {
        int pool = policy_find_pool(h->policy, r->pool);

        for (size_t i = 0; i < a->n_vfs; i++) {
                const struct pf *best = NULL;
                struct vf *first = NULL;

                for (size_t k = 0; k < h->inventory.n_pfs; k++) {
                        const struct pf *pf = h->inventory.pfs[k];

                        if (pf->pool != pool || pf->stuck || count_states(pf, false) == 0)
                                continue;
                        if (!best || is_before(h, r, pf, best))
                                best = pf;
                }
                assert_non_null(best);
                for (size_t k = best->n_vfs; k-- > 0;)
                        if (best->vfs[k]->state == VF_READY)
                                first = best->vfs[k];
                assert_ptr_equal(a->vfs[i].vf, first);
                first->state = VF_LEASED; /* so no VF can come twice */
        }
}

static void require_answer(const struct host *h, const struct simple *r, const struct answer *x) {
        const struct tenant *t = policy_find_tenant(h->policy, r->tenant);
        int pool = policy_find_pool(h->policy, r->pool);
        size_t used = 0, ready = 0;

        for (size_t i = 0; i < h->n_leases; i++)
                if (strcmp(h->leases[i]->tenant, r->tenant) == 0 &&
                    strcmp(h->leases[i]->pools[0], r->pool) == 0)
                        used += h->leases[i]->n_vfs;
        for (size_t i = 0; i < h->inventory.n_pfs; i++)
                if (h->inventory.pfs[i]->pool == pool && !h->inventory.pfs[i]->stuck)
                        ready += count_states(h->inventory.pfs[i], false);
        enum reason expected = used + r->count > tenant_find_grant(t, (size_t) pool)->quota ? REASON_QUOTA
                               : ready < r->count ? REASON_POOL_EMPTY
                                                  : REASON_NONE;
        assert_int_equal(x->r, expected);
        assert_int_equal(x->a.n_vfs, expected == REASON_NONE ? r->count : 0);
        require_choice(h, r, &x->a);
}

static void holds_always(void **state) {
        struct chance c = chance_begin();
        unsigned granted = 0, refused = 0;

        for (unsigned i = 0; i < 8000; i++) {
                struct host h = random_host(&c);
                struct simple r = request_for(one_of(&c, tenants, 2), one_of(&c, pools, 3),
                                              1 + chance_below(&c, 8));

                r.node = chance_below(&c, 3);
                struct answer x = ask(&h, &r), again = ask(&h, &r);

                assert_int_equal(x.r, again.r);
                assert_string_equal(x.why.detail, again.why.detail);
                assert_memory_equal(&x.a, &again.a, sizeof(x.a));
                require_answer(&h, &r, &x);
                *(x.r == REASON_NONE ? &granted : &refused) += 1;
                host_done(&h);
        }
        assert_true(granted > 500 && refused > 500);
}

/* What was allocated becomes a lease, as the daemon makes it. */
static void take(struct host *h, const struct simple *r, const struct allocation *a, unsigned serial) {
        struct lease *l = host_add_lease(h, r->tenant, r->pool, r->vm, a->vfs[0].vf->pf, 0, 0);

        snprintf(l->id, sizeof(l->id), "%016x", serial); /* never that of a lease that is gone */
        for (size_t i = 0; i < a->n_vfs; i++) {
                assert_int_equal(a->vfs[i].vf->state, VF_READY);
                assert_string_equal(a->vfs[i].vf->lease, "");
                l->vfs[l->n_vfs++] = (struct leased_vf){ .address = a->vfs[i].vf->address,
                                                         .pf = a->vfs[i].vf->pf->address };
                a->vfs[i].vf->state = VF_LEASED;
                memcpy(a->vfs[i].vf->lease, l->id, sizeof(a->vfs[i].vf->lease));
        }
}

static void set_states(struct host *h, const char *id, enum vf_state state) {
        for (size_t i = 0; i < h->inventory.n_pfs; i++)
                for (size_t k = 0; k < h->inventory.pfs[i]->n_vfs; k++) {
                        struct vf *vf = h->inventory.pfs[i]->vfs[k];

                        if (strcmp(vf->lease, id) != 0)
                                continue;
                        vf->state = state;
                        if (state == VF_READY)
                                vf->lease[0] = '\0';
                }
}

/* A lease goes on by one step: it ends, and later its VFs are back. */
static void step_lease(struct host *h, size_t i) {
        struct lease *l = h->leases[i];

        set_states(h, l->id, l->ending ? VF_READY : VF_RECLAIMING);
        if (!l->ending) {
                l->ending = true;
                return;
        }
        free(l);
        h->leases[i] = h->leases[--h->n_leases];
}

/* Every leased VF is in one lease, and nobody has more than his quota. */
static void require_leases(const struct host *h) {
        size_t in_leases = 0, of_vfs = 0;

        for (size_t i = 0; i < h->n_leases; i++) {
                const struct tenant *t = policy_find_tenant(h->policy, h->leases[i]->tenant);
                int pool = policy_find_pool(h->policy, h->leases[i]->pools[0]);
                size_t used = 0;

                in_leases += h->leases[i]->n_vfs;
                for (size_t k = 0; k < h->n_leases; k++)
                        if (strcmp(h->leases[k]->tenant, t->name) == 0 &&
                            strcmp(h->leases[k]->pools[0], h->leases[i]->pools[0]) == 0)
                                used += h->leases[k]->n_vfs;
                assert_true(used <= tenant_find_grant(t, (size_t) pool)->quota);
        }
        for (size_t i = 0; i < h->inventory.n_pfs; i++)
                of_vfs += count_states(h->inventory.pfs[i], true);
        assert_int_equal(in_leases, of_vfs);
}

static struct simple random_request(struct chance *c) {
        struct simple r = request_for(chance_below(c, 2) ? "red" : "blue",
                                      chance_below(c, 4) ? "net" : "wide", 1 + chance_below(c, 4));

        r.hand_off = (enum hand_off) chance_below(c, _HAND_OFF_MAX);
        r.memory = chance_below(c, 3) * GIB;
        return r;
}

/* Hand-off and memlock as the request and the kernel have them. */
static void require_terms(const struct host *h, const struct simple *r, const struct answer *x) {
        bool fd = r->hand_off == HAND_OFF_FD || (r->hand_off == HAND_OFF_AUTO && h->inventory.can_fd);
        uint64_t limit = strcmp(r->tenant, "red") == 0 ? 4 * GIB : 0;
        uint64_t need = r->memory * (fd ? r->count : 1) + 64 * MIB;

        if (fd && !h->inventory.can_fd)
                assert_int_equal(x->r, REASON_NO_FD_HANDOFF);
        else if (!fd && !h->inventory.can_node)
                assert_int_equal(x->r, REASON_NO_NODE_HANDOFF);
        else if (r->memory > 0 && limit > 0 && need > limit)
                assert_int_equal(x->r, REASON_MEMLOCK);
        else
                assert_true(x->r == REASON_NONE || x->r == REASON_QUOTA || x->r == REASON_POOL_EMPTY);
        if (x->r == REASON_NONE) {
                assert_int_equal(x->a.hand_off, fd ? HAND_OFF_FD : HAND_OFF_NODE);
                assert_true(x->a.memlock == limit);
        }
}

static void holds_over_time(void **state) {
        struct chance c = chance_begin();
        unsigned seen[_REASON_MAX] = { 0 };

        for (unsigned i = 0; i < 300; i++) {
                struct host h = new_host();

                for (unsigned k = 0; k < 3; k++)
                        host_add_pf(&h, k + 1, 8, 1 + chance_below(&c, 8))->pool = (int) chance_below(&c, 2);
                h.inventory.can_fd = chance_below(&c, 4);
                h.inventory.can_node = chance_below(&c, 4);
                for (unsigned k = 0; k < 40; k++) {
                        struct simple r = random_request(&c);
                        struct answer x = ask(&h, &r);

                        require_terms(&h, &r, &x);
                        seen[x.r]++;
                        if (x.r == REASON_NONE)
                                take(&h, &r, &x.a, k);
                        require_leases(&h);
                        if (h.n_leases > 0 && chance_below(&c, 2))
                                step_lease(&h, chance_below(&c, (unsigned) h.n_leases));
                }
                host_done(&h);
        }
        assert_true(seen[REASON_NONE] > 500 && seen[REASON_QUOTA] > 500 && seen[REASON_POOL_EMPTY] > 500);
        assert_true(seen[REASON_MEMLOCK] > 100 && seen[REASON_NO_FD_HANDOFF] > 100);
        assert_true(seen[REASON_NO_NODE_HANDOFF] > 100);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(holds_always),
                cmocka_unit_test(holds_over_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
