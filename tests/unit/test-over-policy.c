/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy/over-policy: which leases and promises the policy would not give any more, and which are meant. */

#include "common/text.h"
#include "policy/over-policy.h"
#include "tests/unit/test-policy-host.h"
#include "tests/unit/test.h"

#include <string.h>

/* A tenant red with a grant of the pool "net", which has a PF of 8 VFs on node 0 and one on node 1. */
static struct host host_with(const char *pool_keys, const char *grant) {
        char text[1024];

        snprintf(text, sizeof(text),
                 "{\"version\":1,\"pools\":{\"net\":{\"vfs\":8,\"functions\":[{\"driver\":\"x\"}]%s},"
                 "\"other\":{\"vfs\":8,\"functions\":[{\"driver\":\"y\"}]}},"
                 "\"tenants\":{\"red\":{\"quota\":6,\"pools\":{\"net\":{\"quota\":5%s}}}}}",
                 pool_keys, grant);
        struct host h = { .policy = policy_of(text) };
        for (unsigned i = 0; i < 2; i++)
                host_add_pf(&h, i + 1, 8, 8)->numa_node = (int) i;
        return h;
}

#define LEASES_MAX 8U

/* "none quota": what is said of the leases, then of the promises behind a '+'. */
static const char *judge(const struct host *h, const struct lease *const *promises, size_t n, char buf[512]) {
        enum reason leases[LEASES_MAX], promised[LEASES_MAX];
        struct world w = host_world(h);
        size_t at = 0;

        w.promises = promises;
        w.n_promises = n;
        buf[0] = '\0';
        assert_int_equal(over_policy(&w, leases, promised), 0);
        for (size_t i = 0; i < h->n_leases + n; i++)
                at += (size_t) snprintf(buf + at, 512 - at, "%s%s%s", i ? " " : "",
                                        i < h->n_leases ? "" : "+",
                                        reason_name(i < h->n_leases ? leases[i] : promised[i - h->n_leases]));
        return buf;
}

#define JUDGE(h)            judge((h), NULL, 0, (char[512]){ 0 })
#define JUDGE_WITH(h, p, n) judge((h), (p), (n), (char[512]){ 0 })

