/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What outlives the daemon, one small JSON file a fact, replaced as a whole: leases under /run/vfctld/leases
 * (no VM outlives a boot, so neither do they), quarantines under /var/lib/vfctld/quarantine. */

#include "daemon/lease.h"
#include "daemon/pf.h"

int store_lease(struct managed_lease *l);
void store_lease_remove(struct managed_lease *l);
/* Adopts every lease that is written down. A file that cannot be understood is logged, kept and otherwise
 * ignored. */
int store_load_leases(struct manager *m);

/* Reservations are kept over reboots. 0 or -errno. */
int store_reservation(struct manager *m, const struct lease *promise);
int store_reservation_remove(struct manager *m, const struct lease *promise);
int store_load_reservations(struct manager *m, int (*adopt)(struct manager *m, const struct lease *promise));

/* Whether a PF is drained (kept over reboots), and the VF count that it waits to get (over restarts). Failure
 * is logged: what is in memory holds. */
void store_drained(struct managed_pf *p);
void store_pending(struct managed_pf *p);
void store_load_pf(struct managed_pf *p);

/* The baseline of a VF's attributes, as long as the VF is there. */
void store_baseline(struct managed_vf *v);
void store_baseline_remove(struct managed_vf *v);
void store_load_baseline(struct managed_vf *v);

void store_quarantine(struct managed_vf *v, enum reason reason, const char *detail);
void store_unquarantine(struct managed_vf *v);
/* True if it is written down; *reason and detail say why. */
bool store_is_quarantined(struct manager *m, struct address a, enum reason *reason, char *detail,
                          size_t size);

/* Disks that VFs were given, kept over reboots. 0 or -errno. A record that cannot be understood is adopted as
 * one that is unreadable, with what the name of its file says. */
#define DISKS_DIR "var/lib/vfctld/disks"
struct disk;
int store_disk(struct manager *m, const struct disk *d);
int store_disk_remove(struct manager *m, const struct disk *d);
int store_load_disks(struct manager *m, int (*adopt)(struct manager *m, const struct disk *d));
