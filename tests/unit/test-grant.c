/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy/: what a grant and its pool give, what a grant inherits, and what it allows. */

#include "common/text.h"
#include "tests/unit/test-allocate.h"
#include "tests/unit/test.h"

/* A policy with two pools, "defaults" and the grant of a tenant. */
static struct policy *policy_with(const char *defaults, const char *grant) {
        char text[1024];

        snprintf(text, sizeof(text),
                 "{\"version\":1,\"pools\":{\"net\":{\"vfs\":1,\"functions\":[{\"driver\":\"x\"}]},"
                 "\"disk\":{\"vfs\":1,\"class\":\"storage\",\"functions\":[{\"driver\":\"y\"}]}},"
                 "\"defaults\":{\"pools\":{%s}},\"tenants\":{\"red\":{\"pools\":{%s}}}}",
                 defaults, grant);
        return policy_of(text);
}

static void gives_all(void **state) {
        _cleanup_(policy_freep) struct policy *p = policy_with(
                        "",
                        "\"net\":{\"quota\":3,\"pf_share\":\"25%\",\"vlans\":[200,\"100-199\",0],\"vlan_qos\":5,"
                        "\"vlan_protocol\":\"802.1ad\",\"macs\":[\"02:52:44:00:00:00/32\",\"06:00:00:00:00:09\"],"
                        "\"min_tx_mbps\":10,\"max_tx_mbps\":4294967295,\"spoof_check\":false,\"trust\":true,"
                        "\"link_state\":\"disable\"}");
        const struct grant *g = tenant_find_grant(&p->tenants[0], 0);
        const struct vf_attributes *a = &g->attributes;

        assert_int_equal(g->quota, 3);
        assert_int_equal(g->pf_share, 25);
        assert_int_equal(g->n_vlans, 3);
        assert_int_equal(g->vlans[1].first, 100);
        assert_int_equal(g->vlans[1].last, 199);
        assert_int_equal(g->n_macs, 2);
        assert_true(g->macs[0].base == 0x025244000000ULL);
        assert_int_equal(g->macs[0].prefix, 32);
        assert_int_equal(g->macs[1].prefix, 48);
        assert_int_equal(a->set, ATTR_VLAN | ATTR_MIN_TX | ATTR_MAX_TX | ATTR_SPOOF_CHECK | ATTR_TRUST |
                                                 ATTR_LINK_STATE);
        assert_int_equal(a->vlan, 200);
        assert_int_equal(a->vlan_qos, 5);
        assert_int_equal(a->vlan_protocol, VLAN_8021AD);
        assert_int_equal(a->min_tx_mbps, 10);
        assert_true(a->max_tx_mbps == UINT32_MAX);
        assert_false(a->spoof_check);
        assert_true(a->trust);
        assert_int_equal(a->link_state, LINK_STATE_DISABLE);
}

static void gives_nothing_unasked(void **state) {
        _cleanup_(policy_freep) struct policy *p =
                        policy_with("\"net\":{\"vlan_qos\":3,\"quota\":9},\"disk\":{\"quota\":4}",
                                    "\"net\":{},\"disk\":{\"quota\":0}");
        const struct grant *net = tenant_find_grant(&p->tenants[0], 0),
                           *disk = tenant_find_grant(&p->tenants[0], 1);

        assert_int_equal(net->quota, 9);
        assert_int_equal(net->pf_share, 0);
        assert_int_equal(net->attributes.set, 0);
        assert_int_equal(net->attributes.vlan_qos, 0); /* no VLAN carries it */
        assert_int_equal(net->n_vlans + net->n_macs, 0);
        assert_int_equal(disk->quota, 0);
}

#define ALL_DEFAULTS                                                                                                    \
        "\"net\":{\"quota\":9,\"pf_share\":\"50%\",\"vlans\":[7,\"8-9\"],\"vlan_qos\":1,\"vlan_protocol\":\"802.1ad\"," \
        "\"min_tx_mbps\":10,\"max_tx_mbps\":100,\"spoof_check\":true,\"trust\":true,\"link_state\":\"enable\"}"

