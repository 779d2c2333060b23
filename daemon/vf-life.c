/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a VF gets ready, and ready again: bind, fence, scrub; after an owner also take the node back and make
 * every descriptor that the owner may have kept worthless. Each step is one worker operation; its callback
 * decides the next. */

#include "common/text.h"
#include "daemon/baseline.h"
#include "daemon/nvme.h"
#include "daemon/pf.h"
#include "daemon/quarantine.h"
#include "daemon/reconcile.h"
#include "daemon/vf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define LOST_MAX     10U
#define PROBE_TRIES  3U
#define DRIVER_TRIES 20U /* 5 s: a host driver's module has been loaded by then */
/* Nothing but a hidden descriptor makes this slow, and that is what it looks for */
#define RENEW_TIMEOUT_USEC (10ULL * 1000000ULL)

void vf_retry_later(struct managed_vf *v, enum reason reason, const char *detail) {
        v->retry = true;
        vf_blocked(v, reason, detail);
        reconcile_retry(v->manager);
}

void vf_step_failed(struct managed_vf *v, const struct worker_reply *reply, enum reason reason) {
        /* No worker at all says nothing about the VF. One that ends over and over while it works on it does.
         */
        if (worker_reply_is_transient(reply) && (reply->error == -ECONNREFUSED || v->retries < LOST_MAX)) {
                vf_retry_later(v, REASON_NO_WORKER, v->detail);
                return;
        }
        /* Somebody switched the PF's autoprobe on, and workers leave it alone until we have switched it off
         * again */
        if (reply->error == -EPERM && reply->reason == REASON_NOT_MANAGED && v->retries < DRIVER_TRIES) {
                pf_rescan_soon(managed_pf(v->vf.pf));
                vf_retry_later(v, REASON_NOT_MANAGED, v->detail);
                return;
        }
        /* The card was pulled out, or its driver is going, and the kernel has not said so yet; its directory
         * in sysfs may be the first to go */
        if ((reply->error == -ENODEV || reply->error == -ENOENT) && v->retries < DRIVER_TRIES) {
                pf_rescan_soon(managed_pf(v->vf.pf));
                vf_retry_later(v, reason, v->detail);
                return;
        }
        if (v->vf.state == VF_QUARANTINED) /* why it is there stays */
                vf_blocked(v, reason, v->detail);
        else
                vf_enter(v, VF_EVENT_FAILED, reason);
}

static void on_holders_shown(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;

        if (vf_op_ended(v, reply, fds))
                return;
        v->n_holders = 0;
        for (uint64_t i = 0; reply->error == 0 && i < MIN(reply->value[0], (uint64_t) WORKER_HOLDERS_MAX);
             i++)
                if (reply->value[i + 1] != (uint64_t) getpid() && reply->value[i + 1] > 1)
                        v->holders[v->n_holders++] = (pid_t) reply->value[i + 1];
        vf_retry_later(v, REASON_HELD,
                       v->n_holders > 0 ? "" : "no process shows it; a descriptor may be in flight");
}

static void step_show_holders(struct managed_vf *v) {
        struct worker_op op = vf_op(v, WORKER_HOLDERS, on_holders_shown);

        vf_submit(v, &op);
}

