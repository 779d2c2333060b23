/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MACs and the names of attributes. */

#include "common/attributes.h"
#include "common/macro.h"
#include "common/net-driver.h"
#include "tests/unit/test.h"

#include <string.h>

#include <errno.h>

static void test_mac(void **state) {
        static const char *const bad[] = { "",
                                           "02:52:44:00:00",
                                           "02:52:44:00:00:0",
                                           "02:52:44:00:00:01:",
                                           "02-52-44-00-00-01",
                                           "02:52:44:00:00:0g",
                                           "02:52:44:00:00: 1",
                                           " 2:52:44:00:00:01",
                                           "02:52:44:00:00:011" };
        struct mac m;

        assert_int_equal(mac_parse("02:52:44:aB:00:Ff", &m), 0);
        assert_string_equal(MAC_STR(m), "02:52:44:ab:00:ff");
        assert_int_equal(mac_to_number(m), 0x025244ab00ff);
        assert_memory_equal(&(struct mac[]){ mac_from_number(0x025244ab00ff) }, &m, sizeof(m));
        for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(mac_parse(bad[i], &m), -EINVAL);
}

static void test_unicast(void **state) {
        assert_true(mac_is_unicast(mac_from_number(0x025244000000)));
        assert_true(mac_is_unicast(mac_from_number(1)));
        assert_false(mac_is_unicast(mac_from_number(0)));
        assert_false(mac_is_unicast(mac_from_number(0x01005e000001)));
        assert_false(mac_is_unicast(mac_from_number(0xffffffffffff)));
}

static void test_names(void **state) {
        for (unsigned i = 0; i < _LINK_STATE_MAX; i++)
                assert_int_equal(link_state_from_string(link_state_to_string((enum link_state) i)), i);
        for (unsigned i = 0; i < _VLAN_PROTOCOL_MAX; i++)
                assert_int_equal(vlan_protocol_from_string(vlan_protocol_to_string((enum vlan_protocol) i)),
                                 i);
        for (unsigned i = 0; i < _FUNCTION_STATE_MAX; i++)
                assert_int_equal(
                                function_state_from_string(function_state_to_string((enum function_state) i)),
                                i);
        assert_int_equal(function_state_from_string("on"), _FUNCTION_STATE_MAX);
        assert_int_equal(link_state_from_string("up"), _LINK_STATE_MAX);
        assert_int_equal(vlan_protocol_from_string("802.1x"), _VLAN_PROTOCOL_MAX);
        assert_string_equal(attribute_name(ATTR_MAC), "mac");
        assert_string_equal(attribute_name(ATTR_LINK_STATE), "link_state");
        assert_string_equal(attribute_name(0x400), "unknown");
        for (uint32_t bit = 1; bit < ATTR_ALL; bit <<= 1)
                assert_int_equal(attribute_from_name(attribute_name(bit)), bit);
        assert_int_equal(attribute_from_name("mtu"), 0);
        assert_string_equal(ATTRIBUTES_STR(0), "");
        assert_string_equal(ATTRIBUTES_STR(ATTR_MAC | ATTR_TRUST), "mac, trust");
        assert_true(strlen(ATTRIBUTES_STR(ATTR_ALL)) < ATTRIBUTES_STR_MAX - 1);
}

/* How many event queues are none by nature, the card knows; a function is active by nature. */
static void test_of_ports(void **state) {
        const struct vf_attributes told = { .set = NET_PORT_ONLY,
                                            .max_io_eqs = 16,
                                            .function_state = FUNCTION_STATE_INACTIVE },
                                   none = { .set = NET_PORT_ONLY };
        struct vf_attributes all = attributes_overlay(&none, &told);

        assert_true(all.max_io_eqs == 16 && all.function_state == FUNCTION_STATE_INACTIVE);
        assert_int_equal(attributes_difference(&told, &none), NET_PORT_ONLY);
        assert_int_equal(attributes_difference(&told, &all), 0);
        assert_int_equal(attributes_harmless(&told), 0);
        assert_int_equal(attributes_harmless(&none), NET_PORT_ONLY);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_mac),
                cmocka_unit_test(test_unicast),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_of_ports),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
