/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One VF as the daemon keeps it, and the one function that changes its state. */

#include "common/stats.h"
#include "daemon/manager.h"
#include "iommu/verdict.h"
#include "policy/fault-rule.h"
#include "sriov/aer.h"

struct managed_vf {
        struct vf vf; /* first: the inventory points here */
        struct manager *manager;
        int fence;         /* open while this daemon fences it, else -1 */
        bool fence_stored; /* systemd's fd store has it too, */
        bool stored_msi;   /* under this name */
        bool fair_trial;   /* the fence under way was asked for with allow_unsafe_interrupts off */
        int request;       /* eventfd: the kernel wants the fence dropped; -1 if nobody listens */
        sd_event_source *request_event;
        bool busy;              /* an operation on it is under way */
        bool vf_scope;          /* a hang of that operation is blamed on the VF alone, not on its PF */
        uint32_t op;            /* enum worker_op_code of that operation */
        unsigned asked_vectors; /* BIND: MSI-X vectors, 0 as they are */
        uint64_t hanging;       /* bit for each enum worker_op_code that a worker has not come back from */
        bool indexed;         /* part of the inventory; if not, the callback of its last operation frees it */
        bool fresh;           /* just enabled by us, nobody ever used it: needs no scrub */
        bool revoked;         /* reclaiming: the group node is root's again */
        bool plain;           /* its attributes are those of its baseline */
        unsigned untold;      /* attempts at that in a row that failed for all VFs of its PF */
        bool nvme_set;        /* its controller is online and sees no disk, see nvme-life.c */
        unsigned nvme_stage;  /* of the way there */
        uint64_t nvme_set_at; /* usec, monotonic */
        bool nvme_offline;    /* leased, and it is; its owner was told */
        struct disk *disks;   /* what it was given, see disk.h */
        bool renewed; /* reclaiming: descriptors that the last owner may have kept are worthless now */
        enum reason unfenced;  /* quarantined: why it could not be fenced; REASON_NONE: it could, or not tried
                                */
        unsigned listen_tries; /* quarantined: attempts to listen for the kernel's request */
        struct managed_vf *orphan;        /* next of manager->vf_orphans, once it is gone while busy */
        struct fault_window fault_window; /* DMA faults lately, for the policy's rule */
        uint64_t n_faults;                /* since this daemon started */
        char last_fault[96];
        struct aer_counts aer;
        bool aer_seen;
        enum reason condemned; /* it is to be quarantined as soon as nobody has it; REASON_NONE: it is not */
        char condemned_detail[160];  /* of that, and of a quarantine */
        bool cut_off_failed;         /* said already */
        bool evident;                /* the path was collected since the VF was fenced or reset */
        enum finding_code obstacle;  /* leased: what stands against its isolation now, _FINDING_MAX nothing */
        bool take_over;              /* an administrator said to take it from its host driver */
        bool dirty;                  /* an event named it; read its facts again */
        enum hand_off last_hand_off; /* how its last owner had it */
        bool retry;                  /* blocked, but the retry timer will try again */
        unsigned retries;            /* turns of that timer so far */
        enum reason shown;           /* why it was blocked last, also while it is being tried again */
        pid_t holders[WORKER_HOLDERS_MAX];
        size_t n_holders;
        struct vf_attributes baseline; /* see baseline.h */
        struct vf_attributes rested; /* what it had when it was restored last; .set = 0: not by this daemon */
        bool baseline_known;
        struct vf_counters counted; /* when lease counted_lease was looked at first, see stats.h */
        char counted_lease[sizeof(((struct vf *) 0)->lease)];
        uint32_t drift; /* ATTR_…: what somebody else changed */
        unsigned n_restores;
        uint64_t restores_since; /* usec, monotonic */
        char detail[160];        /* what the worker or the kernel said about the reason */
};

static inline struct managed_vf *managed_vf(const struct vf *vf) {
        return (struct managed_vf *) vf;
}

struct managed_vf *managed_vf_new(struct manager *m, const struct vf *facts);
void managed_vf_release(
                struct managed_vf *v); /* drops fence and index entry; the memory stays the inventory's */

void managed_vf_free_orphan(struct managed_vf *v);

struct managed_vf *manager_find_vf(struct manager *m, struct address a);

/* What can happen to a VF. The table in vf-state.c says in which state each is allowed and where it leads. */
#define VF_EVENTS(X)                                                                                         \
        X(SEEN, "seen")             /* found, a pool claims it, no VFIO driver */                            \
        X(SEEN_BOUND, "seen-bound") /* found with its VFIO driver, or bound just now */                      \
        X(IGNORED, "ignored")       /* no pool claims it */                                                  \
        X(FENCED, "fenced")         /* fenced and scrubbed */                                                \
        X(UNFIT, "unfit")           /* fenced and scrubbed, but its isolation is not shown (any more) */     \
        X(CHOSEN, "chosen")         /* allocated to a lease */                                               \
        X(HANDED, "handed")         /* its owner has it */                                                   \
        X(ENDED, "ended")           /* its lease ended */                                                    \
        X(FAILED, "failed")         /* quarantine it */                                                      \
        X(HUNG, "hung")             /* a worker does not return */                                           \
        X(RETURNED, "returned")     /* that worker returned: start over */                                   \
        X(CLEARED, "cleared")       /* an administrator gives it another chance */                           \
        X(LOST, "lost")             /* its driver or itself went away */

