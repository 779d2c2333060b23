/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iommu/kmsg: records as read() gives them, and taking text apart. */

#include "common/macro.h"
#include "iommu/kmsg.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

static void parses_records(void **state) {
        struct kmsg_record k = { 0 };
        const char *whole =
                        "6,18446744073709551615,5140900,-,caller=C7,cycle=3;a\\x0ab\n SUBSYSTEM=pci\n DEVICE=+pci:10000:e1:00.0\n";

        assert_int_equal(kmsg_parse(whole, strlen(whole), &k), 0);
        assert_int_equal(k.level, 6);
        assert_int_equal(k.facility, 0);
        assert_int_equal(k.seq, UINT64_MAX);
        assert_int_equal(k.usec, 5140900);
        assert_false(k.continued);
        assert_true(k.has_caller);
        assert_int_equal(k.caller, 0x80000007);
        assert_int_equal(k.n, 6);
        assert_memory_equal(k.text, "a\\x0ab", 6);
        assert_true(k.has_device);
        assert_true(address_equal(k.device, (struct address){ 0x10000, 0xe1, 0, 0 }));

        const char *other = "30,1,2,c;x\n SUBSYSTEM=net\n DEVICE=n8\n";
        assert_int_equal(kmsg_parse(other, strlen(other), &k), 0);
        assert_int_equal(k.facility, 3);
        assert_true(k.continued);
        assert_false(k.has_caller);
        assert_int_equal(k.n_source, 2);
        assert_false(k.has_device);
}

static void refuses_records(void **state) {
        static const char *const table[] = {
                "",
                "\n",
                ";\n",
                "6,1,2,-;x",
                "6,1,2;x\n",
                "6,1,2,;x\n",
                "6,1,-;x\n",
                "<6>,1,2,-;x\n",
                "-6,1,2,-;x\n",
                "4294967296,1,2,-;x\n",
                "6,18446744073709551616,2,-;x\n",
                "6, 1,2,-;x\n",
                "6,1,2,-,caller=;x\n",
                "6,1,2,-,caller=X1;x\n",
                "6,1,2,-,caller=T1x;x\n",
                "6,1,2,-,caller=T2147483648;x\n",
                "6,1,2,-,caller=T1,caller=T2;x\n",
                "6,1,2,-,;x\n",
                "6,1,2,-;x\ty\n",
                "6,1,2,-;x\177\n",
                "6,1,2,-;x\303\244\n",
                "6,1,2,-;x\nDEVICE=n8\n",
                "6,1,2,-;x\n\n",
                "6,1,2,-;x\n DEVICE=n8",
                "6,1,2,-;x\n DEVICE=n8\n DEVICE=n8\n",
                "6,1,2,-;x\n6,2,2,-;y\n",
        };
        struct kmsg_record k = { .seq = 77 };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table))
                assert_int_equal(kmsg_parse(*i, strlen(*i), &k), -EBADMSG);
        assert_int_equal(k.seq, 77);
}

static struct cursor over(const char *text) {
        return (struct cursor){ text, text + strlen(text) };
}

static void takes_whole_numbers(void **state) {
        static const struct {
                const char *text;
                bool hex, good;
                uint64_t expected;
        } table[] = {
                { "0", false, true, 0 },
                { "18446744073709551615 x", false, true, UINT64_MAX },
                { "18446744073709551616", false, false, 0 },
                { "100000000000000000000", false, false, 0 },
                { "12a", false, false, 0 },
                { "", false, false, 0 },
                { "+1", false, false, 0 },
                { "0x1F", true, false, 0 },
                { "0x1f]", true, true, 0x1f },
                { "ffffffffffffffff", true, true, UINT64_MAX },
                { "0x0ffffffffffffffff", true, false, 0 },
                { "0x", true, false, 0 },
                { "0x0x1", true, false, 0 },
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct cursor c = over(i->text), before = c;
                uint64_t v = 77;

                assert_int_equal(i->hex ? take_hex(&c, &v) : take_decimal(&c, &v), i->good);
                if (i->good)
                        assert_int_equal(v, i->expected);
                else
                        assert_ptr_equal(c.p, before.p);
        }
}

static void takes_functions(void **state) {
        static const struct {
                const char *text;
                bool good, has_domain;
                struct address expected;
        } table[] = {
                { "03:1f.7", true, false, { 0, 3, 0x1f, 7 } },
                { "0x03:0x1f.7", true, false, { 0, 3, 0x1f, 7 } },
                { "abcd:03:1f.7]", true, true, { 0xabcd, 3, 0x1f, 7 } },
                { "10000:e1:00.0 ", true, true, { 0x10000, 0xe1, 0, 0 } },
                { "ABCD:03:1f.7", false, false, { 0 } },
                { "0x0000:03:00.0", false, false, { 0 } },
                { "03:20.0", false, false, { 0 } },
                { "03:00.8", false, false, { 0 } },
                { "03:00.00", false, false, { 0 } },
                { "003:00.0", false, false, { 0 } },
                { "0x03:00.0", false, false, { 0 } },
                { "03:0x00.0", false, false, { 0 } },
                { "123456789:03:00.0", false, false, { 0 } },
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct cursor c = over(i->text), d = c;
                struct address a;
                bool has_domain;

                assert_int_equal(take_function(&c, &has_domain, &a), i->good);
                if (i->good) {
                        assert_int_equal(has_domain, i->has_domain);
                        assert_true(address_equal(a, i->expected));
                } else
                        assert_ptr_equal(c.p, d.p);
                assert_int_equal(take_full_function(&d, &a), i->good && i->has_domain);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(parses_records),
                cmocka_unit_test(refuses_records),
                cmocka_unit_test(takes_whole_numbers),
                cmocka_unit_test(takes_functions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
