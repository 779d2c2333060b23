/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What outlives the daemon, one small JSON file a fact, replaced as a whole: leases under /run/vfctld/leases
 * (no VM outlives a boot, so neither do they), quarantines under /var/lib/vfctld/quarantine. */

#include "daemon/lease.h"

int store_lease(struct managed_lease *l);
void store_lease_remove(struct managed_lease *l);
/* Adopts every lease that is written down. A file that cannot be understood is logged, kept and otherwise
 * ignored. */
int store_load_leases(struct manager *m);

void store_quarantine(struct managed_vf *v, enum reason reason, const char *detail);
void store_unquarantine(struct managed_vf *v);
/* True if it is written down; *reason and detail say why. */
bool store_is_quarantined(struct manager *m, struct address a, enum reason *reason, char *detail,
                          size_t size);
