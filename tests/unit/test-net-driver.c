/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/net-driver: what drivers refuse, and that harmless wishes are none of it. */

#include "common/macro.h"
#include "common/net-driver.h"
#include "tests/unit/test.h"

static uint32_t refuses(const char *driver, struct vf_attributes a) {
        return net_driver_refuses(driver, &a);
}

static void test_igb(void **state) {
        assert_int_equal(refuses("igb", (struct vf_attributes){ .set = ATTR_LINK_STATE, .link_state = 1 }),
                         ATTR_LINK_STATE);
        assert_int_equal(refuses("igb", (struct vf_attributes){ .set = ATTR_MIN_TX, .min_tx_mbps = 1 }),
                         ATTR_MIN_TX);
        assert_int_equal(refuses("igb", (struct vf_attributes){ .set = ATTR_RSS_QUERY, .rss_query = true }),
                         ATTR_RSS_QUERY);
        assert_int_equal(refuses("igb", (struct vf_attributes){ .set = ATTR_VLAN, .vlan = 5 }), 0);
        assert_int_equal(refuses("igb", (struct vf_attributes){ .set = ATTR_VLAN,
                                                                .vlan = 5,
                                                                .vlan_protocol = VLAN_8021AD }),
                         ATTR_VLAN);
}

/* What a VF has anyway is never refused. */
static void test_harmless(void **state) {
        static const char *const drivers[] = {
                "igb", "sfc", "fsl_enetc", "ice", "netdevsim", "no-such-driver"
        };

        FOREACH_ARRAY(d, drivers, ARRAY_SIZE(drivers))
                assert_int_equal(refuses(*d, (struct vf_attributes){ .set = ATTR_ALL & ~ATTR_SPOOF_CHECK,
                                                                     .vlan_protocol = VLAN_8021AD }),
                                 0);
}

static void test_unknown_is_tried(void **state) {
        assert_int_equal(refuses("", (struct vf_attributes){ .set = ATTR_ALL, .trust = true }), 0);
        assert_int_equal(refuses("new", (struct vf_attributes){ .set = ATTR_ALL, .min_tx_mbps = 9 }), 0);
        assert_true(net_driver_has_statistics("new"));
        assert_false(net_driver_has_statistics("igb"));
        assert_true(net_driver_has_statistics("ice"));
}

/* By ports only, and of those that are known only by mlx5's. */
static void test_event_queues(void **state) {
        static const struct {
                const char *driver;
                uint32_t port;
        } cases[] = { { "mlx5_core", 0 },
                      { "new", 0 },
                      { "", 0 },
                      { "ice", ATTR_MAX_IO_EQS },
                      { "sfc", ATTR_MAX_IO_EQS } };
        const struct vf_attributes a = { .set = ATTR_MAX_IO_EQS | ATTR_MAC, .max_io_eqs = 8 };

        FOREACH_ARRAY(c, cases, ARRAY_SIZE(cases)) {
                assert_int_equal(net_port_refuses(c->driver, &a), c->port);
                assert_int_equal(net_driver_refuses(c->driver, &a), ATTR_MAX_IO_EQS);
        }
        assert_int_equal(
                        net_port_refuses("mlx5_core", &(struct vf_attributes){ .set = ATTR_VLAN, .vlan = 7 }),
                        ATTR_VLAN);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_igb),
                cmocka_unit_test(test_harmless),
                cmocka_unit_test(test_unknown_is_tried),
                cmocka_unit_test(test_event_queues),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