static const struct {
        const char *grant;
        struct vf_attributes has;
        enum reason over;
} attributes[] = {
        { "", { 0 }, REASON_NONE },
        /* a VLAN with its priority and protocol, or none */
        { ",\"vlans\":[5]", { .set = ATTR_VLAN, .vlan = 5 }, REASON_NONE },
        { ",\"vlans\":[5]", { .set = ATTR_VLAN, .vlan = 6 }, REASON_VLAN },
        { ",\"vlans\":[5]", { 0 }, REASON_VLAN },
        { "", { .set = ATTR_VLAN, .vlan = 5 }, REASON_VLAN },
        { ",\"vlans\":[5],\"vlan_qos\":3", { .set = ATTR_VLAN, .vlan = 5, .vlan_qos = 3 }, REASON_NONE },
        { ",\"vlans\":[5],\"vlan_qos\":3", { .set = ATTR_VLAN, .vlan = 5 }, REASON_VLAN },
        { ",\"vlans\":[5]", { .set = ATTR_VLAN, .vlan = 5, .vlan_qos = 7 }, REASON_VLAN },
        { ",\"vlans\":[5],\"vlan_protocol\":\"802.1ad\"", { .set = ATTR_VLAN, .vlan = 5 }, REASON_VLAN },
        { ",\"vlans\":[0,5],\"vlan_qos\":3", { .set = ATTR_VLAN }, REASON_NONE }, /* untagged: none to have */
        { ",\"macs\":\"02:00:00:00:00:00/40\"", { .set = ATTR_MAC, .mac = { { 2 } } }, REASON_NONE },
        { ",\"macs\":\"02:00:00:00:00:00/40\"", { .set = ATTR_MAC, .mac = { { 6 } } }, REASON_MAC },
        { ",\"macs\":\"02:00:00:00:00:00/40\"", { 0 }, REASON_MAC },
        { ",\"macs\":\"derived\"", { .set = ATTR_MAC, .mac = { { 6 } } }, REASON_NONE },
        { ",\"macs\":\"derived\"", { 0 }, REASON_MAC },
        { "", { .set = ATTR_MAC, .mac = { { 2 } } }, REASON_MAC },
        { ",\"max_tx_mbps\":10", { .set = ATTR_MAX_TX, .max_tx_mbps = 10 }, REASON_NONE },
        { ",\"max_tx_mbps\":10", { .set = ATTR_MAX_TX, .max_tx_mbps = 11 }, REASON_RATE },
        { ",\"max_tx_mbps\":10", { .set = ATTR_MAX_TX }, REASON_RATE },
        { ",\"max_tx_mbps\":10", { 0 }, REASON_RATE },
        { "", { .set = ATTR_MAX_TX, .max_tx_mbps = 10 }, REASON_NONE },
        { ",\"min_tx_mbps\":10", { .set = ATTR_MIN_TX, .min_tx_mbps = 9 }, REASON_NONE },
        { ",\"min_tx_mbps\":10", { .set = ATTR_MIN_TX, .min_tx_mbps = 11 }, REASON_RATE },
        { "", { .set = ATTR_MIN_TX, .min_tx_mbps = 1 }, REASON_RATE },
        { ",\"spoof_check\":true", { .set = ATTR_SPOOF_CHECK, .spoof_check = true }, REASON_NONE },
        { ",\"spoof_check\":true", { .set = ATTR_SPOOF_CHECK }, REASON_OVER_POLICY },
        { ",\"spoof_check\":true", { 0 }, REASON_OVER_POLICY },
        { ",\"spoof_check\":false", { .set = ATTR_SPOOF_CHECK }, REASON_NONE },
        { ",\"spoof_check\":false", { .set = ATTR_SPOOF_CHECK, .spoof_check = true }, REASON_NONE },
        { "", { .set = ATTR_SPOOF_CHECK }, REASON_OVER_POLICY },
        { ",\"trust\":true", { .set = ATTR_TRUST, .trust = true }, REASON_NONE },
        { ",\"trust\":true", { 0 }, REASON_NONE },
        { ",\"trust\":false", { .set = ATTR_TRUST, .trust = true }, REASON_OVER_POLICY },
        { "", { .set = ATTR_TRUST, .trust = true }, REASON_OVER_POLICY },
        { ",\"rss_query\":true", { .set = ATTR_RSS_QUERY, .rss_query = true }, REASON_NONE },
        { ",\"rss_query\":false", { .set = ATTR_RSS_QUERY, .rss_query = true }, REASON_OVER_POLICY },
        { "", { .set = ATTR_RSS_QUERY, .rss_query = true }, REASON_OVER_POLICY },
        { ",\"link_state\":\"enable\"",
          { .set = ATTR_LINK_STATE, .link_state = LINK_STATE_ENABLE },
          REASON_NONE },
        { ",\"link_state\":\"disable\"",
          { .set = ATTR_LINK_STATE, .link_state = LINK_STATE_ENABLE },
          REASON_OVER_POLICY },
        { ",\"link_state\":\"disable\"", { 0 }, REASON_OVER_POLICY },
        { ",\"link_state\":\"auto\"", { 0 }, REASON_NONE },
        { "", { .set = ATTR_LINK_STATE, .link_state = LINK_STATE_ENABLE }, REASON_OVER_POLICY },
        { "", { .set = ATTR_LINK_STATE }, REASON_NONE },
        /* what is only wished for may be missing, but not be another */
        { ",\"max_tx_mbps\":10,\"wish\":[\"max_tx_mbps\"]", { 0 }, REASON_NONE },
        { ",\"max_tx_mbps\":10,\"wish\":[\"max_tx_mbps\"]",
          { .set = ATTR_MAX_TX, .max_tx_mbps = 11 },
          REASON_RATE },
        { ",\"max_tx_mbps\":10,\"wish\":[\"spoof_check\"]", { 0 }, REASON_RATE },
        { ",\"spoof_check\":true,\"wish\":[\"spoof_check\"]", { 0 }, REASON_NONE },
        { ",\"spoof_check\":true,\"wish\":[\"spoof_check\"]",
          { .set = ATTR_SPOOF_CHECK },
          REASON_OVER_POLICY },
        { ",\"link_state\":\"disable\",\"wish\":[\"link_state\"]", { 0 }, REASON_NONE },
        { ",\"trust\":false,\"wish\":[\"trust\"]", { .set = ATTR_TRUST, .trust = true }, REASON_OVER_POLICY },
};

