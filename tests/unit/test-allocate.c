/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy/allocate: every refusal, both placements, and by chance what must hold always. */

#include "policy/allocate.h"
#include "tests/unit/test-policy-host.h"
#include "tests/unit/test.h"

#include <string.h>

#define GIB (1ULL << 30)
#define MIB (1ULL << 20)

static const char policy_text[] =
                "{ \"version\": 1, \"pools\": {"
                " \"net\": { \"vfs\": \"max\", \"functions\": [ { \"driver\": \"igb\" } ] },"
                " \"wide\": { \"vfs\": \"max\", \"placement\": \"spread\","
                "   \"functions\": [ { \"driver\": \"ice\" } ] },"
                " \"secret\": { \"vfs\": 1, \"functions\": [ { \"driver\": \"x\" } ] } },"
                "\"tenants\": {"
                " \"red\": { \"memlock\": \"4G\", \"pools\": { \"net\": { \"quota\": 4 },"
                "   \"wide\": { \"quota\": 1000 } } },"
                " \"blue\": { \"pools\": { \"net\": { \"quota\": 40 }, \"wide\": { \"quota\": 0 } } } } }";

struct answer {
        int r;
        struct allocation a;
        char detail[256];
};

static struct answer ask(const struct host *h, const struct request *r) {
        struct answer x = { 0 };

        memset(x.detail, 'x', sizeof(x.detail));
        x.r = allocate(h->policy, &h->inventory, host_leases(h), h->n_leases, r, &x.a, x.detail,
                       sizeof(x.detail));
        assert_non_null(memchr(x.detail, '\0', sizeof(x.detail)));
        return x;
}

static struct request request_for(const char *tenant, const char *pool, unsigned count) {
        return (struct request){ .tenant = tenant, .pool = pool, .vm = "vm", .count = count };
}

static struct host new_host(void) {
        struct host h = { .policy = policy_of(policy_text),
                          .inventory = { .can_fd = true, .can_node = true } };

        return h;
}

/* Refusals in the order in which they are looked for: each row is wrong in this and in all that is looked for
 * later. */
static void refuses_in_order(void **state) {
        static const struct {
                struct request request;
                enum reason reason;
                const char *detail;
        } table[] = {
                { { "none", "none", "", 0, HAND_OFF_FD, UINT64_MAX }, REASON_NO_SUCH_TENANT, "" },
                { { "red", "none", "", 0, HAND_OFF_FD, UINT64_MAX }, REASON_BAD_NAME, "VM" },
                { { "red", "none", "../vm", 0, HAND_OFF_FD, UINT64_MAX }, REASON_BAD_NAME, "VM" },
                { { "red", "none", "vm", 0, HAND_OFF_FD, UINT64_MAX }, REASON_NO_SUCH_POOL, "" },
                { { "red", "secret", "vm", 0, HAND_OFF_FD, UINT64_MAX }, REASON_NO_SUCH_POOL, "" },
                { { "red", "net", "vm", 0, HAND_OFF_FD, UINT64_MAX }, REASON_LIMIT, "1 to 32 VFs at once" },
                { { "red", "net", "vm", 33, HAND_OFF_FD, UINT64_MAX }, REASON_LIMIT, "1 to 32 VFs at once" },
                { { "red", "net", "vm", 32, HAND_OFF_FD, UINT64_MAX }, REASON_NO_FD_HANDOFF, "" },
                { { "red", "net", "vm", 32, HAND_OFF_NODE, 4 * GIB },
                  REASON_MEMLOCK,
                  "needs 4G (4362076160 bytes), the policy allows 4G (4294967296 bytes)" },
                { { "red", "net", "vm", 32, HAND_OFF_NODE, GIB }, REASON_QUOTA, "quota 4, in use 0" },
                { { "red", "net", "vm", 4, HAND_OFF_NODE, GIB }, REASON_POOL_EMPTY, "1 of 4 VFs ready" },
        };
        struct host h = new_host();

        h.inventory.can_fd = false;
        host_add_pf(&h, 1, 1, 1);
        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct answer x = ask(&h, &i->request);

                assert_int_equal(x.r, i->reason);
                assert_string_equal(x.detail, i->detail);
                assert_int_equal(x.a.n_vfs, 0);
        }
        host_done(&h);
}

