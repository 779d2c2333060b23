/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy/: which PFs a pool has, and how many VFs it wants of them. */

#include "tests/unit/test-policy-host.h"
#include "tests/unit/test.h"

#include <string.h>

static int pool_of(const struct policy *p, const struct pf *pf) {
        size_t one = 99, two = 99;
        int pool = policy_pool_of(p, pf, &one, &two);

        assert_true((pool == POOL_TWO) == (two != 99));
        return pool;
}

static const struct {
        const char *class, *selector;
        bool selected;
} selectors[] = {
        { "", "{\"driver\":\"igb\"}", true },
        { "", "{\"driver\":\"ig\"}", false },
        { "", "{\"netdev\":\"eno1\"}", true },
        { "", "{\"netdev\":\"eno\"}", false },
        { "", "{\"address\":\"0000:3b:00.0\"}", true },
        { "", "{\"address\":\"0000:3B:00.0\"}", true },
        { "", "{\"address\":\"0000:3b:00.?\"}", true },
        { "", "{\"address\":\"*\"}", true },
        { "", "{\"address\":\"0000:3b:*.1\"}", false },
        { "", "{\"vendor\":\"8086\"}", true },
        { "", "{\"vendor\":\"0x8086\",\"device\":\"10c9\"}", true },
        { "", "{\"vendor\":\"8086\",\"device\":\"10ca\"}", false },
        { "", "{\"device\":\"0\"}", false },
        { "", "{\"numa_node\":1}", true },
        { "", "{\"numa_node\":-1}", false },
        { "", "{\"driver\":\"igb\",\"numa_node\":0}", false },
        { "", "{\"subsystem_vendor\":\"103c\"}", true },
        { "", "{\"subsystem_vendor\":\"103d\"}", false },
        { "", "{\"subsystem_device\":\"0x1\"}", true },
        { "", "{\"subsystem_device\":\"2\"}", false },
        { "", "{\"slot\":\"3-1\"}", true },
        { "", "{\"slot\":\"3\"}", false },
        { "", "{\"serial\":\"SN 7\"}", true },
        { "", "{\"serial\":\"sn 7\"}", false },
        { "", "{\"serial\":\"00-1B-21-FF-FF-64-8C-12\"}", true },
        { "", "{\"serial\":\"00-1b\"}", false },
        { "", "{\"mac\":\"F4:52:14:00:00:01\"}", true },
        { "", "{\"mac\":\"f4:52:14:00:00:02\"}", false },
        { "", "{\"slot\":\"3-1\",\"mac\":\"f4:52:14:00:00:02\"}", false },
        { "", "{\"driver\":\"no\"},{\"driver\":\"igb\"}", true },
        { "\"class\":\"network\",", "{\"driver\":\"igb\"}", true },
        { "\"class\":\"storage\",", "{\"driver\":\"igb\"}", false },
};

static void selects(void **state) {
        struct pf pf = { .address = { 0, 0x3b, 0, 0 },
                         .driver = "igb",
                         .netdev = "eno1",
                         .vendor = 0x8086,
                         .device = 0x10c9,
                         .subsystem_vendor = 0x103c,
                         .subsystem_device = 1,
                         .class = 0x020000,
                         .slot = "3-1",
                         .identified = true,
                         .serial = "SN 7",
                         .dsn = "00-1b-21-ff-ff-64-8c-12",
                         .mac = { { 0xf4, 0x52, 0x14, 0, 0, 1 } },
                         .total_vfs = 7,
                         .numa_node = 1 };

        FOREACH_ARRAY(i, selectors, ARRAY_SIZE(selectors)) {
                char text[512];

                snprintf(text, sizeof(text),
                         "{\"version\":1,\"pools\":{\"p\":{%s\"vfs\":1,\"functions\":[%s]}}}", i->class,
                         i->selector);
                _cleanup_(policy_freep) struct policy *p = policy_of(text);
                if (pool_of(p, &pf) != (i->selected ? 0 : -1))
                        fail_msg("%s", text);
        }
}

static void selects_by_class(void **state) {
        static const struct {
                uint32_t class;
                int pool;
        } table[] = {
                { 0x020000, 0 }, { 0x028000, 0 }, { 0x02ffff, 0 }, { 0x010802, 1 },
                { 0x010800, 1 }, { 0x010700, 2 }, { 0x120000, 2 }, { 0x030000, 2 },
        };
        _cleanup_(policy_freep) struct policy *p = policy_of(
                        "{\"version\":1,\"pools\":{"
                        "\"n\":{\"class\":\"network\",\"vfs\":1,\"functions\":[{\"address\":\"*\"}]},"
                        "\"s\":{\"class\":\"storage\",\"vfs\":1,\"functions\":[{\"address\":\"*\"}]},"
                        "\"any\":{\"vfs\":1,\"functions\":[{\"address\":\"*\"}]},"
                        "\"never\":{\"vfs\":1,\"functions\":[{\"address\":\"*\"}]}}}");

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct pf pf = { .class = i->class, .total_vfs = 1 };

                assert_int_equal(pool_of(p, &pf), i->pool);
        }
}

