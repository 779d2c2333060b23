/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/address: strict parsing, the kernel's spelling, order, globs. */

#include "common/address.h"
#include "common/macro.h"
#include "tests/unit/test.h"

#include <errno.h>

static void parses(void **state) {
        static const struct {
                const char *text;
                struct address expected;
                const char *printed;
        } table[] = {
                { "0000:00:00.0", { 0, 0, 0, 0 }, "0000:00:00.0" },
                { "0000:3b:10.7", { 0, 0x3b, 0x10, 7 }, "0000:3b:10.7" },
                { "ABCD:EF:1F.1", { 0xabcd, 0xef, 0x1f, 1 }, "abcd:ef:1f.1" },
                { "10000:e1:00.0", { 0x10000, 0xe1, 0, 0 }, "10000:e1:00.0" },
                { "00010000:e1:00.0", { 0x10000, 0xe1, 0, 0 }, "10000:e1:00.0" },
                { "ffffffff:ff:1f.7", { 0xffffffff, 0xff, 0x1f, 7 }, "ffffffff:ff:1f.7" },
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct address a;

                assert_int_equal(address_parse(i->text, &a), 0);
                assert_true(address_equal(a, i->expected));
                assert_string_equal(ADDRESS_STR(a), i->printed);
        }
}

static void refuses(void **state) {
        static const char *const table[] = {
                "",
                "3b:00.0",
                "000:3b:00.0",
                "000000000:3b:00.0",
                "0000:3:00.0",
                "0000:03b:00.0",
                "0000:3b:0.0",
                "0000:3b:00",
                "0000:3b:00.",
                "0000:3b:20.0",
                "0000:3b:00.8",
                "0000:3b:00.00",
                "0000:3b:00.0 ",
                " 0000:3b:00.0",
                "0000-3b-00.0",
                "0000:3b:00:0",
                "0x00:3b:00.0",
                "0000:3g:00.0",
                "0000:3b:00.*",
        };
        struct address a = { 1, 2, 3, 4 };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table))
                assert_int_equal(address_parse(*i, &a), -EINVAL);
        assert_true(address_equal(a, (struct address){ 1, 2, 3, 4 }));
}

static void orders(void **state) {
        static const struct address sorted[] = {
                { 0, 0, 0, 0 },        { 0, 0, 0, 7 },       { 0, 0, 1, 0 },
                { 0, 0, 31, 7 },       { 0, 1, 0, 0 },       { 1, 0, 0, 0 },
                { 0xffff, 255, 0, 0 }, { 0x10000, 0, 0, 0 }, { 0xffffffff, 255, 31, 7 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(sorted); i++)
                for (size_t j = 0; j < ARRAY_SIZE(sorted); j++) {
                        int c = address_compare(sorted[i], sorted[j]);

                        assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
                        assert_int_equal(address_equal(sorted[i], sorted[j]), i == j);
                }
}

static void globs(void **state) {
        static const struct {
                const char *pattern;
                bool hit;
        } table[] = {
                { "0000:3b:02.1", true },
                { "0000:3b:*", true },
                { "0000:3B:02.?", true },
                { "*.1", true },
                { "*", true },
                { "0000:3b:02.*", true },
                { "0000:3b:03.*", false },
                { "0000:3b:02.1?", false },
                { "3b:02.1", false },
                { "", false },
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table))
                assert_int_equal(address_glob(i->pattern, (struct address){ 0, 0x3b, 2, 1 }), i->hit);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(parses),
                cmocka_unit_test(refuses),
                cmocka_unit_test(orders),
                cmocka_unit_test(globs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