static void judges_attributes(void **state) {
        FOREACH_ARRAY(i, attributes, ARRAY_SIZE(attributes)) {
                struct host h = host_with("", i->grant);
                struct lease *l = host_add_lease(&h, "red", "net", "vm", h.inventory.pfs[0], 0, 1);

                l->vfs[0].attributes = i->has;
                assert_string_equal(JUDGE(&h), reason_name(i->over));
                host_done(&h);
        }
}

static void judges_counts(void **state) {
        struct host h = host_with("", "");

        for (unsigned i = 0; i < 3; i++)
                host_add_lease(&h, "red", "net", "vm", h.inventory.pfs[0], 2 * i, 2);
        assert_string_equal(JUDGE(&h), "none none quota");
        h.leases[0]->ending = true;
        assert_string_equal(JUDGE(&h), "none none none");
        h.leases[0]->ending = false;
        h.policy->tenants[0].grants[0].quota = 9;
        h.policy->tenants[0].quota = 3;
        assert_string_equal(JUDGE(&h), "none total-quota total-quota");
        h.policy->tenants[0].quota = QUOTA_NONE;
        assert_string_equal(JUDGE(&h), "none none none");
        h.policy->tenants[0].max_lease = 60;
        h.leases[1]->expires_usec = 1;
        assert_string_equal(JUDGE(&h), "over-policy none over-policy");
        text_copy(h.leases[0]->tenant, sizeof(h.leases[0]->tenant), "green");
        text_copy(h.leases[1]->pools[0], sizeof(h.leases[1]->pools[0]), "other");
        text_copy(h.leases[2]->pools[0], sizeof(h.leases[2]->pools[0]), "nothing");
        assert_string_equal(JUDGE(&h), "no-such-tenant no-such-pool no-such-pool");
        text_copy(h.leases[1]->pools[0], sizeof(h.leases[1]->pools[0]), "net");
        h.inventory.pfs[0]->pool = 1;
        assert_string_equal(JUDGE(&h), "no-such-tenant not-managed no-such-pool");
        host_done(&h);
}

/* A quarter of 8 VFs, of each PF. */
static void judges_shares(void **state) {
        struct host h = host_with("", ",\"pf_share\":\"25%\"");
        struct pf *one = h.inventory.pfs[0], *two = h.inventory.pfs[1];

        host_add_lease(&h, "red", "net", "a", one, 0, 1);
        host_add_lease(&h, "red", "net", "b", two, 0, 2);
        host_add_lease(&h, "red", "net", "c", one, 1, 1);
        assert_string_equal(JUDGE(&h), "none none none");
        host_add_lease(&h, "red", "net", "d", one, 2, 1);
        assert_string_equal(JUDGE(&h), "none none none pf-share");
        h.leases[0]->ending = true;
        assert_string_equal(JUDGE(&h), "none none none none");
        h.policy->tenants[0].grants[0].pf_share = 1; /* one at least */
        assert_string_equal(JUDGE(&h), "none pf-share none pf-share");
        host_done(&h);
}

