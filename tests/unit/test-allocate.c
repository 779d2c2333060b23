/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy/allocate: every refusal, and where the VFs come from. */

#include "tests/unit/test-allocate.h"
#include "common/text.h"

/* Refusals in the order in which they are looked for: each row is wrong in this and in all that is looked for
 * later. */
static void refuses_in_order(void **state) {
        static const struct {
                struct simple request;
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
                { { "red", "net", "vm", 4, HAND_OFF_NODE, GIB },
                  REASON_POOL_EMPTY,
                  "pool net: 1 of 4 VFs to be had" },
        };
        struct host h = new_host();

        h.inventory.can_fd = false;
        host_add_pf(&h, 1, 1, 1);
        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct answer x = ask(&h, &i->request);

                assert_int_equal(x.r, i->reason);
                assert_string_equal(x.why.detail, i->detail);
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
                struct simple r = request_for("red", "net", 1);

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
                const struct simple r = { i->tenant, "net", "vm", i->count, i->hand_off, i->memory };
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
        struct simple r = request_for("red", "net", 2);

        host_add_lease(&h, "red", "net", "web1", pf, 0, 2);
        host_add_lease(&h, "blue", "net", "spy", pf, 2, 30);
        host_add_lease(&h, "red", "wide", "web9", pf, 32, 3);
        assert_int_equal(ask(&h, &r).r, REASON_NONE);
        host_add_lease(&h, "red", "net", "web2", pf, 40, 1)->ending = true;
        struct answer x = ask(&h, &r);
        assert_int_equal(x.r, REASON_QUOTA);
        assert_string_equal(x.why.detail, "quota 4, in use 3: web1, web2");
        r.count = 1;
        assert_int_equal(ask(&h, &r).r, REASON_NONE);
        r.tenant = "blue";
        r.pool = "wide";
        x = ask(&h, &r);
        assert_int_equal(x.r, REASON_QUOTA);
        assert_string_equal(x.why.detail, "quota 0, in use 0");
        host_done(&h);
}

/* More VMs than the detail has room for: whole names, and a sign that there are more. */
static void cuts_long_details(void **state) {
        struct host h = new_host();
        struct pf *pf = host_add_pf(&h, 1, 63, 63);
        struct simple r = request_for("red", "net", 1);
        char name[NAME_MAX_LEN + 1];

        for (unsigned i = 0; i < 9; i++) {
                memset(name, (int) ('a' + i), NAME_MAX_LEN);
                name[NAME_MAX_LEN] = '\0';
                host_add_lease(&h, "red", "net", name, pf, i, 1);
        }
        struct answer x = ask(&h, &r);
        assert_int_equal(x.r, REASON_QUOTA);
        assert_memory_equal(x.why.detail, "quota 4, in use 9: aaaa", 23);
        assert_string_equal(x.why.detail + strlen(x.why.detail) - 8, "ccc, ...");
        assert_int_equal(strlen(x.why.detail), 19 + 3 * (NAME_MAX_LEN + 2) + 3);
        host_done(&h);
}

/* The buses and indexes of what is chosen, as text: "1.0 1.2 2.0". */
static const char *chosen(const struct allocation *a, char buf[512]) {
        size_t at = 0;

        buf[0] = '\0';
        for (size_t i = 0; i < a->n_vfs; i++)
                at += (size_t) snprintf(buf + at, 512 - at, "%s%u.%u", i ? " " : "",
                                        a->vfs[i].vf->pf->address.bus, a->vfs[i].vf->index);
        return buf;
}

