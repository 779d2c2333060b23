/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a request wants of one pool, as people write it. */

#include "cli/want.h"
#include "common/macro.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

static struct pool_want parsed(const char *text) {
        struct pool_want w = { .count = 99 };
        char problem[WANT_PROBLEM_MAX] = "";

        assert_int_equal(want_parse(text, &w, problem), 0);
        assert_string_equal(problem, "");
        return w;
}

/* The text is refused, and the sentence says why. */
static void refused(const char *text, const char *why) {
        struct pool_want w = { .count = 99 };
        char problem[WANT_PROBLEM_MAX] = "";

        assert_int_equal(want_parse(text, &w, problem), -EINVAL);
        if (!strstr(problem, why))
                fail_msg("'%s': '%s' does not say '%s'", text, problem, why);
        assert_int_equal(w.count, 99); /* left alone */
}

static void test_counts(void **state) {
        struct pool_want w = parsed("net");

        assert_string_equal(w.pool, "net");
        assert_int_equal(w.count, 0);
        assert_int_equal(w.chosen.set, 0);
        w = parsed("net.10g_a-b:32");
        assert_string_equal(w.pool, "net.10g_a-b");
        assert_int_equal(w.count, 32);
        refused("net:0", "number of VFs");
        refused("net:33", "number of VFs");
        refused("net:", "number of VFs");
        refused("net:two", "number of VFs");
        refused("net:1:2", "number of VFs");
        refused("net:-1", "number of VFs");
        refused("net:18446744073709551617", "number of VFs");
}

static void test_names(void **state) {
        refused("", "no name");
        refused(":2", "no name");
        refused(",vlan=1", "no name");
        refused("net disk", "no name");
        refused("../net", "no name");
        refused("n\xc3\xa4t", "no name");
        refused("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "no name");
}

static void test_choices(void **state) {
        struct pool_want w = parsed("net:1,vlan=100,mac=02:52:44:00:00:01,min-tx=100,max-tx=1000");

        assert_int_equal(w.count, 1);
        assert_int_equal(w.chosen.set, ATTR_VLAN | ATTR_MAC | ATTR_MIN_TX | ATTR_MAX_TX);
        assert_int_equal(w.chosen.vlan, 100);
        assert_string_equal(MAC_STR(w.chosen.mac), "02:52:44:00:00:01");
        assert_int_equal(w.chosen.min_tx_mbps, 100);
        assert_int_equal(w.chosen.max_tx_mbps, 1000);
        assert_int_equal(parsed("net:2,vlan=0").chosen.set, ATTR_VLAN);
        assert_int_equal(parsed("net,vlan=4094").chosen.vlan, 4094);
        assert_int_equal(parsed("net,min-tx=5,max-tx=0").chosen.min_tx_mbps, 5); /* 0: no limit */
        assert_string_equal(MAC_STR(parsed("net,mac=02:AB:cd:00:00:01").chosen.mac), "02:ab:cd:00:00:01");
}

static void test_bad_choices(void **state) {
        refused("net,vlan=4095", "no VLAN");
        refused("net,vlan=", "no VLAN");
        refused("net,vlan=0x10", "no VLAN");
        refused("net,mac=02:52:44:00:00", "no MAC");
        refused("net,mac=01:52:44:00:00:01", "one interface");
        refused("net,mac=00:00:00:00:00:00", "one interface");
        refused("net,max-tx=1G", "no rate");
        refused("net,max-tx=4294967296", "no rate");
        refused("net,vlan", "KEY=VALUE");
        refused("net,", "KEY=VALUE");
        refused("net,vlan=1,", "KEY=VALUE");
        refused("net,=1", "only vlan, mac");
        refused("net,qos=1", "there is no 'qos'");
        refused("net,VLAN=1", "there is no 'VLAN'");
        refused("net,vlan=1,vlan=1", "twice");
}

static void test_together(void **state) {
        refused("net:2,mac=02:52:44:00:00:01", "one MAC");
        refused("net,min-tx=10,max-tx=9", "above the greatest");
        parsed("net,mac=02:52:44:00:00:01");
        parsed("net,min-tx=9,max-tx=9");
}

static void test_options(void **state) {
        struct pool_want w = parsed("net:2");
        char problem[WANT_PROBLEM_MAX] = "";

        assert_int_equal(want_set(&w, "vlan", "7", problem), 0);
        assert_int_equal(w.chosen.vlan, 7);
        assert_int_equal(want_set(&w, "vlan", "8", problem), -EINVAL);
        assert_int_equal(want_set(&w, "mac", "02:52:44:00:00:01", problem), 0);
        assert_int_equal(want_check(&w, problem), -EINVAL);
}

static void test_long(void **state) {
        char text[2048];

        memset(text, 'a', sizeof(text));
        memcpy(text, "net,", 4);
        text[sizeof(text) - 1] = '\0';
        refused(text, "too long");
        text[300] = '\0';
        refused(text, "KEY=VALUE");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_counts),   cmocka_unit_test(test_names),
                cmocka_unit_test(test_choices),  cmocka_unit_test(test_bad_choices),
                cmocka_unit_test(test_together), cmocka_unit_test(test_options),
                cmocka_unit_test(test_long),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
