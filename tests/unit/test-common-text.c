/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/text: numbers, sizes and names from untrusted text. */

#include "common/limits.h"
#include "common/macro.h"
#include "common/text.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

static void numbers(void **state) {
        static const struct {
                const char *text;
                int base, r;
                uint64_t value;
        } table[] = {
                { "0", 10, 0, 0 },
                { "42", 0, 0, 42 },
                { "010", 0, 0, 10 },
                { "0x1f", 0, 0, 31 },
                { "0X1F", 16, 0, 31 },
                { "8086", 16, 0, 0x8086 },
                { "18446744073709551615", 10, 0, UINT64_MAX },
                { "18446744073709551616", 10, -ERANGE, 0 },
                { "0x10000000000000000", 0, -ERANGE, 0 },
                { "", 10, -EINVAL, 0 },
                { "0x", 0, -EINVAL, 0 },
                { "0x0x1", 0, -EINVAL, 0 },
                { "-1", 10, -EINVAL, 0 },
                { "+1", 10, -EINVAL, 0 },
                { " 1", 10, -EINVAL, 0 },
                { "1 ", 10, -EINVAL, 0 },
                { "1a", 10, -EINVAL, 0 },
                { "a", 10, -EINVAL, 0 },
                { "0x1", 10, -EINVAL, 0 },
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                uint64_t v = 0;

                assert_int_equal(parse_u64(i->text, i->base, &v), i->r);
                assert_int_equal(v, i->value);
        }
}

static void sizes(void **state) {
        static const struct {
                const char *text;
                int r;
                uint64_t value;
        } table[] = {
                { "0", 0, 0 },
                { "8388608", 0, 8388608 },
                { "4096B", 0, 4096 },
                { "64K", 0, 65536 },
                { "64k", 0, 65536 },
                { "1M", 0, 1ULL << 20 },
                { "4G", 0, 4ULL << 30 },
                { "4GB", 0, 4ULL << 30 },
                { "4GiB", 0, 4ULL << 30 },
                { "2T", 0, 2ULL << 40 },
                { "1P", 0, 1ULL << 50 },
                { "16383P", 0, 16383ULL << 50 },
                { "16384P", -ERANGE, 0 },
                { "99999999999999999999", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { "G", -EINVAL, 0 },
                { "-4G", -EINVAL, 0 },
                { "1.5G", -EINVAL, 0 },
                { "4 G", -EINVAL, 0 },
                { "4X", -EINVAL, 0 },
                { "4iB", -EINVAL, 0 },
                { "4GG", -EINVAL, 0 },
                { "4GiBs", -EINVAL, 0 },
                { "000000000000000000000000000001", -EINVAL, 0 },
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                uint64_t v = 0;

                assert_int_equal(parse_size(i->text, &v), i->r);
                if (i->r == 0)
                        assert_int_equal(v, i->value);
        }
}

static void prints_sizes(void **state) {
        assert_string_equal(SIZE_STR(0), "0");
        assert_string_equal(SIZE_STR(1023), "1023");
        assert_string_equal(SIZE_STR(1024), "1K");
        assert_string_equal(SIZE_STR(1536), "1.5K");
        assert_string_equal(SIZE_STR(4ULL << 30), "4G");
        assert_string_equal(SIZE_STR((4ULL << 30) - 1), "3.9G");
        assert_string_equal(SIZE_STR(UINT64_MAX), "16383.9P");
}

static void names(void **state) {
        char longest[NAME_MAX_LEN + 2];

        memset(longest, 'a', sizeof(longest));
        longest[NAME_MAX_LEN] = '\0';
        assert_true(name_is_valid(longest));
        longest[NAME_MAX_LEN] = 'a';
        longest[NAME_MAX_LEN + 1] = '\0';
        assert_false(name_is_valid(longest));

        assert_true(name_is_valid("a"));
        assert_true(name_is_valid("9-red_ops.x"));
        static const char *const bad[] = { "",    ".",   "..",  "-a",       "_a", "a b",
                                           "a/b", "a\n", "a:b", "\303\251", "a\"" };
        FOREACH_ARRAY(i, bad, ARRAY_SIZE(bad))
                assert_false(name_is_valid(*i));
}

static void copies(void **state) {
        char buf[4];

        assert_true(text_copy(buf, sizeof(buf), "abc"));
        assert_string_equal(buf, "abc");
        assert_false(text_copy(buf, sizeof(buf), "wxyz"));
        assert_string_equal(buf, "wxy");
        assert_true(text_copy(buf, sizeof(buf), ""));
        assert_string_equal(buf, "");
}

static void appends(void **state) {
        _cleanup_free_ char *s = NULL;

        assert_int_equal(text_append(&s, "%d", 1), 0);
        assert_int_equal(text_append(&s, ", %s", "two"), 0);
        assert_int_equal(text_append(&s, "%s", ""), 0);
        assert_string_equal(s, "1, two");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers), cmocka_unit_test(sizes),  cmocka_unit_test(prints_sizes),
                cmocka_unit_test(names),   cmocka_unit_test(copies), cmocka_unit_test(appends),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