static void on_bound(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;

        if (vf_op_ended(v, reply, fds))
                return;
        int seen = vf_refresh(v);
        if (v->vf.state == VF_BOUND && !vf_has_vfio(&v->vf)) /* it had another before */
                vf_enter(v, VF_EVENT_SEEN, REASON_NONE);
        if (reply->error == 0 && vf_has_vfio(&v->vf)) {
                v->take_over = false;
                if (v->asked_vectors > 0)
                        v->vf.vectors = v->asked_vectors;
                if (v->vf.state == VF_UNBOUND)
                        vf_enter(v, VF_EVENT_SEEN_BOUND, REASON_NONE);
                vf_advance(v);
        } else if ((seen < 0 || reply->error == 0) && v->retries < DRIVER_TRIES) {
                /* The worker saw the driver, and it is gone: the card is being pulled out, most likely */
                pf_rescan_soon(managed_pf(v->vf.pf));
                vf_retry_later(v, REASON_PROBE_FAILED, v->detail);
        } else if (v->vf.group == GROUP_NONE)
                vf_blocked(v, REASON_NO_IOMMU, v->detail);
        else if (reply->error < 0 && reply->reason == REASON_HELD)
                step_show_holders(v); /* it has another VFIO driver, and somebody uses it */
        else if (reply->error < 0 && (reply->reason == REASON_HOST_NEEDS_IT || reply->reason == REASON_MSIX))
                vf_blocked(v, (enum reason) reply->reason, v->detail); /* says nothing against the device */
        else if (reply->error < 0 && v->retries < (reply->error == -EAGAIN ? DRIVER_TRIES : PROBE_TRIES))
                /* A host driver that is being loaded right now shows as bound for a moment, though autoprobe
                 * keeps it off (drivers/base/bus.c:bus_add_driver) */
                vf_retry_later(v, REASON_PROBE_FAILED, v->detail);
        else
                vf_step_failed(v, reply, REASON_PROBE_FAILED);
}

static void on_group_type(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;

        if (vf_op_ended(v, reply, fds))
                return;
        vf_refresh(v);
        if (strcmp(v->vf.group_type, "identity") == 0)
                vf_blocked(v, REASON_IDENTITY_DOMAIN, v->detail);
        else
                vf_advance(v);
}

static const struct pool *pool_of(const struct managed_vf *v) {
        const struct policy *p = v->manager->policy;

        return p && v->vf.pf->pool >= 0 ? &p->pools[v->vf.pf->pool] : NULL;
}

bool vf_fits(const struct managed_vf *v) {
        const struct pool *p = pool_of(v);

        return !p || pool_misfit(p, &v->vf) == MISFIT_NONE;
}

/* The policy wants another driver, or another number of vectors; and nothing is known to stand against it. */
static bool must_rebind(const struct managed_vf *v) {
        return !vf_fits(v) && pool_obstacle(pool_of(v), &v->vf) == REASON_NONE;
}

static void on_unbound(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;

        if (vf_op_ended(v, reply, fds))
                return;
        vf_refresh(v);
        if (reply->error < 0 && reply->reason == REASON_HOST_NEEDS_IT)
                vf_blocked(v, REASON_HOST_NEEDS_IT, v->detail);
        else if (reply->error < 0)
                vf_step_failed(v, reply, REASON_PROBE_FAILED);
        else
                vf_advance(v);
}

/* Before the driver: a pass-through default domain would be in force whenever nobody has the VF open. */
static void step_bind(struct managed_vf *v) {
        bool identity = strcmp(v->vf.group_type, "identity") == 0 && v->vf.group_devices == 1;
        struct worker_op op = identity ? vf_op(v, WORKER_GROUP_TYPE, on_group_type)
                                       : vf_op(v, WORKER_BIND, on_bound);

        v->asked_vectors = 0;
        if (identity && v->vf.driver[0] &&
            !vf_has_vfio(&v->vf)) { /* the host's driver uses that domain: it goes first */
                op = vf_op(v, WORKER_UNBIND, on_unbound);
        } else if (identity)
                text_copy(op.request.text, sizeof(op.request.text), "DMA");
        else if (pool_of(v)) {
                text_copy(op.request.text, sizeof(op.request.text),
                          pool_of(v)->driver ? pool_of(v)->driver : "");
                op.request.value[0] = v->asked_vectors = pool_of(v)->msix;
        }
        op.serial = true;
        op.vf_scope = false;
        vf_submit(v, &op);
}

static void on_scrubbed(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;

        if (vf_op_ended(v, reply, fds))
                return;
        if (reply->error < 0) {
                vf_step_failed(v, reply, REASON_RESET_FAILED);
                return;
        }
        vf_take_evidence(v, reply);
        vf_store_fence(v); /* READY or not, it is scrubbed */
        if (vf_meets_its_end(v))
                return;
        if (!vf_is_leasable(v, 0)) {
                v->fresh = true;
                vf_enter(v, VF_EVENT_UNFIT, REASON_NONE);
                vf_judged(v, 0); /* says why */
                return;
        }
        vf_enter(v, VF_EVENT_FENCED, REASON_NONE);
}

