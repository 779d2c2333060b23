/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy/derived-mac: what it depends on, and that it spreads. */

#include "common/macro.h"
#include "common/text.h"
#include "policy/derived-mac.h"
#include "tests/unit/test.h"

#include <stdlib.h>

static const uint8_t host[HOST_ID_SIZE] = { 1, 2, 3 }, other_host[HOST_ID_SIZE] = { 1, 2, 4 };

static uint64_t of(const uint8_t *id, struct pf pf, unsigned index, uint32_t attempt) {
        const struct vf vf = { .pf = &pf, .index = index };

        return derived_mac(id, &vf, attempt);
}

static void test_depends(void **state) {
        const struct pf card = { .address = { 0, 1, 0, 0 }, .mac = mac_from_number(0x525400000010) },
                        moved = { .address = { 0, 9, 0, 1 }, .mac = card.mac },
                        second = { .address = card.address, .mac = mac_from_number(0x525400000011) };

        /* a change of the formula would change the addresses of every host */
        assert_int_equal(of(host, card, 0, 0), 0x86456944e3f7);
        assert_int_equal(of(host, card, 1, 0), 0x12d289adc712);
        assert_int_equal(of(host, card, 0, 0), of(host, moved, 0, 0));
        assert_int_not_equal(of(host, card, 0, 0), of(other_host, card, 0, 0));
        assert_int_not_equal(of(host, card, 0, 0), of(host, second, 0, 0));
        assert_int_not_equal(of(host, card, 0, 0), of(host, card, 1, 0));
        assert_int_not_equal(of(host, card, 0, 0), of(host, card, 0, 1));
}

static void test_cards_without_an_address(void **state) {
        struct pf one = { .address = { 0, 1, 0, 0 } }, two = { .address = { 0, 1, 0, 1 } },
                  moved = { .address = { 0, 7, 0, 0 } };

        assert_int_not_equal(of(host, one, 0, 0), of(host, two, 0, 0));
        assert_int_not_equal(of(host, one, 0, 0), of(host, moved, 0, 0));
        text_copy(one.serial, sizeof(one.serial), "A1");
        text_copy(two.serial, sizeof(two.serial), "A1");
        text_copy(moved.serial, sizeof(moved.serial), "A1");
        assert_int_not_equal(of(host, one, 0, 0), of(host, two, 0, 0)); /* two functions of one card */
        assert_int_equal(of(host, one, 0, 0), of(host, moved, 0, 0));
}

static int compare(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

/* 16 cards of 4,096 VFs: 46 bits, so a pair among them would be a chance of 1 in 30,000. */
static void test_spreads(void **state) {
        static uint64_t all[16 * 4096];
        size_t n = 0;

        for (unsigned c = 0; c < 16; c++)
                for (unsigned i = 0; i < 4096; i++) {
                        const struct pf pf = { .mac = mac_from_number(0x525400000000 + c) };

                        all[n] = of(host, pf, i, 0);
                        assert_int_equal(all[n] >> 40 & 3, 2);
                        assert_int_equal(all[n] >> 48, 0);
                        n++;
                }
        qsort(all, n, sizeof(*all), compare);
        for (size_t i = 1; i < n; i++)
                assert_int_not_equal(all[i], all[i - 1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_depends),
                cmocka_unit_test(test_cards_without_an_address),
                cmocka_unit_test(test_spreads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