static void chooses_hand_off(void **state) {
        static const struct {
                bool can_fd, can_node;
                enum hand_off wish;
                enum reason reason;
                enum hand_off answer;
        } table[] = {
                { true, true, HAND_OFF_AUTO, REASON_NONE, HAND_OFF_FD },
                { true, true, HAND_OFF_FD, REASON_NONE, HAND_OFF_FD },
                { true, true, HAND_OFF_NODE, REASON_NONE, HAND_OFF_NODE },
                { true, false, HAND_OFF_AUTO, REASON_NONE, HAND_OFF_FD },
                { true, false, HAND_OFF_NODE, REASON_NO_NODE_HANDOFF, HAND_OFF_AUTO },
                { false, true, HAND_OFF_AUTO, REASON_NONE, HAND_OFF_NODE },
                { false, true, HAND_OFF_FD, REASON_NO_FD_HANDOFF, HAND_OFF_AUTO },
                { false, false, HAND_OFF_AUTO, REASON_NO_NODE_HANDOFF, HAND_OFF_AUTO },
        };
        struct host h = new_host();

        host_add_pf(&h, 1, 1, 1);
        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct request r = request_for("red", "net", 1);

                r.hand_off = i->wish;
                h.inventory.can_fd = i->can_fd;
                h.inventory.can_node = i->can_node;
                struct answer x = ask(&h, &r);
                assert_int_equal(x.r, i->reason);
                assert_int_equal(x.a.hand_off, i->answer);
                assert_true(x.a.memlock == (x.r == REASON_NONE ? 4 * GIB : 0));
        }
        host_done(&h);
}

static void memlock_need(void **state) {
        static const struct {
                uint64_t memory;
                enum hand_off hand_off;
                size_t n;
                uint64_t need;
        } table[] = {
                { 0, HAND_OFF_FD, 1, 64 * MIB },
                { GIB, HAND_OFF_FD, 1, GIB + 64 * MIB },
                { GIB, HAND_OFF_FD, 3, 3 * GIB + 64 * MIB },
                { GIB, HAND_OFF_NODE, 3, GIB + 64 * MIB },
                { UINT64_MAX / 2, HAND_OFF_FD, 3, UINT64_MAX },
                { UINT64_MAX, HAND_OFF_NODE, 1, UINT64_MAX },
                { UINT64_MAX - 64 * MIB, HAND_OFF_NODE, 1, UINT64_MAX },
                { UINT64_MAX - 64 * MIB - 1, HAND_OFF_NODE, 1, UINT64_MAX - 1 },
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table))
                assert_true(allocate_memlock_need(i->memory, i->hand_off, i->n) == i->need);
}

static void checks_memlock(void **state) {
        static const struct {
                const char *tenant;
                uint64_t memory;
                unsigned count;
                enum hand_off hand_off;
                enum reason reason;
        } table[] = {
                { "red", 4 * GIB - 64 * MIB, 1, HAND_OFF_FD, REASON_NONE },
                { "red", 4 * GIB - 64 * MIB + 1, 1, HAND_OFF_FD, REASON_MEMLOCK },
                { "red", 2 * GIB, 2, HAND_OFF_FD, REASON_MEMLOCK },
                { "red", 2 * GIB, 2, HAND_OFF_AUTO, REASON_MEMLOCK },
                { "red", 2 * GIB, 2, HAND_OFF_NODE, REASON_NONE },
                { "red", UINT64_MAX, 2, HAND_OFF_FD, REASON_MEMLOCK },
                { "red", 0, 2, HAND_OFF_FD, REASON_NONE },           /* not known: not checked */
                { "blue", UINT64_MAX, 2, HAND_OFF_FD, REASON_NONE }, /* no limit by policy */
        };
        struct host h = new_host();

        host_add_pf(&h, 1, 4, 4);
        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                const struct request r = { i->tenant, "net", "vm", i->count, i->hand_off, i->memory };
                struct answer x = ask(&h, &r);

                assert_int_equal(x.r, i->reason);
                assert_true(x.a.memlock == (x.r != REASON_NONE || i->tenant[0] == 'b' ? 0 : 4 * GIB));
        }
        host_done(&h);
}