/* Under the fence, with the attributes of an unused VF: the reset starts from them. */
static void step_scrub(struct managed_vf *v) {
        struct worker_op op = vf_op(v, WORKER_SCRUB, on_scrubbed);

        op.fds[0] = v->fence;
        op.request.value[0] = v->manager->inventory.fence;
        vf_submit(v, &op);
}

static void on_fenced(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;
        enum reason reason = reply->reason < _REASON_MAX ? (enum reason) reply->reason : REASON_NONE;

        if (vf_op_ended(v, reply, fds))
                return;
        evidence_read_host(v->manager);
        if (reply->error == 0 && fds[0] >= 0) {
                vf_keep_fence(v, fds[0]);
                v->vf.msi_isolated =
                                v->fair_trial && !v->manager->host.unsafe_interrupts ? TRI_YES : TRI_UNKNOWN;
                vf_take_evidence(v, reply);
                v->n_holders = 0;
                vf_blocked(v, REASON_NONE, "");
                vf_advance(v);
        } else if (reason == REASON_HELD)
                step_show_holders(v);
        else if (reason_is_evidence(reason)) {
                if (reason == REASON_NO_MSI_ISOLATION)
                        v->vf.msi_isolated = TRI_NO;
                vf_blocked(v, reason, v->detail);
        } else
                vf_step_failed(v, reply, reason != REASON_NONE ? reason : REASON_FENCE_FAILED);
}

/* One open group fences all devices of it: whoever is first opens it, the others share that. False: to be
 * tried later. */
static bool share_fence(struct managed_vf *v) {
        const struct pf *pf = v->vf.pf;

        for (size_t i = 0; i < pf->n_vfs; i++) {
                struct managed_vf *other = managed_vf(pf->vfs[i]);

                if (other == v || other->vf.group != v->vf.group)
                        continue;
                if (other->fence >= 0) {
                        vf_keep_fence(v, fcntl(other->fence, F_DUPFD_CLOEXEC, 3));
                        v->vf.msi_isolated = other->vf.msi_isolated;
                        v->evident = false; /* no worker has looked at this one */
                        return true;
                }
                if (other->busy) {
                        vf_retry_later(v, REASON_SHARED_GROUP, "waits for the fence of its group");
                        return false;
                }
        }
        return true;
}

static void step_fence(struct managed_vf *v) {
        if (v->vf.group_devices > 1) {
                if (v->manager->inventory.fence != BACKEND_GROUP) {
                        vf_blocked(v, REASON_SHARED_GROUP, "only a VFIO container fences a whole group");
                        return;
                }
                if (!share_fence(v))
                        return;
                if (v->fence >= 0) {
                        vf_advance(v);
                        return;
                }
        }
        struct worker_op op = vf_op(v, WORKER_FENCE, on_fenced);

        evidence_read_host(v->manager);
        v->fair_trial = !v->manager->host.unsafe_interrupts;
        op.request.value[0] = v->manager->inventory.fence;
        vf_submit(v, &op);
}

/* Not at once: systemd, too, has to close its copy first. */
static void step_fence_again(struct managed_vf *v) {
        const struct finding f = { FINDING_MSI_UNKNOWN, v->vf.address };

        vf_drop_fence(v);
        vf_retry_later(v, finding_reason(f.code), FINDING_STR(&f));
}

static void on_revoked(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;

        if (vf_op_ended(v, reply, fds))
                return;
        if (reply->error < 0) {
                vf_step_failed(v, reply, REASON_FENCE_FAILED);
                return;
        }
        v->revoked = true;
        vf_advance(v);
}

static void step_revoke(struct managed_vf *v) {
        struct worker_op op = vf_op(v, WORKER_REVOKE, on_revoked);

        vf_submit(v, &op);
}

