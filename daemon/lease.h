/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Leases: who has which VFs, for how long. Written down before anything is handed over. */

#include "daemon/vf.h"

struct acquisition;

struct managed_lease {
        struct lease lease; /* first */
        struct manager *manager;
        enum reason over; /* why the policy of today would refuse it, REASON_NONE: it would not */
        bool granted;     /* its owner was told; a lease found without it at start is taken back */
        int pidfd;        /* of lease.pid, -1 if kept */
        sd_event_source *owner_ended;
        struct acquisition *acquisition; /* while it is being handed over */
};

static inline struct managed_lease *managed_lease(const struct lease *l) {
        return (struct managed_lease *) l;
}

struct lease *lease_find(struct manager *m, const char *id);
/* The lease that holds a VF, NULL if none does. O(log n), unlike lease_find(). */
struct lease *lease_of_vf(const struct managed_vf *v);
struct lease *lease_of_address(struct manager *m, struct address a);

/* A new lease with a random id, registered and written down. The pidfd is taken. -errno: nothing happened. */
int lease_new(struct manager *m, const struct lease *facts, int pidfd_taken, struct managed_lease **ret);
/* One that was found in a file: its owner is looked up; if it is gone or was never told, the lease is ending.
 */
int lease_adopt(struct manager *m, const struct lease *facts, bool granted);
void lease_adopt_vf(struct manager *m, struct lease *l, struct managed_vf *v);
/* After the first scan: leases whose VFs do not exist any more. */
void lease_drop_vanished(struct manager *m);

/* The VFs, pools and attributes of a choice into a lease that has none yet. */
void lease_set_vfs(struct lease *l, const struct request *r, const struct allocation *choice);

int lease_granted(struct managed_lease *l); /* its owner is about to be told */

/* Takes all of its VFs back. Idempotent. */
void lease_end(struct manager *m, struct lease *l, const char *why);

/* From vf_enter(): a VF of a lease changed its state; when the last one is back, the lease is over. */
void lease_vf_moved(struct manager *m, struct managed_vf *v, enum vf_state old);

/* The acquisition is done with it: over if nothing is left of it. */
void lease_settle(struct managed_lease *l);

/* lease-time.c: leases end when their time is up, and can be given more of it. */
void lease_times_changed(struct manager *m);
/* REASON_NONE, or why not. */
enum reason lease_renew(struct manager *m, struct lease *l);
void lease_times_stop(struct manager *m);

/* After a change of policy or pools: which leases and reservations it would not give any more. Logged when it
 * changes. */
void leases_judge(struct manager *m);

void leases_free(struct manager *m);
