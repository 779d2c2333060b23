/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cli/rates: what 'vfctl top' makes of counters. */

#include "cli/rates.h"
#include "common/macro.h"
#include "tests/unit/test.h"

#include <string.h>

static struct sample seen(const char *address, uint64_t usec, uint64_t rx_bytes) {
        struct sample s = { .address = address, .pf = "0000:01:00.0", .counted = true, .read = usec };

        s.counters.value[COUNTER_RX_BYTES] = rx_bytes;
        return s;
}

static void test_rate(void **state) {
        struct sample before[] = { seen("b", 1000000, 500), seen("a", 1000000, 100) };
        struct sample now[] = { seen("a", 3000000, 4100), seen("b", 1500000, 500), seen("c", 3000000, 9) };

        rates_update(now, 3, before, 2);
        assert_true(now[0].rated && now[1].rated);
        assert_int_equal(now[0].rate.value[COUNTER_RX_BYTES], 2000);
        assert_int_equal(now[1].rate.value[COUNTER_RX_BYTES], 0);
        assert_false(now[2].rated); /* was not there */
        rates_update(now, 3, NULL, 0);
}

static void test_backwards(void **state) {
        for (unsigned i = 0; i < _COUNTER_MAX; i++) {
                struct sample before = seen("a", 1000000, 1000), now = seen("a", 2000000, 5000);

                before.counters.value[i] = 6000;
                now.counters.value[i] = 5999;
                rates_update(&now, 1, &before, 1);
                assert_false(now.rated);
                for (unsigned k = 0; k < _COUNTER_MAX; k++)
                        assert_true(now.rate.value[k] <= 4000);
                struct sample next = now; /* and it goes on from there */
                next.read = 3000000;
                next.counters.value[i] += 10;
                rates_update(&next, 1, &now, 1);
                assert_true(next.rated);
                assert_int_equal(next.rate.value[i], 10);
        }
}

static void test_no_rate(void **state) {
        struct sample before = seen("a", 2000000, 1000), now = seen("a", 1000000, 2000);

        rates_update(&now, 1, &before, 1); /* the clock of another boot */
        assert_false(now.rated);
        now = seen("a", 3000000, 2000);
        now.counted = false;
        rates_update(&now, 1, &before, 1);
        assert_false(now.rated);
        now = seen("a", 3000000, 2000);
        before.counted = false;
        rates_update(&now, 1, &before, 1);
        assert_false(now.rated);
        before.counted = true;
        now.lease = "0123456789abcdef"; /* another owner */
        rates_update(&now, 1, &before, 1);
        assert_false(now.rated);
        before.lease = "0123456789abcdef";
        rates_update(&now, 1, &before, 1);
        assert_true(now.rated);
}

/* The daemon kept what it had read: nothing new is no standstill. */
static void test_read_once(void **state) {
        struct sample a = seen("a", 1000000, 0), b = seen("a", 2000000, 700), c = b;

        rates_update(&b, 1, &a, 1);
        rates_update(&c, 1, &b, 1);
        assert_true(c.rated);
        assert_int_equal(c.rate.value[COUNTER_RX_BYTES], 700);
}

static void test_great_numbers(void **state) {
        struct sample a = seen("a", 1, 0), b = seen("a", 2, UINT64_MAX);
        struct row rows[2];
        struct sample both[2];

        rates_update(&b, 1, &a, 1);
        assert_int_equal(b.rate.value[COUNTER_RX_BYTES], UINT64_MAX);
        both[0] = b;
        both[1] = b;
        assert_int_equal(rates_rows(both, 2, BY_PF, rows), 1);
        assert_int_equal(rows[0].rate.value[COUNTER_RX_BYTES], UINT64_MAX);
}

static struct sample rated(const char *address, const char *pf, const char *tenant, uint64_t rx, uint64_t tx,
                           uint64_t drops) {
        struct sample s = { .address = address, .pf = pf, .tenant = tenant, .rated = true };

        s.rate.value[COUNTER_RX_BYTES] = rx;
        s.rate.value[COUNTER_TX_BYTES] = tx;
        s.rate.value[COUNTER_RX_PACKETS] = 1000 - rx;
        s.rate.value[COUNTER_TX_DROPPED] = drops;
        return s;
}