/* Quotas count what the tenant has of this pool, until a lease is over; other tenants and pools do not
 * matter. */
static void keeps_quota(void **state) {
        struct host h = new_host();
        struct pf *pf = host_add_pf(&h, 1, 63, 63);
        struct request r = request_for("red", "net", 2);

        host_add_lease(&h, "red", "net", "web1", pf, 0, 2);
        host_add_lease(&h, "blue", "net", "spy", pf, 2, 30);
        host_add_lease(&h, "red", "wide", "web9", pf, 32, 3);
        assert_int_equal(ask(&h, &r).r, REASON_NONE);
        host_add_lease(&h, "red", "net", "web2", pf, 40, 1)->ending = true;
        struct answer x = ask(&h, &r);
        assert_int_equal(x.r, REASON_QUOTA);
        assert_string_equal(x.detail, "quota 4, in use 3: web1, web2");
        r.count = 1;
        assert_int_equal(ask(&h, &r).r, REASON_NONE);
        r.tenant = "blue";
        r.pool = "wide";
        x = ask(&h, &r);
        assert_int_equal(x.r, REASON_QUOTA);
        assert_string_equal(x.detail, "quota 0, in use 0");
        host_done(&h);
}

/* More VMs than the detail has room for: whole names, and a sign that there are more. */
static void cuts_long_details(void **state) {
        struct host h = new_host();
        struct pf *pf = host_add_pf(&h, 1, 63, 63);
        struct request r = request_for("red", "net", 1);
        char name[NAME_MAX_LEN + 1];

        for (unsigned i = 0; i < 9; i++) {
                memset(name, (int) ('a' + i), NAME_MAX_LEN);
                name[NAME_MAX_LEN] = '\0';
                host_add_lease(&h, "red", "net", name, pf, i, 1);
        }
        struct answer x = ask(&h, &r);
        assert_int_equal(x.r, REASON_QUOTA);
        assert_memory_equal(x.detail, "quota 4, in use 9: aaaa", 23);
        assert_string_equal(x.detail + strlen(x.detail) - 8, "ccc, ...");
        assert_int_equal(strlen(x.detail), 19 + 3 * (NAME_MAX_LEN + 2) + 3);
        host_done(&h);
}

/* The buses and indexes of what is chosen, as text: "1.0 1.2 2.0". */
static const char *chosen(const struct allocation *a, char buf[512]) {
        size_t at = 0;

        buf[0] = '\0';
        for (size_t i = 0; i < a->n_vfs; i++)
                at += (size_t) snprintf(buf + at, 512 - at, "%s%u.%u", i ? " " : "",
                                        a->vfs[i]->pf->address.bus, a->vfs[i]->index);
        return buf;
}

