/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/nvme: shares of flexible resources, names. */

#include "common/nvme.h"
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

static void test_even_share(void **state) {
        static const struct {
                struct nvme_resources r;
                unsigned n_vfs, share;
        } cases[] = {
                { { .flexible = 16, .secondary_max = 16 }, 4, 4 },
                { { .flexible = 19, .secondary_max = 16 }, 4, 4 },
                { { .flexible = 16, .secondary_max = 3 }, 4, 3 },
                { { .flexible = 16, .secondary_max = 16 }, 0, 0 },
                { { .flexible = 16, .secondary_max = 16 }, 17, 0 },
                { { .flexible = 16, .secondary_max = 0 }, 4, 0 },
                { { .flexible = 16, .primary = 8, .secondary_max = 16 }, 4, 2 },
                { { .flexible = 16, .primary = 16, .secondary_max = 16 }, 1, 0 },
                { { .flexible = 16, .primary = 17, .secondary_max = 16 }, 1, 0 },
                { { .flexible = 100, .secondary_max = 100, .granularity = 8 }, 4, 24 },
                { { .flexible = 100, .secondary_max = 20, .granularity = 8 }, 4, 16 },
                { { .flexible = 32, .secondary_max = 100, .granularity = 8 }, 4, 8 },
                { { .flexible = 20, .secondary_max = 100, .granularity = 8 }, 4, 5 }, /* less than a step */
                { { .flexible = UINT32_MAX, .secondary_max = UINT16_MAX }, 1, UINT16_MAX },
                { { .flexible = UINT32_MAX, .secondary_max = UINT16_MAX }, UINT32_MAX, 1 },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_int_equal(nvme_even_share(&cases[i].r, cases[i].n_vfs), cases[i].share);
}

/* Whatever the numbers: what is given out is there, and no VF gets more than it may have. */
static void test_even_share_fits(void **state) {
        for (unsigned flexible = 0; flexible < 40; flexible++)
                for (unsigned primary = 0; primary < 40; primary += 3)
                        for (unsigned most = 0; most < 12; most++)
                                for (unsigned n = 1; n < 12; n++) {
                                        struct nvme_resources r = { .flexible = flexible,
                                                                    .primary = (uint16_t) primary,
                                                                    .secondary_max = (uint16_t) most,
                                                                    .granularity = (uint16_t) (n % 4) };
                                        unsigned share = nvme_even_share(&r, n);

                                        assert_true(share <= most);
                                        assert_true(share == 0 || share * n + primary <= flexible);
                                }
}

static void test_done(void **state) {
        struct nvme_state s = { .primary = { .n_secondaries = 2, .n_namespaces = 1, .n_attachments = 3 },
                                .secondaries = calloc(2, sizeof(*s.secondaries)),
                                .namespaces = calloc(1, sizeof(*s.namespaces)),
                                .attachments = calloc(3, sizeof(*s.attachments)) };
        static const struct nvme_state empty;

        nvme_state_done(&s);
        assert_memory_equal(&s, &empty, sizeof(s));
        nvme_state_done(&s);
}

static void test_names(void **state) {
        assert_string_equal(nvme_erase_to_string(NVME_ERASE_DELETE), "delete");
        assert_string_equal(nvme_erase_to_string(NVME_ERASE_FORMAT), "format");
        assert_string_equal(nvme_erase_to_string(NVME_ERASE_CRYPTO), "crypto");
        assert_string_equal(nvme_erase_to_string(_NVME_ERASE_MAX), "unknown");
        assert_string_equal(nvme_erase_to_string((enum nvme_erase) - 1), "unknown");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_even_share),
                cmocka_unit_test(test_even_share_fits),
                cmocka_unit_test(test_done),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
