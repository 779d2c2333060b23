/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* NVMe controllers whose VFs the daemon manages: what they say of themselves, how a VF's secondary controller
 * gets ready, and the disks of leases. */

#include "common/nvme.h"
#include "daemon/disk.h"
#include "daemon/pf.h"

/* For operations with a command that may take a minute, and reads before and after it. */
#define NVME_SLOW_USEC (3ULL * 60ULL * 1000000ULL)

/* It hands out VFs of an NVMe controller. */
static inline bool nvme_is(const struct pf *pf) {
        return pf->class == NVME_CLASS && !pf->whole;
}

/* nvme.c: the state of a controller, as a worker reads it. */
void nvme_read(struct managed_pf *p);    /* asks, unless that is under way; its VFs go on afterwards */
void nvme_changed(struct managed_pf *p); /* something was done to it: it is read again shortly */
void nvme_doubt_all(struct manager *m);  /* somebody asks: the next scan reads all of them again */
void nvme_forget(struct managed_pf *p);
/* Counts the disks that leases can have: after a change of ledger, policy or state. */
void nvme_count_disks(struct managed_pf *p);
/* A controller (-1: none) has no namespace any more, or nobody has this one (0: none), whatever was read
 * before: no port of the card counts it as taken until it is read again. */
void nvme_detached(struct managed_pf *p, int controller, uint32_t nsid);
/* Takes over an answer to somebody else's question. If it changes what the PF's VFs may do, such as that the
 * host uses a disk, nvme.c reads the state itself and they follow. 0 or -errno. */
int nvme_take(struct managed_pf *p, const struct worker_reply *reply, int fd);

/* The host uses a disk of it, and the policy does not allow VFs beside that. */
bool nvme_is_hosts(const struct managed_pf *p);

bool nvme_has_namespace(const struct nvme_state *s, uint32_t nsid); /* O(log n) */

/* A tenant may have the namespace of this record, as it is: it is the tenant's, and the rule is still that it
 * stays so. NULL for the tenant: that of the PF's pool. */
bool nvme_stays_with(const struct managed_pf *p, const struct storage *s, const struct disk *d,
                     const char *tenant);
/* What was kept for a tenant under a rule that is no more, and the VF is, or may be, about to give: from now
 * on it is the VF's to erase. */
void nvme_claim_kept(struct managed_vf *v);

/* nvme-life.c: the secondary controller of an idle VF. */
/* The controller can do what the rule of a pool asks for. */
bool nvme_can_follow(const struct managed_pf *p, const struct storage *s);
#define NVME_CANNOT_FOLLOW                                                                                   \
        "its controller does not say what its VFs see; only \"namespaces\": \"attached\" that are erased "   \
        "\"never\" are possible"
bool nvme_is_due(const struct managed_vf *v);
/* Offline, its disks taken away and their data made unreadable, then online with its resources; each step
 * ends in vf_advance(). */
void nvme_step(struct managed_vf *v);

/* Asks for the state of its PF's controller, as an operation of the VF. */
struct worker_op nvme_state_op(struct managed_vf *v, worker_done done);

/* nvme-give.c: at hand-over. Takes away what somebody attached to the controller of the VF, checks that it is
 * online and gives it the disks that its pool says; then calls done, never from within. over: the VF is gone
 * or hangs. */
typedef void (*nvme_given)(struct managed_vf *v, bool over, enum reason reason, int error, const char *detail,
                           void *userdata);
int nvme_give(struct managed_vf *v, const struct lease *l, nvme_given done, void *userdata);
void nvme_stop(struct manager *m); /* after the worker link: nobody answers any more */