static void judges_anti_affinity(void **state) {
        struct host h = host_with(",\"anti_affinity\":true", "");
        struct pf *one = h.inventory.pfs[0], *two = h.inventory.pfs[1];

        host_add_lease(&h, "red", "net", "a", one, 0, 1);
        host_add_lease(&h, "red", "net", "b", one, 1, 1);
        host_add_lease(&h, "red", "net", "c", two, 0, 1);
        assert_string_equal(JUDGE(&h), "none none none");
        for (unsigned i = 1; i < 3; i++)
                text_copy(h.leases[i]->group, sizeof(h.leases[i]->group), "a");
        assert_string_equal(JUDGE(&h), "none anti-affinity none");
        h.policy->pools[0].apart = false;
        assert_string_equal(JUDGE(&h), "none none none");
        host_done(&h);
}

/* The lease keeps no node; but its VFs must be on one. */
static void judges_nodes(void **state) {
        struct host h = host_with(",\"numa\":\"require\"", "");
        struct pf *one = h.inventory.pfs[0], *two = h.inventory.pfs[1];

        struct lease *l = host_add_lease(&h, "red", "net", "a", one, 0, 1);
        host_add_lease(&h, "red", "net", "a", two, 0, 1);
        assert_string_equal(JUDGE(&h), "none none");
        l->vfs[l->n_vfs++] = (struct leased_vf){ .address = two->vfs[1]->address, .pf = two->address };
        assert_string_equal(JUDGE(&h), "numa none");
        two->numa_node = -1;
        assert_string_equal(JUDGE(&h), "numa numa");
        h.policy->pools[0].numa = NUMA_PREFER;
        assert_string_equal(JUDGE(&h), "none none");
        host_done(&h);
}

/* A promise counts as far as nobody has it, behind all leases. */
static void judges_promises(void **state) {
        struct host h = host_with("", ",\"macs\":\"02:00:00:00:00:00/40\",\"trust\":false");
        struct pf *pf = h.inventory.pfs[0];
        struct lease a = *host_add_lease(&h, "red", "net", "a", pf, 0, 4), b;
        const struct lease *promises[] = { &a, &b };

        h.leases[0]->n_vfs = 2; /* the VM has two of its four */
        for (unsigned i = 0; i < 4; i++)
                h.leases[0]->vfs[i].attributes = (struct vf_attributes){ .set = ATTR_MAC, .mac = { { 2 } } };
        for (unsigned i = 2; i < 4; i++)
                pf->vfs[i]->lease[0] = '\0';
        b = a;
        b.n_vfs = 1;
        b.vfs[0].address = pf->vfs[4]->address;
        b.vfs[0].attributes =
                        (struct vf_attributes){ .set = ATTR_TRUST, .trust = true }; /* will be told anew */
        assert_string_equal(JUDGE_WITH(&h, promises, 2), "none +none +none");
        h.policy->tenants[0].grants[0].quota = 4;
        assert_string_equal(JUDGE_WITH(&h, promises, 2), "none +none +quota");
        h.policy->tenants[0].grants[0].quota = 3;
        assert_string_equal(JUDGE_WITH(&h, promises, 2), "none +quota +quota");
        h.policy->tenants[0].grants[0].pf_share = 50;
        h.policy->tenants[0].grants[0].quota = 9;
        assert_string_equal(JUDGE_WITH(&h, promises, 2), "none +none +pf-share");
        h.policy->tenants[0].grants[0].pf_share = 0;
        b.vfs[0].attributes = (struct vf_attributes){ .set = ATTR_MAC, .mac = { { 6 } } };
        assert_string_equal(JUDGE_WITH(&h, promises, 2), "none +none +mac");
        text_copy(a.pools[0], sizeof(a.pools[0]), "other");
        text_copy(b.tenant, sizeof(b.tenant), "green");
        assert_string_equal(JUDGE_WITH(&h, promises, 2), "none +no-such-pool +no-such-tenant");
        text_copy(a.pools[0], sizeof(a.pools[0]), "net");
        pf->pool = 1;
        assert_string_equal(JUDGE_WITH(&h, promises, 1), "not-managed +not-managed");
        host_done(&h);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(judges_attributes), cmocka_unit_test(judges_counts),
                cmocka_unit_test(judges_shares),     cmocka_unit_test(judges_anti_affinity),
                cmocka_unit_test(judges_nodes),      cmocka_unit_test(judges_promises),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