/* VFs of a shared IOMMU group: all of them to one VM, by their node, or none. */
static void keeps_groups_together(void **state) {
        struct host h = new_host();
        struct request r = request_for("blue", "net", 3);
        char buf[512];

        struct pf *one = host_add_pf(&h, 1, 5, 5), *two = host_add_pf(&h, 2, 2, 2);
        for (unsigned i = 0; i < 5; i++) {
                one->vfs[i]->group = i < 3 ? 7 : 8;
                one->vfs[i]->group_devices = i < 3 ? 3 : 2;
        }
        two->vfs[0]->group = 10;
        two->vfs[1]->group = 11;
        struct answer x = ask(&h, &r);
        assert_int_equal(x.r, REASON_NONE);
        assert_string_equal(chosen(&x.a, buf), "1.0 1.1 1.2");
        assert_int_equal(x.a.hand_off, HAND_OFF_NODE);
        r.count = 2; /* those that stand alone go first */
        x = ask(&h, &r);
        assert_string_equal(chosen(&x.a, buf), "2.0 2.1");
        two->vfs[1]->state = VF_LEASED;
        x = ask(&h, &r);
        assert_string_equal(chosen(&x.a, buf), "1.3 1.4");
        one->vfs[3]->state = VF_QUARANTINED; /* one keeps all of its group */
        x = ask(&h, &r);
        assert_int_equal(x.r, REASON_POOL_EMPTY);
        assert_string_equal(x.detail,
                            "1 of 2 VFs ready; others share an IOMMU group and go together: ask for 3");
        r.count = 3;
        r.hand_off = HAND_OFF_FD;
        x = ask(&h, &r);
        assert_int_equal(x.r, REASON_NO_FD_HANDOFF);
        r.hand_off = HAND_OFF_AUTO;
        h.inventory.can_node = false;
        x = ask(&h, &r);
        assert_int_equal(x.r, REASON_NO_NODE_HANDOFF);
        h.inventory.can_node = true;
        two->vfs[0]->group = 7; /* a member on another PF, in another pool */
        two->vfs[0]->group_devices = 3;
        two->pool = 1;
        x = ask(&h, &r);
        assert_int_equal(x.r, REASON_POOL_EMPTY);
        host_done(&h);
}

static void packs(void **state) {
        struct host h = new_host();
        struct request r = request_for("blue", "net", 5);
        char buf[512];

        struct pf *one = host_add_pf(&h, 1, 4, 4), *two = host_add_pf(&h, 2, 4, 4),
                  *three = host_add_pf(&h, 3, 4, 4);
        one->vfs[0]->state = VF_QUARANTINED;
        one->vfs[2]->state = VF_BOUND;
        two->vfs[1]->state = VF_LEASED;
        struct answer x = ask(&h, &r);
        assert_int_equal(x.r, REASON_NONE);
        assert_string_equal(chosen(&x.a, buf), "1.1 1.3 2.0 2.2 2.3");
        two->stuck = true;
        x = ask(&h, &r);
        assert_string_equal(chosen(&x.a, buf), "1.1 1.3 3.0 3.1 3.2");
        three->pool = 1;
        x = ask(&h, &r);
        assert_int_equal(x.r, REASON_POOL_EMPTY);
        assert_string_equal(x.detail, "2 of 5 VFs ready");
        one->pool = -1;
        x = ask(&h, &r);
        assert_string_equal(x.detail, "0 of 5 VFs ready");
        host_done(&h);
}

static void spreads(void **state) {
        struct host h = new_host();
        struct request r = request_for("red", "wide", 6);
        char buf[512];

        struct pf *one = host_add_pf(&h, 1, 8, 8), *two = host_add_pf(&h, 2, 8, 8),
                  *three = host_add_pf(&h, 3, 8, 2);
        one->pool = two->pool = three->pool = 1;
        struct answer x = ask(&h, &r);
        assert_string_equal(chosen(&x.a, buf), "1.0 2.0 3.0 1.1 2.1 3.1");
        one->vfs[0]->state = VF_LEASED;
        one->vfs[1]->state = VF_RECLAIMING;
        one->vfs[2]->state = VF_LEASING;
        two->vfs[5]->state = VF_LEASED;
        two->vfs[6]->state = VF_QUARANTINED; /* a broken VF is no load */
        x = ask(&h, &r);
        assert_string_equal(chosen(&x.a, buf), "3.0 2.0 3.1 2.1 1.3 2.2");
        host_done(&h);
}

