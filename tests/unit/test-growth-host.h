/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Hosts of many VFs, and the decisions that are made on them: for test-growth.c, which counts what they take,
 * and tests/bench/policy-bench.c, which takes the time. */

#include "policy/world.h"
#include "tests/unit/test-policy-host.h"

#define GROWTH_TENANTS 1000U

/* Of each four VFs one is leased, one is promised, one is not bound or not fenced yet, one is ready; 1,000
 * tenants. shared: all are ready, and each two share an IOMMU group. */
struct host growth_host(unsigned vfs, unsigned vfs_per_pf, bool shared);

struct decision {
        const char *name;
        bool shared;                         /* on a host of shared groups */
        void (*make)(const struct world *w); /* ends the program if the answer is another than it must be */
};

extern const struct decision decisions[];
extern const size_t n_decisions;
