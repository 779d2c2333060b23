/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Making hardware and policy agree, and noticing what changes by itself. */

#include "daemon/pf.h"

int reconcile_init(struct manager *m);
void reconcile_done(struct manager *m);

/* In the next turn of the loop: compare with the policy and start what may be started without being asked. */
void reconcile_soon(struct manager *m);

/* Shortly: read the PFs again that are marked dirty, or all hardware if m->rescan_all. Coalesces floods of
 * events. */
void reconcile_rescan_soon(struct manager *m);
int reconcile_rescan_all(struct manager *m); /* now */

/* Shortly: try blocked VFs with v->retry again; after so many turns less often. */
#define RETRIES_SOON 20U
void reconcile_retry(struct manager *m);

/* A PF shows other facts now, such as a driver that was loaded after it was plugged in: a pool may want it.
 * None lets go of it: a driver that is away for a moment takes no VF from anybody; only another policy does.
 */
void reconcile_claim(struct manager *m, struct pf *pf);

/* A worker has said who a PF is, or could not: it shows its VFs, or is taken as a whole. It may be gone
 * afterwards. */
void reconcile_identified(struct managed_pf *p);

/* A PF has shown its VFs. After the last one, what was kept for VFs that did not come back is given up. */
void reconcile_looked(struct manager *m);

/* After a change of the policy: which pool claims which PF. */
void reconcile_assign_pools(struct manager *m);

void reconcile_remove_pf(struct manager *m, struct managed_pf *p);

/* An abandoned worker ended: what it was doing is over now, whatever came of it. */
void reconcile_worker_returned(const struct worker_op *op, void *manager);