/* What only a worker can read agrees with nothing before it was read. */
static void waits_for_identity(void **state) {
        _cleanup_(policy_freep) struct policy *mac = policy_of(
                        "{\"version\":1,\"pools\":{\"p\":{\"vfs\":1,\"functions\":[{\"mac\":\"f4:52:14:00:00:01\"}]}}}");
        _cleanup_(policy_freep) struct policy *serial = policy_of(
                        "{\"version\":1,\"pools\":{\"p\":{\"vfs\":1,\"functions\":[{\"driver\":\"x\"},{\"serial\":\"7\"}]}}}");
        _cleanup_(policy_freep) struct policy *none = policy_of(
                        "{\"version\":1,\"pools\":{\"p\":{\"vfs\":1,\"functions\":[{\"slot\":\"7\",\"address\":\"*\"}]}}}");
        struct pf pf = { .mac = { { 0xf4, 0x52, 0x14, 0, 0, 1 } }, .serial = "7", .total_vfs = 1 };

        assert_true(policy_needs_identity(mac));
        assert_true(policy_needs_identity(serial));
        assert_false(policy_needs_identity(none));
        assert_int_equal(pool_of(mac, &pf), -1);
        assert_int_equal(pool_of(serial, &pf), -1);
        pf.identified = true;
        assert_int_equal(pool_of(mac, &pf), 0);
        assert_int_equal(pool_of(serial, &pf), 0);
}

/* A PF is handed out in VFs or as a whole, never both. */
static void tells_functions_from_vfs(void **state) {
        static const struct {
                unsigned total_vfs, num_vfs;
                bool whole;
                int pool;
        } table[] = {
                { 7, 0, false, 1 }, { 7, 3, false, 1 }, { 0, 0, false, 0 },
                { 0, 0, true, 0 },  { 7, 0, true, 0 },  { 7, 3, true, -1 },
        };
        _cleanup_(policy_freep) struct policy *p =
                        policy_of("{\"version\":1,\"pools\":{"
                                  "\"f\":{\"assign\":\"function\",\"functions\":[{\"address\":\"*\"}]},"
                                  "\"v\":{\"vfs\":\"max\",\"functions\":[{\"address\":\"*\"}]}}}");

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct pf pf = { .total_vfs = i->total_vfs, .num_vfs = i->num_vfs, .whole = i->whole };

                assert_int_equal(pool_of(p, &pf), i->pool);
        }
        assert_int_equal(pool_vf_count(&p->pools[0], 7), 0);
}

/* A function that two pools name each in its own way belongs to none. Globs give way by order alone. */
static void takes_no_side(void **state) {
        static const struct {
                const char *a, *b, *c;
                int pool;
                size_t one, two;
        } table[] = {
                { "\"address\":\"0000:3b:00.0\"", "\"slot\":\"3\"", "\"driver\":\"igb\"", POOL_TWO, 0, 1 },
                { "\"driver\":\"igb\"", "\"slot\":\"3\"", "\"serial\":\"7\"", POOL_TWO, 1, 2 },
                { "\"mac\":\"f4:52:14:00:00:01\"", "\"driver\":\"igb\"", "\"serial\":\"7\"", POOL_TWO, 0, 2 },
                { "\"driver\":\"igb\"", "\"address\":\"*\"", "\"address\":\"0000:3b:00.0\"", 0, 0, 0 },
                { "\"address\":\"0000:3b:00.?\"", "\"netdev\":\"eno2\"", "\"slot\":\"3\"", 0, 0, 0 },
                { "\"address\":\"0000:3b:00.?\"", "\"netdev\":\"eno1\"", "\"slot\":\"3\"", POOL_TWO, 1, 2 },
                { "\"netdev\":\"eno1\"", "\"address\":\"*\"", "\"driver\":\"igb\"", 0, 0, 0 },
                { "\"slot\":\"4\"", "\"slot\":\"3\",\"driver\":\"ice\"", "\"serial\":\"7\"", 2, 0, 0 },
                { "\"slot\":\"4\"", "\"driver\":\"ice\"", "\"serial\":\"8\"", -1, 0, 0 },
        };
        struct pf pf = { .address = { 0, 0x3b, 0, 0 },
                         .driver = "igb",
                         .netdev = "eno1",
                         .slot = "3",
                         .identified = true,
                         .serial = "7",
                         .mac = { { 0xf4, 0x52, 0x14, 0, 0, 1 } },
                         .total_vfs = 7 };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                char text[512];
                size_t one = 0, two = 0;

                snprintf(text, sizeof(text),
                         "{\"version\":1,\"pools\":{\"a\":{\"vfs\":1,\"functions\":[{%s}]},"
                         "\"b\":{\"vfs\":1,\"functions\":[{%s}]},\"c\":{\"vfs\":1,\"functions\":[{\"device\":\"1\"},{%s}]}}}",
                         i->a, i->b, i->c);
                _cleanup_(policy_freep) struct policy *p = policy_of(text);
                assert_int_equal(policy_pool_of(p, &pf, &one, &two), i->pool);
                assert_int_equal(one, i->one);
                assert_int_equal(two, i->two);
        }
}