/* More PFs than a request has VFs: the least loaded must not be lost among them. */
static void spreads_over_many_pfs(void **state) {
        struct host h = new_host();
        struct request r = request_for("red", "wide", 32);

        for (unsigned i = 0; i < 100; i++) {
                struct pf *pf = host_add_pf(&h, i + 1, 8, 8);

                pf->pool = 1;
                for (unsigned k = 0; k < (i < 60 ? 3U : 100 - i > 32 ? 2U : 1U); k++)
                        pf->vfs[k]->state = VF_LEASED;
        }
        struct answer x = ask(&h, &r);
        assert_int_equal(x.a.n_vfs, 32);
        for (unsigned i = 0; i < 32; i++) {
                assert_int_equal(x.a.vfs[i]->pf->address.bus, 69 + i);
                assert_int_equal(x.a.vfs[i]->index, 1);
        }
        host_done(&h);
}

/* PFs that have nothing to give, however many, do not hide one that has. */
static void looks_past_empty_pfs(void **state) {
        struct host h = new_host();
        struct request r = request_for("blue", "net", 2);
        char buf[512];

        for (unsigned i = 0; i < 50; i++)
                host_add_pf(&h, i + 1, 2, 2);
        for (unsigned i = 0; i < 49; i++)
                h.inventory.pfs[i]->vfs[0]->state = h.inventory.pfs[i]->vfs[1]->state = VF_QUARANTINED;
        struct answer x = ask(&h, &r);
        assert_int_equal(x.r, REASON_NONE);
        assert_string_equal(chosen(&x.a, buf), "50.0 50.1");
        host_done(&h);
}

static struct host random_host(struct chance *c) {
        static const char *const tenants[] = { "red", "blue" }, *const pools[] = { "net", "wide" };
        struct host h = new_host();
        unsigned n = chance_below(c, 6);

