/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the decisions of policy/ grow with the number of VFs: 64, 512, 4,096 on 16 PFs, and 1,000 tenants.
 * Prints microseconds, and how many times the work per VF is that of the smallest host: about 1 is linear.
 * tests/unit/test-growth.c holds them to that without a clock. */

#include "tests/unit/test-growth-host.h"

#include <stdio.h>
#include <time.h>

#define PFS     16U
#define REPEATS 5U
#define ROUNDS  40U

static double now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

/* Microseconds of one decision, the best of some repeats. */
static double take_time(const struct decision *d, const struct world *w) {
        double best = 0;

        for (unsigned i = 0; i < REPEATS; i++) {
                double begun = now();

                for (unsigned k = 0; k < ROUNDS; k++)
                        d->make(w);
                double t = (now() - begun) / ROUNDS;
                best = i == 0 || t < best ? t : best;
        }
        return best;
}

int main(void) {
        for (size_t i = 0; i < n_decisions; i++) {
                double first = 0;

                for (unsigned vfs = 64; vfs <= 4096; vfs *= 8) {
                        struct host h = growth_host(vfs, vfs / PFS, decisions[i].shared);
                        const struct world w = host_world(&h);
                        double t = take_time(&decisions[i], &w);

                        first = vfs == 64 ? t / vfs : first;
                        printf("%-18s %5u VFs %10.1f us %6.2f times the work per VF\n", decisions[i].name,
                               vfs, t, t / vfs / first);
                        host_done(&h);
                }
        }
        return 0;
}
