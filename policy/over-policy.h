/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Leases that the policy of today would not give any more. Pure. */

#include "policy/world.h"

/* For each lease of world, in its order, REASON_NONE or why it would be refused now. Of more leases than a
 * quota allows, the youngest are over it. ret has world->n_leases entries. 0 or -ENOMEM. O(leases log
 * leases). */
int over_policy(const struct world *world, enum reason *ret);