static void on_renewed(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;

        if (vf_op_ended(v, reply, fds))
                return;
        vf_refresh(v);
        if (reply->error < 0) {
                vf_step_failed(v, reply, REASON_PROBE_FAILED);
                return;
        }
        v->renewed = true;
        vf_advance(v);
}

/* The fence shows that nobody drives the VF, not that nobody has its device node open: an opened but unbound
 * cdev is no obstacle to the fence, and could be bound in the moment the next owner gets the VF. Unbinding
 * the driver makes every such descriptor worthless. It waits for them, so first look whether any process has
 * one; what /proc does not show (a descriptor in flight in a socket) makes the worker hang, and only this VF
 * stays stuck. drivers/vfio/vfio_main.c:vfio_unregister_group_dev */
static void on_holders_before_renew(const struct worker_reply *reply, int fds[WORKER_FDS_MAX],
                                    void *userdata) {
        struct managed_vf *v = userdata;

        if (reply->error < 0 || reply->value[0] > 0) {
                on_holders_shown(reply, fds, userdata);
                return;
        }
        if (vf_op_ended(v, reply, fds))
                return;
        vf_drop_fence(v);
        struct worker_op op = vf_op(v, WORKER_RENEW, on_renewed);
        op.serial = true;
        op.timeout_usec = RENEW_TIMEOUT_USEC;
        text_copy(op.request.text, sizeof(op.request.text), v->vf.driver);
        vf_submit(v, &op);
}

static void step_renew(struct managed_vf *v) {
        struct worker_op op = vf_op(v, WORKER_HOLDERS, on_holders_before_renew);

        vf_submit(v, &op);
}

static bool has_host_driver(const struct managed_vf *v) {
        return v->vf.driver[0] && !vf_has_vfio(&v->vf) && !v->take_over;
}

/* Unbinding waits for whoever has the VF open, so the fence goes first; it comes back as that of a new VF
 * does. */
static void step_rebind(struct managed_vf *v) {
        vf_drop_fence(v);
        step_bind(v);
}

static void advance_unbound(struct managed_vf *v) {
        if (has_host_driver(v))
                vf_refresh(v); /* the last scan may be old */
        if (has_host_driver(v) && v->retries < DRIVER_TRIES)
                vf_retry_later(v, REASON_HOST_DRIVER, v->vf.driver); /* as in on_bound() */
        else if (has_host_driver(v))
                vf_blocked(v, REASON_HOST_DRIVER, v->vf.driver);
        else if (v->vf.group >= 0 || vf_judged(v, 0)) /* without one it says which */
                step_bind(v);
}

static void advance_bound(struct managed_vf *v) {
        if (strcmp(v->vf.group_type, "identity") == 0 && v->vf.group_devices == 1 && v->fence < 0)
                step_bind(v); /* allowed while nobody has it open */
        else if (must_rebind(v))
                step_rebind(v);
        else if (v->fence < 0 && !v->evident && !vf_is_leasable(v, FINDINGS_BEFORE_FENCE))
                vf_step_evidence(v); /* no fence will bring it along: who is to blame? */
        else if (!vf_judged(v, FINDINGS_BEFORE_FENCE))
                return;
        else if (v->fence < 0)
                step_fence(v);
        else if (vf_wants_trial(v))
                step_fence_again(v);
        else if (vf_must_listen(v))
                vf_step_listen(v);
        else if (!v->evident)
                vf_step_evidence(v);
        else if (baseline_is_due(v))
                baseline_step(v);
        else if (nvme_is_due(v))
                nvme_step(v);
        else if (!v->fresh)
                step_scrub(v);
        else if (vf_judged(v, 0)) {
                vf_store_fence(v);
                vf_enter(v, VF_EVENT_FENCED, REASON_NONE);
        }
}