enum vf_event {
#define X(code, name) VF_EVENT_##code,
        VF_EVENTS(X)
#undef X
                        _VF_EVENT_MAX,
};

const char *vf_event_to_string(enum vf_event e);

/* The next state, or _VF_STATE_MAX if the event is not allowed in this state. Pure. */
enum vf_state vf_next(enum vf_state now, enum vf_event e);

/* The only place that sets a VF's state: looks it up, logs old and new, writes quarantines down, tells
 * watchers. An event that the table does not allow is a bug: logged, and the state stays. */
void vf_enter(struct managed_vf *v, enum vf_event e, enum reason reason);

/* Sets or clears why a VF does not advance, without a change of state. Logged when it changes. Of a
 * quarantined VF the reason stays that of its quarantine. */
void vf_blocked(struct managed_vf *v, enum reason reason, const char *detail);

/* What the machine said about the reason that a VF shows. */
const char *vf_shown_detail(const struct managed_vf *v);

/* vf-life.c: starts whatever brings an idle VF nearer to where it should be. Does nothing if it is busy or
 * blocked. */
void vf_advance(struct managed_vf *v);
void vf_unblock(struct managed_vf *v); /* forgets why it was blocked, then advances */
/* True if nothing more will happen to it by itself. */
bool vf_settled(const struct managed_vf *v);
bool vf_fits(const struct managed_vf *v); /* has the driver and the vectors that the policy wants */

/* vf-ops.c: what every operation on a VF shares. */
struct worker_op vf_op(struct managed_vf *v, enum worker_op_code code, worker_done done);
void vf_submit(struct managed_vf *v, const struct worker_op *op);
/* First thing in each callback: not busy any more; a hang or a vanished VF is handled here. True: nothing is
 * left to do. */
bool vf_op_ended(struct managed_vf *v, const struct worker_reply *reply, int fds[WORKER_FDS_MAX]);
bool vf_hangs_in(const struct managed_vf *v, enum worker_op_code code); /* another try would hang too */
int vf_refresh(struct managed_vf *v);  /* re-reads its facts from sysfs; -ENODEV if it is gone */
bool vf_has_vfio(const struct vf *vf); /* bound to vfio-pci or a variant driver */
void vf_keep_fence(struct managed_vf *v, int fd_taken);
void vf_store_fence(struct managed_vf *v); /* from now on a restarted daemon finds it READY */
/* False only if it has a fence that fences nothing: its driver was taken away meanwhile, and given back. */
bool vf_fence_holds(const struct managed_vf *v);
void vf_drop_fence(struct managed_vf *v);

/* vf-evidence.c: what is known of its isolation. */
finding_set vf_accepted(const struct managed_vf *v); /* what the policy accepts of it */
void vf_judge(const struct managed_vf *v, struct judgement *ret);
/* As far as is known now nothing stands against a lease but findings of this set. */
bool vf_is_leasable(const struct managed_vf *v, finding_set not_yet);
/* True if nothing stands against a lease but findings of this set; if not, it is blocked with the reason. */
bool vf_judged(struct managed_vf *v, finding_set not_yet);
/* What the kernel's modules say may have changed since: before it counts. If so, all VFs are looked at. */
void evidence_read_host(struct manager *m);
/* True if another fence would show what this one did not: whether interrupts are isolated. */
bool vf_wants_trial(const struct managed_vf *v);
finding_set
vf_unsafe(const struct managed_vf *v); /* all that stands against its isolation, accepted or not */
/* A reason that says something about the host or the platform, not about this VF's past: the VF waits where
 * it is and is tried again when something changes. A quarantine would outlive the change. */
bool reason_is_evidence(enum reason r);
void vf_evidence_changed(struct managed_vf *v); /* such a reason may be over */
/* True if all functions of its group but bridges are in the allocation: only then may a shared group go. */
bool vf_goes_with_all(const struct managed_vf *v, const struct allocation *choice, char *detail, size_t size);
void vf_step_evidence(struct managed_vf *v); /* collects the path, then vf_advance() */
void vf_take_evidence(struct managed_vf *v, const struct worker_reply *reply);
void vf_watch_verdict(struct managed_vf *v); /* while it is leased: logs and tells when it gets worse */

/* vf-request.c: the kernel waits for an iommufd fence when it takes its VF away. */
bool vf_must_listen(const struct managed_vf *v);
void vf_step_listen(struct managed_vf *v); /* then vf_advance() */
void vf_stop_listening(struct managed_vf *v);

/* What follows from a step that failed: another try if only the worker failed, else a quarantine, or what is
 * said of one that is in it. */
void vf_step_failed(struct managed_vf *v, const struct worker_reply *reply, enum reason reason);

/* Blocks the VF and tries again shortly. */
void vf_retry_later(struct managed_vf *v, enum reason reason, const char *detail);