static void inherits(void **state) {
        static const struct {
                const char *grant;
                uint32_t set;
                uint16_t vlan;
                size_t n_vlans;
                uint8_t qos, protocol;
                uint32_t min, max;
                bool spoof_check, trust;
                uint8_t link;
        } table[] = {
                { "", 0x7e, 7, 2, 1, VLAN_8021AD, 10, 100, true, true, LINK_STATE_ENABLE },
                { "\"vlans\":[5]", 0x7e, 5, 1, 1, VLAN_8021AD, 10, 100, true, true, LINK_STATE_ENABLE },
                { "\"vlans\":[]", 0x7c, 0, 0, 0, VLAN_8021Q, 10, 100, true, true, LINK_STATE_ENABLE },
                { "\"vlan_qos\":0", 0x7e, 7, 2, 0, VLAN_8021AD, 10, 100, true, true, LINK_STATE_ENABLE },
                { "\"vlan_protocol\":\"802.1Q\"", 0x7e, 7, 2, 1, VLAN_8021Q, 10, 100, true, true,
                  LINK_STATE_ENABLE },
                { "\"min_tx_mbps\":100", 0x7e, 7, 2, 1, VLAN_8021AD, 100, 100, true, true,
                  LINK_STATE_ENABLE },
                { "\"max_tx_mbps\":10", 0x7e, 7, 2, 1, VLAN_8021AD, 10, 10, true, true, LINK_STATE_ENABLE },
                { "\"spoof_check\":false", 0x7e, 7, 2, 1, VLAN_8021AD, 10, 100, false, true,
                  LINK_STATE_ENABLE },
                { "\"trust\":false", 0x7e, 7, 2, 1, VLAN_8021AD, 10, 100, true, false, LINK_STATE_ENABLE },
                { "\"link_state\":\"auto\"", 0x7e, 7, 2, 1, VLAN_8021AD, 10, 100, true, true,
                  LINK_STATE_AUTO },
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                char text[128];

                snprintf(text, sizeof(text), "\"net\":{%s}", i->grant);
                _cleanup_(policy_freep) struct policy *p = policy_with(ALL_DEFAULTS, text);
                const struct grant *g = tenant_find_grant(&p->tenants[0], 0);
                const struct vf_attributes *a = &g->attributes;

                assert_int_equal(g->quota, 9);
                assert_int_equal(g->pf_share, 50);
                assert_int_equal(a->set, i->set);
                assert_int_equal(a->vlan, i->vlan);
                assert_int_equal(g->n_vlans, i->n_vlans);
                assert_int_equal(a->vlan_qos, i->qos);
                assert_int_equal(a->vlan_protocol, i->protocol);
                assert_int_equal(a->min_tx_mbps, i->min);
                assert_int_equal(a->max_tx_mbps, i->max);
                assert_int_equal(a->spoof_check, i->spoof_check);
                assert_int_equal(a->trust, i->trust);
                assert_int_equal(a->link_state, i->link);
        }
}

/* "defaults" give nothing to whom nothing is granted. */
static void defaults_grant_nothing(void **state) {
        _cleanup_(policy_freep) struct policy *p = policy_with(ALL_DEFAULTS, "\"disk\":{\"quota\":1}");

        assert_int_equal(p->tenants[0].n_grants, 1);
        assert_null(tenant_find_grant(&p->tenants[0], 0));
        assert_int_equal(tenant_find_grant(&p->tenants[0], 1)->attributes.set, 0);
}