static void require_order(const struct sample *samples, size_t n, enum row_sort sort, const char *order) {
        struct row rows[8];

        assert_int_equal(rates_rows(samples, n, BY_VF, rows), n);
        rates_sort(rows, n, sort);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(rows[i].name[0], order[i]);
}

static void test_order(void **state) {
        struct sample samples[] = {
                { .address = "e", .unknown = true }, rated("d", "p", "red", 10, 0, 5),
                rated("c", "p", "red", 300, 1, 5),   rated("b", "q", "blue", 20, 900, 7),
                rated("a", "q", NULL, 10, 0, 5),
        };

        require_order(samples, 5, SORT_TOTAL, "bcade");
        require_order(samples, 5, SORT_RX, "cbade");
        require_order(samples, 5, SORT_TX, "bcade");
        require_order(samples, 5, SORT_PACKETS, "adbce");
        require_order(samples, 5, SORT_DROPS, "bacde");
        require_order(samples, 5, SORT_NAME, "abcde");
}

static void test_rows(void **state) {
        struct sample samples[] = {
                rated("d", "p", "red", 10, 0, 5),
                rated("c", "p", "blue", 300, 1, 5),
                rated("b", "q", "red", 20, 900, 7),
                { .address = "a", .pf = "q", .tenant = "red", .unknown = true },
                rated("e", "q", NULL, 1, 1, 1),
                { .address = "f", .pf = "r", .tenant = "green", .unknown = true },
        };
        struct row rows[6];

        assert_int_equal(rates_rows(samples, 6, BY_TENANT, rows), 4);
        rates_sort(rows, 4, SORT_RX);
        assert_string_equal(rows[0].name, "blue");
        assert_string_equal(rows[1].name, "red");
        assert_int_equal(rows[1].n_vfs, 3);
        assert_int_equal(rows[1].n_unknown, 1);
        assert_int_equal(rows[1].rate.value[COUNTER_RX_BYTES], 30);
        assert_int_equal(rows[1].rate.value[COUNTER_TX_BYTES], 900);
        assert_null(rows[2].name);
        assert_null(rows[2].vf);
        assert_string_equal(rows[3].name, "green");
        assert_false(rows[3].rated);
        assert_int_equal(rates_rows(samples, 6, BY_PF, rows), 3);
        assert_int_equal(rates_rows(samples, 0, BY_PF, rows), 0);
}

static void test_names(void **state) {
        for (unsigned i = 0; i < _BY_MAX; i++)
                assert_int_equal(row_by_from_string(row_by_to_string((enum row_by) i)), i);
        for (unsigned i = 0; i < _SORT_MAX; i++)
                assert_int_equal(row_sort_from_string(row_sort_to_string((enum row_sort) i)), i);
        assert_int_equal(row_by_from_string("vm"), _BY_MAX);
        assert_int_equal(row_sort_from_string(""), _SORT_MAX);
}

static void test_format(void **state) {
        static const struct {
                uint64_t value;
                const char *text;
        } rows[] = {
                { 0, "0" },           { 999, "999" },     { 1000, "1.0k" },         { 1250, "1.2k" },
                { 999949, "999.9k" }, { 999950, "1.0M" }, { 25000000000, "25.0G" }, { UINT64_MAX, "18.4E" },
        };
        char buf[32];

        FOREACH_ARRAY(r, rows, ARRAY_SIZE(rows))
                assert_string_equal(format_rate(r->value, buf), r->text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rate),          cmocka_unit_test(test_backwards),
                cmocka_unit_test(test_no_rate),       cmocka_unit_test(test_read_once),
                cmocka_unit_test(test_great_numbers), cmocka_unit_test(test_order),
                cmocka_unit_test(test_rows),          cmocka_unit_test(test_names),
                cmocka_unit_test(test_format),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
