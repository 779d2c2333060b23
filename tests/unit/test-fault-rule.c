/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many faults are too many: the window against a count of all of them. */

#include "common/macro.h"
#include "policy/fault-rule.h"
#include "test.h"

#include <string.h>

#define SECOND 1000000ULL

static const struct fault_rule three_in_ten = { 3, 10, FAULT_ACTION_QUARANTINE };

static void test_counts(void **state) {
        struct fault_window w = { 0 };

        assert_int_equal(fault_window_add(&w, &three_in_ten, 100 * SECOND), 1);
        assert_int_equal(fault_window_add(&w, &three_in_ten, 100 * SECOND), 2);
        assert_int_equal(fault_window_add(&w, &three_in_ten, 105 * SECOND), 3);
        assert_int_equal(fault_window_add(&w, &three_in_ten, 111 * SECOND),
                         2); /* the first two are too old */
        assert_int_equal(fault_window_add(&w, &three_in_ten, 1000 * SECOND), 1);
        assert_int_equal(fault_window_add(&w, &three_in_ten, 999 * SECOND),
                         2); /* a clock that is not quite steady */
        assert_true(fault_rule_hit(&three_in_ten, 3));
        assert_false(fault_rule_hit(&three_in_ten, 2));
        assert_false(fault_rule_hit(&(const struct fault_rule){ 0 }, UINT32_MAX));
}

static void test_another_rule_starts_anew(void **state) {
        struct fault_rule other = { 3, 20, FAULT_ACTION_LOG };
        struct fault_window w = { 0 };

        fault_window_add(&w, &three_in_ten, SECOND);
        fault_window_add(&w, &three_in_ten, SECOND);
        assert_int_equal(fault_window_add(&w, &other, SECOND), 1);
}

static void test_many(void **state) {
        struct fault_rule rule = { INT32_MAX, INT32_MAX, FAULT_ACTION_LOG };
        struct fault_window w = { 0 };
        uint32_t n = 0;

        for (unsigned i = 0; i < 1000000; i++)
                n = fault_window_add(&w, &rule, i);
        assert_int_equal(n, 1000000);
        memset(w.counts, 0xff, sizeof(w.counts)); /* as if it had counted for years */
        n = fault_window_add(&w, &(struct fault_rule){ 1, 0, FAULT_ACTION_LOG }, UINT64_MAX);
        assert_int_equal(n, 1);
}

/* Never more than happened within the rule's time, never fewer than within 15/16 of it. */
static void test_against_the_truth(void **state) {
        static uint64_t when[4000];
        struct fault_window w = { 0 };
        uint64_t now = 5 * SECOND, seed = 7;

        for (size_t n = 0; n < ARRAY_SIZE(when); n++) {
                size_t most = 0, least = 0;

                seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
                now += (seed >> 33) % (seed & 64 ? 9 * SECOND : SECOND / 2);
                when[n] = now;
                for (size_t i = 0; i <= n; i++) {
                        most += now - when[i] < 10 * SECOND;
                        least += now - when[i] <= 10 * SECOND * 15 / 16 - SECOND * 10 / 16;
                }
                uint32_t count = fault_window_add(&w, &three_in_ten, now);
                if (count > most || count < least)
                        fail_msg("%zu: %u, not %zu to %zu", n, count, least, most);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_counts),
                cmocka_unit_test(test_another_rule_starts_anew),
                cmocka_unit_test(test_many),
                cmocka_unit_test(test_against_the_truth),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
