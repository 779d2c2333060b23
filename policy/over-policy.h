/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Leases and promises that the policy of today would not give any more. Pure. */

#include "policy/world.h"

/* For each lease and each promise of world, in its order, REASON_NONE or why it would be refused now. Of more
 * than a limit allows, the youngest are over it, and promises before leases. What is judged is what a lease
 * keeps: not the memory of the VM, and of its NUMA node only that there is one. Of a promise, which has told
 * nobody anything yet, only the MACs that it keeps.
 *
 * leases and promises have world->n_leases and world->n_promises entries. 0 or -ENOMEM. O(VFs log VFs). */
int over_policy(const struct world *world, enum reason *leases, enum reason *promises);