        for (unsigned i = 0; i < n; i++) {
                unsigned vfs = chance_below(c, 12);
                struct pf *pf = host_add_pf(&h, i + 1, 12, vfs);

                pf->pool = (int) chance_below(c, 4) - 1;
                pf->stuck = chance_below(c, 10) == 0;
                for (unsigned k = 0; k < vfs; k++)
                        if (chance_below(c, 3) == 0)
                                pf->vfs[k]->state = (enum vf_state) chance_below(c, _VF_STATE_MAX);
                if (vfs > 0 && chance_below(c, 2) && (pf->pool == 0 || pf->pool == 1)) {
                        unsigned first = chance_below(c, vfs);

                        host_add_lease(&h, tenants[chance_below(c, 2)], pools[pf->pool], "old", pf, first,
                                       1 + chance_below(c, vfs - first))
                                        ->ending = chance_below(c, 2);
                }
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

/* The choice done again the slow way: mark each VF as leased once it is chosen. */
static void require_choice(const struct host *h, const struct request *r, const struct allocation *a) {
        int pool = policy_find_pool(h->policy, r->pool);
        bool spread = h->policy->pools[pool].placement == PLACEMENT_SPREAD;

        for (size_t i = 0; i < a->n_vfs; i++) {
                const struct pf *best = NULL;
                struct vf *first = NULL;

                for (size_t k = 0; k < h->inventory.n_pfs; k++) {
                        const struct pf *pf = h->inventory.pfs[k];

                        if (pf->pool != pool || pf->stuck || count_states(pf, false) == 0)
                                continue;
                        if (!best || (spread && count_states(pf, true) < count_states(best, true)))
                                best = pf;
                }
                assert_non_null(best);
                for (size_t k = best->n_vfs; k-- > 0;)
                        if (best->vfs[k]->state == VF_READY)
                                first = best->vfs[k];
                assert_ptr_equal(a->vfs[i], first);
                first->state = VF_LEASED; /* so no VF can come twice */
        }
}

static void require_answer(const struct host *h, const struct request *r, const struct answer *x) {
        const struct tenant *t = policy_find_tenant(h->policy, r->tenant);
        int pool = policy_find_pool(h->policy, r->pool);
        size_t used = 0, ready = 0;

        for (size_t i = 0; i < h->n_leases; i++)
                if (strcmp(h->leases[i]->tenant, r->tenant) == 0 && strcmp(h->leases[i]->pool, r->pool) == 0)
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

        for (unsigned i = 0; i < 5000; i++) {
                struct host h = random_host(&c);
                struct request r = request_for(chance_below(&c, 2) ? "red" : "blue",
                                               chance_below(&c, 2) ? "net" : "wide", 1 + chance_below(&c, 8));
                struct answer x = ask(&h, &r), again = ask(&h, &r);

                assert_int_equal(x.r, again.r);
                assert_string_equal(x.detail, again.detail);
                assert_memory_equal(&x.a, &again.a, sizeof(x.a));
                require_answer(&h, &r, &x);
                *(x.r == REASON_NONE ? &granted : &refused) += 1;
                host_done(&h);
        }
        assert_true(granted > 500 && refused > 500);
}

/* What was allocated becomes a lease, as the daemon makes it. */
static void take(struct host *h, const struct request *r, const struct allocation *a, unsigned serial) {
        struct lease *l = host_add_lease(h, r->tenant, r->pool, r->vm, a->vfs[0]->pf, 0, 0);

        snprintf(l->id, sizeof(l->id), "%016x", serial); /* never that of a lease that is gone */
        for (size_t i = 0; i < a->n_vfs; i++) {
                assert_int_equal(a->vfs[i]->state, VF_READY);
                assert_string_equal(a->vfs[i]->lease, "");
                l->vfs[l->n_vfs++] = a->vfs[i]->address;
                a->vfs[i]->state = VF_LEASED;
                memcpy(a->vfs[i]->lease, l->id, sizeof(a->vfs[i]->lease));
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
                int pool = policy_find_pool(h->policy, h->leases[i]->pool);
                size_t used = 0;

                in_leases += h->leases[i]->n_vfs;
                for (size_t k = 0; k < h->n_leases; k++)
                        if (strcmp(h->leases[k]->tenant, t->name) == 0 &&
                            strcmp(h->leases[k]->pool, h->leases[i]->pool) == 0)
                                used += h->leases[k]->n_vfs;
                assert_true(used <= tenant_find_grant(t, (size_t) pool)->quota);
        }
        for (size_t i = 0; i < h->inventory.n_pfs; i++)
                of_vfs += count_states(h->inventory.pfs[i], true);
        assert_int_equal(in_leases, of_vfs);
}

static struct request random_request(struct chance *c) {
        struct request r = request_for(chance_below(c, 2) ? "red" : "blue",
                                       chance_below(c, 4) ? "net" : "wide", 1 + chance_below(c, 4));

        r.hand_off = (enum hand_off) chance_below(c, _HAND_OFF_MAX);
        r.memory = chance_below(c, 3) * GIB;
        return r;
}

/* Hand-off and memlock as the request and the kernel have them. */
static void require_terms(const struct host *h, const struct request *r, const struct answer *x) {
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
                        struct request r = random_request(&c);
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
                cmocka_unit_test(refuses_in_order),
                cmocka_unit_test(chooses_hand_off),
                cmocka_unit_test(memlock_need),
                cmocka_unit_test(checks_memlock),
                cmocka_unit_test(keeps_quota),
                cmocka_unit_test(cuts_long_details),
                cmocka_unit_test(packs),
                cmocka_unit_test(keeps_groups_together),
                cmocka_unit_test(spreads),
                cmocka_unit_test(holds_always),
                cmocka_unit_test(holds_over_time),
                cmocka_unit_test(spreads_over_many_pfs),
                cmocka_unit_test(looks_past_empty_pfs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
