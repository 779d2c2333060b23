/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One PF as the daemon keeps it: merging what a scan found, and the steps that change its VF count. */

#include "common/nvme.h"
#include "daemon/vf.h"
#include "sriov/aer.h"

struct apply;

struct managed_pf {
        struct pf pf; /* first: the inventory points here */
        struct manager *manager;
        bool busy;    /* a step of it is under way */
        bool gone;    /* vanished while busy */
        bool refused; /* a step failed: nothing more is tried until something changes */
        bool retry;   /* a worker failed, not the PF: the retry timer tries again */
        struct aer_counts aer;
        bool aer_seen;
        unsigned retries;          /* turns of that timer so far */
        struct managed_pf *orphan; /* next of manager->pf_orphans, once gone */
        bool dirty;                /* an event named it */
        bool fresh;                /* the VFs that appear now were enabled by us */
        enum step_kind step;       /* the step under way */
        unsigned target;           /* its VF count */
        char detail[160];
        char drain_reason[128];
        bool reidentify;      /* a worker failed at that: the retry timer asks again */
        bool drift_due;       /* see drift.c */
        unsigned drift_looks; /* in vain, one after another */
        unsigned n_told;      /* change sets that were sent */
        bool eswitch_asking, eswitch_due, eswitch_failed; /* see eswitch.c */
        struct told_set *telling;                         /* the change set under way, see told.c */
        bool step_waits;                                  /* for the end of that */
        struct nvme_state nvme;                           /* see nvme.h; nothing before nvme_known */
        bool nvme_known, nvme_asking;
        bool nvme_stale;    /* something was done to it since it was asked */
        bool nvme_news;     /* what was said to somebody else matters to its VFs, which do not know it yet */
        bool nvme_short;    /* a VF waits for resources that others have */
        bool nvme_failed;   /* it was asked and did not answer; until something changes */
        uint64_t nvme_read; /* usec, monotonic: when it answered */
        char nvme_detail[160];
        uint64_t nvme_asked; /* usec, monotonic: when nvme.c asked last */
        struct disk *disks;  /* of VFs that it does not have, or that did not look yet */
        bool identifying;    /* its VFs are not looked at before the policy can tell whose it is */
};

static inline struct managed_pf *managed_pf(const struct pf *pf) {
        return (struct managed_pf *) pf;
}

/* Takes over what a scan found: VFs that are new, changed or gone. `scanned` is consumed. */
void pf_merge(struct managed_pf *p, struct pf *scanned);
struct managed_pf *managed_pf_new(struct manager *m, const struct pf *facts);
/* Its VFs are lost and it leaves the memory; the caller takes it out of the inventory. */
void managed_pf_lost(struct managed_pf *p);
void managed_pf_free_orphan(struct managed_pf *p);
/* It is gone, and one of its operations ended: was it the last? */
void managed_pf_unused(struct managed_pf *p);

/* Reads one PF and its VFs again: now, or with others shortly. -ENODEV: gone from the inventory. */
int pf_rescan(struct managed_pf *p);
/* vf-evidence.c: reads the path above it again if VFs of it are leased. */
void pf_watch_verdict(struct managed_pf *p);
void evidence_returned(struct manager *m, struct address pf); /* the worker that hung in that has */
void evidence_stop(struct manager *m); /* after the worker link: nobody answers any more */

void pf_rescan_soon(struct managed_pf *p);

/* A worker does not return from an operation on it: nothing more is started on it or its VFs until that comes
 * back. */
void pf_hangs(struct managed_pf *p);

/* Something changed, or somebody asks: what failed before may be tried again. */
void pf_forget_refusal(struct managed_pf *p);

/* identify.c: serial number, MAC, link speed: what only a worker can read. True: it is being asked, and the
 * policy cannot be applied to the PF before it has answered. */
bool pf_must_wait_for_identity(struct managed_pf *p);
void pf_identify(struct managed_pf *p);
void identify_watch(struct manager *m); /* after a change of policy: link speeds, if guaranteed rates rest on
                                           them */
void identify_stop(struct manager *m);

/* drain.c */
void pf_drain(struct managed_pf *p, const char *reason);
void pf_undrain(struct managed_pf *p);

bool pf_has_leases(const struct managed_pf *p);

/* Starts a PF step of a plan (autoprobe, enable, resize, disable); false if it cannot start now. */
bool pf_start_step(struct managed_pf *p, const struct step *s);
