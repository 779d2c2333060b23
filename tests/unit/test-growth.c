/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much more is to be done for eight times as many VFs: counted, not timed. policy/ is compiled once more
 * for this, so that it calls the counter in every basic block. */

#include "tests/unit/test-growth-host.h"
#include "tests/unit/test.h"

void __sanitizer_cov_trace_pc(void);

static uint64_t work;

void __sanitizer_cov_trace_pc(void) {
        work++;
}

/* Sorting grows by the logarithm: 12 times from 64 to 512. What looks at every VF for every VF grows by 64.
 */
#define MOST 16U

static void require_growth(const struct decision *d, unsigned vfs_per_pf) {
        uint64_t before = 0;

        for (unsigned vfs = 64; vfs <= 4096; vfs *= 8) {
                struct host h = growth_host(vfs, vfs_per_pf ? vfs_per_pf : vfs / 16, d->shared);
                const struct world w = host_world(&h);

                work = 0;
                d->make(&w);
                printf("%-18s %5u VFs on %3zu PFs %9llu blocks, %5.1f a VF\n", d->name, vfs,
                       h.inventory.n_pfs, (unsigned long long) work, (double) work / vfs);
                assert_true(work > vfs / 2); /* it is counted at all */
                assert_true(before == 0 || work < MOST * before);
                before = work;
                host_done(&h);
        }
}

static void grows_with_vfs(void **state) {
        for (size_t i = 0; i < n_decisions; i++)
                require_growth(&decisions[i], 0);
}

static void grows_with_pfs(void **state) {
        for (size_t i = 0; i < n_decisions; i++)
                require_growth(&decisions[i], 16);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(grows_with_vfs),
                cmocka_unit_test(grows_with_pfs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
