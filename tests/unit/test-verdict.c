/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The isolation verdict: every finding, and which one is named first. */

#include "common/macro.h"
#include "iommu/verdict.h"
#include "tests/unit/test.h"

#include <string.h>

static const struct vf isolated = { .group = 5, .group_devices = 1, .group_type = "DMA", .resettable = true };
static const struct iommu_host safe = { .group_nodes = true, .container = true };

static void test_isolated(void **state) {
        static const char *const good[] = { "DMA", "DMA-FQ", "blocked" };
        struct vf vf = isolated;

        for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
                strcpy(vf.group_type, good[i]);
                assert_int_equal(verdict_of(&vf, &safe), REASON_NONE);
        }
        vf.group = 0; /* a group like any other */
        assert_int_equal(verdict_of(&vf, &safe), REASON_NONE);
}

static void test_not_shown_is_not_isolated(void **state) {
        static const char *const bad[] = { "", "unknown", "unmanaged", "dma", "DMA " };
        struct vf vf = isolated;

        for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
                strcpy(vf.group_type, bad[i]);
                assert_int_equal(verdict_of(&vf, &safe), REASON_NOT_ISOLATED);
        }
}

/* Everything is wrong; mending one after the other must name them in this order. */
static void test_order(void **state) {
        struct vf vf = { .group = -1, .group_devices = 3, .group_type = "identity", .noiommu = true };
        struct iommu_host host = { .unsafe_interrupts = true };

        assert_int_equal(verdict_of(&vf, &host), REASON_NO_IOMMU);
        vf.group = 5;
        assert_int_equal(verdict_of(&vf, &host), REASON_NOIOMMU_GROUP);
        vf.noiommu = false;
        assert_int_equal(verdict_of(&vf, &host), REASON_SHARED_GROUP);
        vf.group_devices = 0;
        assert_int_equal(verdict_of(&vf, &host), REASON_SHARED_GROUP);
        vf.group_devices = 1;
        assert_int_equal(verdict_of(&vf, &host), REASON_IDENTITY_DOMAIN);
        strcpy(vf.group_type, "DMA-FQ");
        assert_int_equal(verdict_of(&vf, &host), REASON_UNSAFE_INTERRUPTS);
        host.unsafe_interrupts = false;
        assert_int_equal(verdict_of(&vf, &host), REASON_NO_RESET);
        vf.resettable = true;
        assert_int_equal(verdict_of(&vf, &host), REASON_NONE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_isolated),
                cmocka_unit_test(test_not_shown_is_not_isolated),
                cmocka_unit_test(test_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