/* VFs of a shared IOMMU group: all of them to one VM, by their node, or none. */
static void keeps_groups_together(void **state) {
        struct host h = new_host();
        struct simple r = request_for("blue", "net", 3);
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
        assert_string_equal(
                        x.why.detail,
                        "pool net: 1 of 2 VFs to be had; others share an IOMMU group and go together: ask for 3");
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

/* What a shared group would break is not given for its sake: a promise, a share, a driver. */
static void groups_keep_the_rules(void **state) {
        struct host h = new_host();
        struct simple r = request_for("blue", "net", 3);
        struct grant *g = &h.policy->tenants[1].grants[0];
        struct lease promise = { .tenant = "blue", .vm = "db", .pools = { "net" }, .n_pools = 1, .n_vfs = 1 };
        const struct lease *promises[] = { &promise };

        struct pf *pf = host_add_pf(&h, 1, 4, 4);
        for (unsigned i = 0; i < 3; i++) {
                pf->vfs[i]->group = 7;
                pf->vfs[i]->group_devices = 3;
        }
        promise.vfs[0] = (struct leased_vf){ .address = pf->vfs[1]->address, .pf = pf->address };
        assert_int_equal(ask(&h, &r).r, REASON_NONE);
        struct world w = host_world(&h);
        w.promises = promises;
        w.n_promises = 1;
        assert_int_equal(ask_in(&w, &r).r, REASON_POOL_EMPTY);
        r.vm = "db";
        assert_int_equal(ask_in(&w, &r).r, REASON_NONE);
        g->pf_share = 50;
        assert_int_equal(ask(&h, &r).r, REASON_POOL_EMPTY);
        g->pf_share = 75;
        assert_int_equal(ask(&h, &r).r, REASON_NONE);
        g->attributes.set = ATTR_RSS_QUERY;
        g->attributes.rss_query = true;
        assert_int_equal(ask(&h, &r).r, REASON_ATTRIBUTE_UNSUPPORTED);
        g->wish = ATTR_RSS_QUERY;
        struct answer x = ask(&h, &r);
        assert_int_equal(x.r, REASON_NONE);
        assert_int_equal(x.a.vfs[2].attributes.set, 0);
        host_done(&h);
}

/* A pool of drivers that can do more and less: what some of its PFs can do is a matter of time. */
static void tells_full_from_unable(void **state) {
        struct host h = new_host();
        struct simple r = request_for("blue", "net", 1);
        struct grant *g = &h.policy->tenants[1].grants[0];
        struct pf *less = host_add_pf(&h, 1, 2, 2), *more = host_add_pf(&h, 2, 2, 2);

        text_copy(less->driver, sizeof(less->driver), "bnx2x");
        g->attributes = (struct vf_attributes){ .set = ATTR_TRUST, .trust = true };
        struct answer x = ask(&h, &r);
        assert_int_equal(x.r, REASON_NONE);
        assert_ptr_equal(x.a.vfs[0].vf->pf, more);
        more->vfs[0]->state = more->vfs[1]->state = VF_LEASED;
        x = ask(&h, &r);
        assert_int_equal(x.r, REASON_POOL_EMPTY);
        assert_true(reason_may_pass((enum reason) x.r));
        assert_string_equal(x.why.detail, "pool net, on PFs that can do trust: 0 of 1 VFs to be had");
        text_copy(more->driver, sizeof(more->driver), "sfc");
        x = ask(&h, &r);
        assert_int_equal(x.r, REASON_ATTRIBUTE_UNSUPPORTED);
        assert_false(reason_may_pass((enum reason) x.r));
        assert_string_equal(x.why.detail, "pool net: the driver bnx2x cannot do trust");
        less->vfs[0]->state = less->vfs[1]->state =
                        VF_LEASED; /* nor will it be able to when these are back */
        assert_int_equal(ask(&h, &r).r, REASON_ATTRIBUTE_UNSUPPORTED);
        less->pool = more->pool = -1;
        assert_int_equal(ask(&h, &r).r, REASON_POOL_EMPTY);
        host_done(&h);
}

/* Each want of a pool is judged alone: one that asks nothing of the driver leaves the PF that can to others.
 */
static void judges_each_want(void **state) {
        struct host h = new_host();
        struct grant *g = &h.policy->tenants[1].grants[0];
        struct pf *unable = host_add_pf(&h, 1, 1, 1), *able = host_add_pf(&h, 2, 2, 2);
        struct request r = { .tenant = "blue",
                             .vm = "vm",
                             .wants = { { "net", 1, { .set = ATTR_MIN_TX } }, { .pool = "net", .count = 1 } },
                             .n_wants = 2,
                             .numa_node = NUMA_NODE_ANY };
        const struct world w = host_world(&h);
        struct allocation a = { 0 };
        struct refusal why;

        able->link_mbps = unable->link_mbps = 1000;
        text_copy(unable->driver, sizeof(unable->driver), "igb");
        g->attributes = (struct vf_attributes){ .set = ATTR_MIN_TX, .min_tx_mbps = 100 };
        assert_int_equal(allocate(&w, &r, &a, &why), REASON_NONE);
        assert_ptr_equal(a.vfs[0].vf->pf, unable);
        assert_ptr_equal(a.vfs[1].vf->pf, able);
        r.wants[1].count = 2; /* more than the able PF has left, while there are as many VFs */
        able->vfs[0]->state = able->vfs[1]->state = VF_LEASED;
        pf_set_vfs(unable, 3, VF_READY);
        assert_int_equal(allocate(&w, &r, &a, &why), REASON_POOL_EMPTY);
        assert_string_equal(why.detail, "pool net, on PFs that can do min_tx_mbps: 0 of 3 VFs to be had");
        r.wants[1].count = 3; /* more than it ever has */
        assert_int_equal(allocate(&w, &r, &a, &why), REASON_ATTRIBUTE_UNSUPPORTED);
        assert_string_equal(why.detail, "pool net: 2 of 3 VFs on PFs that can do min_tx_mbps");
        able->total_vfs = 3; /* or will have */
        assert_int_equal(allocate(&w, &r, &a, &why), REASON_POOL_EMPTY);
        r.wants[1].count = 2;
        g->wish = ATTR_MIN_TX; /* a rate that is left out takes no bandwidth */
        unable->link_mbps = 0;
        assert_int_equal(allocate(&w, &r, &a, &why), REASON_NONE);
        for (unsigned i = 1; i < 3; i++) {
                assert_ptr_equal(a.vfs[i].vf->pf, unable);
                assert_int_equal(a.vfs[i].attributes.set, 0);
        }
        host_done(&h);
}

static void packs(void **state) {
        struct host h = new_host();
        struct simple r = request_for("blue", "net", 5);
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
        assert_string_equal(x.why.detail, "pool net: 2 of 5 VFs to be had");
        one->pool = -1;
        x = ask(&h, &r);
        assert_string_equal(x.why.detail, "pool net: 0 of 5 VFs to be had");
        host_done(&h);
}

static void spreads(void **state) {
        struct host h = new_host();
        struct simple r = request_for("red", "wide", 6);
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
        struct simple r = request_for("red", "wide", 32);

        for (unsigned i = 0; i < 100; i++) {
                struct pf *pf = host_add_pf(&h, i + 1, 8, 8);

                pf->pool = 1;
                for (unsigned k = 0; k < (i < 60 ? 3U : 100 - i > 32 ? 2U : 1U); k++)
                        pf->vfs[k]->state = VF_LEASED;
        }
        struct answer x = ask(&h, &r);
        assert_int_equal(x.a.n_vfs, 32);
        for (unsigned i = 0; i < 32; i++) {
                assert_int_equal(x.a.vfs[i].vf->pf->address.bus, 69 + i);
                assert_int_equal(x.a.vfs[i].vf->index, 1);
        }
        host_done(&h);
}

/* PFs that have nothing to give, however many, do not hide one that has. */
static void looks_past_empty_pfs(void **state) {
        struct host h = new_host();
        struct simple r = request_for("blue", "net", 2);
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

/* A PF has as many VFs to give as it has disks for them. */
static void counts_disks(void **state) {
        struct host h = new_host();
        struct pf *one = host_add_pf(&h, 1, 4, 4), *two = host_add_pf(&h, 2, 4, 4);
        struct simple r = request_for("blue", "net", 3);
        char buf[512];

        one->free_disks = 1; /* they need none: it does not matter */
        struct answer x = ask(&h, &r);
        assert_string_equal(chosen(&x.a, buf), "1.0 1.1 1.2");
        one->needs_disks = two->needs_disks = true;
        two->free_disks = 2;
        x = ask(&h, &r);
        assert_int_equal(x.r, REASON_NONE);
        assert_string_equal(chosen(&x.a, buf), "1.0 2.0 2.1");
        r.count = 4;
        x = ask(&h, &r);
        assert_int_equal(x.r, REASON_NAMESPACES_USED_UP);
        assert_string_equal(x.why.detail, "pool net, each with a namespace: 3 of 4 VFs to be had");
        one->free_disks = 0;
        r.count = 2;
        x = ask(&h, &r);
        assert_string_equal(chosen(&x.a, buf), "2.0 2.1");
        two->free_disks = 100; /* more disks than VFs: these are what it lacks */
        one->free_disks = 4;
        for (unsigned i = 0; i < 4; i++)
                one->vfs[i]->state = VF_QUARANTINED;
        r.count = 5;
        x = ask(&h, &r);
        assert_int_equal(x.r, REASON_POOL_EMPTY);
        assert_string_equal(x.why.detail, "pool net: 4 of 5 VFs to be had");
        host_done(&h);
}

/* What a VM was promised needs a disk all the same. */
static void promises_need_disks(void **state) {
        struct host h = new_host();
        struct pf *one = host_add_pf(&h, 1, 2, 2), *two = host_add_pf(&h, 2, 2, 2);
        struct lease promise = { .tenant = "blue",
                                 .vm = "vm",
                                 .group = "vm",
                                 .pools = { "net" },
                                 .n_pools = 1,
                                 .vfs = { { .address = one->vfs[1]->address, .pf = one->address } },
                                 .n_vfs = 1 };
        const struct lease *promises[] = { &promise };
        struct world w = host_world(&h);
        const struct request r = { .tenant = "blue",
                                   .vm = "vm",
                                   .wants = { { .pool = "net", .count = 1 } },
                                   .n_wants = 1,
                                   .numa_node = NUMA_NODE_ANY };
        struct allocation a = { 0 };
        char buf[512];
        struct refusal why;

        w.promises = promises;
        w.n_promises = 1;
        one->needs_disks = two->needs_disks = true;
        one->free_disks = two->free_disks = 1;
        assert_int_equal(allocate(&w, &r, &a, &why), REASON_NONE);
        assert_string_equal(chosen(&a, buf), "1.1");
        one->free_disks = 0;
        assert_int_equal(allocate(&w, &r, &a, &why), REASON_NONE);
        assert_string_equal(chosen(&a, buf), "2.0");
        host_done(&h);
}

/* A derived MAC is the VF's own, unless somebody has it already, wherever it came from. */
static void derives_macs(void **state) {
        struct host h = new_host();
        struct pf *pf = host_add_pf(&h, 1, 4, 4);
        struct simple r = request_for("blue", "net", 2);

        for (size_t i = 0; i < h.policy->n_tenants; i++)
                for (size_t k = 0; k < h.policy->tenants[i].n_grants; k++)
                        h.policy->tenants[i].grants[k].macs_derived = true;
        struct answer x = ask(&h, &r), again = ask(&h, &r);
        assert_int_equal(x.r, REASON_NONE);
        for (unsigned i = 0; i < 2; i++) {
                const struct vf_attributes *a = &x.a.vfs[i].attributes;

                assert_true(a->set & ATTR_MAC && mac_is_unicast(a->mac));
                assert_int_equal(mac_to_number(a->mac), mac_to_number(again.a.vfs[i].attributes.mac));
        }
        struct leased_vf *taken = host_add_lease(&h, "red", "net", "vm", pf, 3, 1)->vfs;
        taken->attributes = (struct vf_attributes){ .set = ATTR_MAC, .mac = x.a.vfs[0].attributes.mac };
        again = ask(&h, &r);
        assert_int_equal(again.r, REASON_NONE);
        assert_int_not_equal(mac_to_number(again.a.vfs[0].attributes.mac),
                             mac_to_number(taken->attributes.mac));
        assert_int_equal(mac_to_number(again.a.vfs[1].attributes.mac),
                         mac_to_number(x.a.vfs[1].attributes.mac));
        host_done(&h);
}

/* Nor does a VF get the address of a card of this host, of any pool or none. */
static void spares_the_macs_of_cards(void **state) {
        struct host h = new_host();
        struct grant *g = &h.policy->tenants[1].grants[0];
        struct mac_range range = { .base = 0x020000000010, .prefix = 47 };
        struct request r = { .tenant = "blue",
                             .vm = "vm",
                             .wants = { { .pool = "net", .count = 1 } },
                             .n_wants = 1,
                             .numa_node = NUMA_NODE_ANY };
        const struct world w = host_world(&h);
        struct allocation a = { 0 };
        struct refusal why;

        host_add_pf(&h, 1, 4, 4);
        host_add_pf(&h, 2, 4, 4)->mac = mac_from_number(range.base);
        g->macs = &range;
        g->n_macs = 1;
        assert_int_equal(allocate(&w, &r, &a, &why), REASON_NONE);
        assert_int_equal(mac_to_number(a.vfs[0].attributes.mac), range.base + 1);
        r.wants[0].chosen = (struct vf_attributes){ .set = ATTR_MAC, .mac = mac_from_number(range.base) };
        assert_int_equal(allocate(&w, &r, &a, &why), REASON_MAC_IN_USE);
        g->macs = NULL;
        g->n_macs = 0;
        host_done(&h);
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
                cmocka_unit_test(groups_keep_the_rules),
                cmocka_unit_test(tells_full_from_unable),
                cmocka_unit_test(judges_each_want),
                cmocka_unit_test(spreads),
                cmocka_unit_test(spreads_over_many_pfs),
                cmocka_unit_test(looks_past_empty_pfs),
                cmocka_unit_test(counts_disks),
                cmocka_unit_test(promises_need_disks),
                cmocka_unit_test(derives_macs),
                cmocka_unit_test(spares_the_macs_of_cards),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