static void allows_vlans(void **state) {
        static const struct {
                unsigned vlan;
                bool allowed;
        } table[] = {
                { 200, true }, { 100, true },  { 150, true },  { 199, true },   { 99, false },
                { 0, false },  { 201, false }, { 4094, true }, { 4095, false }, { 65536 + 200, false }
        };
        _cleanup_(policy_freep) struct policy *p = policy_with(
                        "", "\"net\":{\"quota\":1,\"vlans\":[200,\"100-199\",4094]},\"disk\":{\"quota\":1}");

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table))
                assert_int_equal(grant_allows_vlan(tenant_find_grant(&p->tenants[0], 0), i->vlan),
                                 i->allowed);
        assert_false(grant_allows_vlan(tenant_find_grant(&p->tenants[0], 1), 0));
}

static void allows_macs(void **state) {
        static const struct {
                uint64_t mac;
                bool allowed;
        } table[] = {
                { 0x025244000000, true },  { 0x02524400ffff, true }, { 0x025244010000, false },
                { 0x025243ffffff, false }, { 0x060000000009, true }, { 0x060000000008, false },
                { 0x0a0000000000, true },  { 0x0affffffffff, true }, { 0x0b0000000000, false },
                { 0x0e0000000002, true },  { 0x0e0000000003, true }, { 0x0e0000000004, false },
        };
        _cleanup_(policy_freep) struct policy *p = policy_with(
                        "", "\"net\":{\"quota\":1,\"macs\":[\"02:52:44:00:00:00/32\",\"06:00:00:00:00:09\","
                            "\"0A:00:00:00:00:00/8\",\"0e:00:00:00:00:02/47\"]},\"disk\":{\"quota\":1}");

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table))
                assert_int_equal(grant_allows_mac(tenant_find_grant(&p->tenants[0], 0),
                                                  mac_from_number(i->mac)),
                                 i->allowed);
        assert_false(grant_allows_mac(tenant_find_grant(&p->tenants[0], 1), mac_from_number(0x025244000000)));
}

/* Event queues are of the pool, and told by ports only. */
static void gives_event_queues(void **state) {
        static const struct {
                const char *driver;
                enum eswitch_mode mode;
                const char *refusal;
        } cases[] = {
                { "mlx5_core", ESWITCH_SWITCHDEV, NULL },
                { "new", ESWITCH_SWITCHDEV, NULL },
                { "ice", ESWITCH_SWITCHDEV,
                  "pool net: the driver ice in switchdev mode cannot do max_io_eqs" },
                { "mlx5_core", ESWITCH_LEGACY,
                  "pool net: the driver mlx5_core outside switchdev mode cannot do max_io_eqs" },
                { "new", ESWITCH_UNKNOWN,
                  "pool net: the driver new outside switchdev mode cannot do max_io_eqs" },
        };
        struct host h = new_host();
        struct simple r = request_for("blue", "net", 1);
        struct pf *pf = host_add_pf(&h, 1, 2, 2);

        FOREACH_ARRAY(c, cases, ARRAY_SIZE(cases)) {
                text_copy(pf->driver, sizeof(pf->driver), c->driver);
                pf->eswitch = c->mode;
                h.policy->pools[0].max_io_eqs = 16;
                struct answer x = ask(&h, &r);
                assert_int_equal(x.r, c->refusal ? REASON_ATTRIBUTE_UNSUPPORTED : REASON_NONE);
                if (c->refusal)
                        assert_string_equal(x.why.detail, c->refusal);
                else
                        assert_true(x.a.vfs[0].attributes.set == ATTR_MAX_IO_EQS &&
                                    x.a.vfs[0].attributes.max_io_eqs == 16);
                h.policy->pools[0].max_io_eqs = 0;
                x = ask(&h, &r);
                assert_true(x.r == REASON_NONE && x.a.vfs[0].attributes.set == 0);
        }
        host_done(&h);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(gives_all),          cmocka_unit_test(gives_nothing_unasked),
                cmocka_unit_test(inherits),           cmocka_unit_test(defaults_grant_nothing),
                cmocka_unit_test(allows_vlans),       cmocka_unit_test(allows_macs),
                cmocka_unit_test(gives_event_queues),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