static void counts_vfs(void **state) {
        static const struct {
                const char *vfs;
                unsigned total, count;
        } table[] = {
                { "8", 7, 7 },
                { "8", 8, 8 },
                { "8", 64, 8 },
                { "8", 0, 0 },
                { "\"max\"", 64, 64 },
                { "\"max\"", 0, 0 },
                { "\"50%\"", 7, 3 },
                { "\"50%\"", 64, 32 },
                { "\"1%\"", 7, 1 },
                { "\"1%\"", 0, 0 },
                { "\"99%\"", 1, 1 },
                { "\"100%\"", 65535, 65535 },
                { "\"99%\"", 65535, 64879 },
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                char text[256];

                snprintf(text, sizeof(text),
                         "{\"version\":1,\"pools\":{\"p\":{\"vfs\":%s,\"functions\":[{\"address\":\"*\"}]}}}",
                         i->vfs);
                _cleanup_(policy_freep) struct policy *p = policy_of(text);
                assert_int_equal(pool_vf_count(&p->pools[0], i->total), i->count);
        }
}

static void parses_the_rest(void **state) {
        _cleanup_(policy_freep) struct policy *p = policy_of(
                        "{\"version\":1,\"pools\":{\"p\":{\"vfs\":\"25%\",\"functions\":[{\"slot\":\"3-1\",\"serial\":\"7\","
                        "\"mac\":\"F4:52:14:00:00:01\",\"subsystem_vendor\":\"103C\",\"subsystem_device\":\"1\"}],"
                        "\"placement\":\"least-loaded\",\"numa\":\"require\",\"anti_affinity\":true,\"assign\":\"vf\","
                        "\"msix\":2048,\"driver\":\"mlx5_vfio_pci\",\"max_io_eqs\":2048}}}");
        const struct pool *pool = &p->pools[0];

        assert_int_equal(pool->class, POOL_CLASS_ANY);
        assert_int_equal(pool->vfs.kind, COUNT_PERCENT);
        assert_int_equal(pool->vfs.n, 25);
        assert_int_equal(pool->placement, PLACEMENT_LEAST_LOADED);
        assert_int_equal(pool->numa, NUMA_REQUIRE);
        assert_true(pool->apart);
        assert_int_equal(pool->assign, ASSIGN_VF);
        assert_int_equal(pool->msix, 2048);
        assert_int_equal(pool->max_io_eqs, 2048);
        assert_string_equal(pool->driver, "mlx5_vfio_pci");
        assert_string_equal(pool->functions[0].slot, "3-1");
        assert_string_equal(pool->functions[0].serial, "7");
        assert_true(pool->functions[0].has_mac);
        assert_true(mac_to_number(pool->functions[0].mac) == 0xf45214000001ULL);
        assert_int_equal(pool->functions[0].subsystem_vendor, 0x103c);
        assert_int_equal(pool->functions[0].subsystem_device, 1);
}

static void names_words(void **state) {
        assert_string_equal(pool_class_to_string(POOL_CLASS_ANY), "any");
        assert_string_equal(pool_class_to_string(POOL_CLASS_NETWORK), "network");
        assert_string_equal(pool_class_to_string(POOL_CLASS_STORAGE), "storage");
        assert_string_equal(pool_class_to_string(_POOL_CLASS_MAX), "unknown");
        assert_string_equal(placement_to_string(PLACEMENT_PACK), "pack");
        assert_string_equal(placement_to_string(PLACEMENT_SPREAD), "spread");
        assert_string_equal(placement_to_string(PLACEMENT_LEAST_LOADED), "least-loaded");
        assert_string_equal(placement_to_string(_PLACEMENT_MAX), "unknown");
        assert_string_equal(assign_to_string(ASSIGN_VF), "vf");
        assert_string_equal(assign_to_string(ASSIGN_FUNCTION), "function");
        assert_string_equal(assign_to_string(_ASSIGN_MAX), "unknown");
        assert_string_equal(numa_rule_to_string(NUMA_PREFER), "prefer");
        assert_string_equal(numa_rule_to_string(NUMA_REQUIRE), "require");
        assert_string_equal(numa_rule_to_string(_NUMA_RULE_MAX), "unknown");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(selects),
                cmocka_unit_test(selects_by_class),
                cmocka_unit_test(waits_for_identity),
                cmocka_unit_test(tells_functions_from_vfs),
                cmocka_unit_test(takes_no_side),
                cmocka_unit_test(counts_vfs),
                cmocka_unit_test(parses_the_rest),
                cmocka_unit_test(names_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