static void advance_reclaiming(struct managed_vf *v) {
        if (!v->revoked && v->manager->inventory.can_node)
                step_revoke(v);
        else if (strcmp(v->vf.group_type, "identity") == 0 && v->vf.group_devices == 1 && v->fence < 0)
                step_bind(v); /* found so, with its driver: as in advance_bound() */
        else if (!vf_has_vfio(&v->vf))
                step_bind(v);
        else if (v->fence < 0)
                step_fence(v);
        else if (!v->renewed && v->manager->inventory.can_fd && v->last_hand_off != HAND_OFF_NODE &&
                 v->vf.group_devices == 1) /* a shared group is never handed over by descriptors */
                step_renew(v);
        else if (must_rebind(v)) /* nobody has it: the fence has shown that */
                step_rebind(v);
        else if (vf_must_listen(v))
                vf_step_listen(v);
        else if (baseline_is_due(v))
                baseline_step(v);
        else if (nvme_is_due(v)) /* before the scrub: what that clears is out of reach of one that is offline
                                  */
                nvme_step(v);
        else
                step_scrub(v);
}

/* Out of use and yet fenced. A reboot leaves nothing of its driver and its fence, and its group may be
 * pass-through again. A host driver that has it is left alone: somebody saw to that. */
static void advance_quarantined(struct managed_vf *v) {
        bool alone = v->vf.group_devices == 1, vfio = vf_has_vfio(&v->vf);

        if (v->fence < 0 && alone && !v->vf.driver[0] && v->vf.pf->pool >= 0)
                step_bind(v);
        else if (v->fence < 0 && alone && vfio && strcmp(v->vf.group_type, "identity") == 0)
                step_bind(v); /* allowed while nobody has it open */
        else if (v->fence < 0 && alone && vfio)
                step_fence(v);
        else if (vf_must_listen(v) && v->listen_tries < PROBE_TRIES) {
                v->listen_tries++;
                vf_step_listen(v);
        }
}

void vf_advance(struct managed_vf *v) {
        const struct pf *pf = v->vf.pf;

        if (v->busy || v->retry || pf->stuck || managed_pf(pf)->busy)
                return;
        if (pf->autoprobe && !pf->whole && pf->pool >= 0 && v->vf.state != VF_LEASED)
                return; /* workers leave it alone until that is off; then it is looked at again */
        if (v->vf.state != VF_RECLAIMING)
                vf_meets_its_end(v);
        if (v->vf.reason != REASON_NONE && v->vf.state != VF_QUARANTINED)
                return;
        switch (v->vf.state) {
        case VF_UNBOUND:
                advance_unbound(v);
                break;
        case VF_BOUND:
                advance_bound(v);
                break;
        case VF_RECLAIMING:
                advance_reclaiming(v);
                break;
        case VF_LEASED:
                if (!v->evident && !vf_hangs_in(v, WORKER_EVIDENCE)) /* found so after a restart */
                        vf_step_evidence(v);
                break;
        case VF_QUARANTINED:
                advance_quarantined(v);
                break;
        case VF_READY:
                if (must_rebind(v)) {
                        vf_enter(v, VF_EVENT_SEEN_BOUND, REASON_NONE);
                        advance_bound(v);
                }
                break;
        case VF_ABSENT:
        case VF_UNMANAGED:
        case VF_LEASING:
        case VF_STUCK:
        case _VF_STATE_MAX:
                break;
        }
}

void vf_unblock(struct managed_vf *v) {
        if (v->vf.state == VF_STUCK || v->busy || managed_pf(v->vf.pf)->busy)
                return; /* a PF that is busy looks at all of its VFs when it is done */
        v->retry = false;
        if (v->vf.state != VF_QUARANTINED)
                v->vf.reason = REASON_NONE;
        vf_advance(v);
}

bool vf_settled(const struct managed_vf *v) {
        const struct managed_pf *p = managed_pf(v->vf.pf);

        if (v->busy)
                return false;
        switch (v->vf.state) {
        case VF_UNBOUND:
        case VF_BOUND:
        case VF_RECLAIMING:
                return v->vf.reason != REASON_NONE || p->pf.stuck ||
                       (p->pf.autoprobe && p->refused); /* it is left alone, and that stays on */
        case VF_ABSENT:
        case VF_UNMANAGED:
        case VF_READY:
        case VF_LEASING:
        case VF_LEASED:
        case VF_QUARANTINED:
        case VF_STUCK:
        case _VF_STATE_MAX:
                break;
        }
        return true;
}
