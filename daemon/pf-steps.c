/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps that change a PF: autoprobe off, VF count. Worker operations, one after another. */

#include "common/text.h"
#include "daemon/apply.h"
#include "daemon/drift.h"
#include "daemon/eswitch.h"
#include "daemon/events.h"
#include "daemon/nvme.h"
#include "daemon/pf.h"
#include "daemon/reconcile.h"
#include "daemon/store.h"
#include "daemon/told.h"

#include <errno.h>

/* What waited for the end of the step goes on. */
static void not_busy(struct managed_pf *p) {
        p->busy = false;
        told_go_on(p->manager);
        if (p->drift_due)
                drift_look_soon(p);
}

static void step_ended(struct managed_pf *p, const char *error) {
        not_busy(p);
        pf_rescan_soon(p); /* its VFs stood still meanwhile, and not every write makes an event */
        apply_step_ended(p->manager, p->pf.address, p->step, error);
        reconcile_soon(p->manager);
}

void pf_hangs(struct managed_pf *p) {
        if (p->pf.stuck)
                return;
        p->pf.stuck = true;
        p->nvme_stale = true;
        p->pf.reason = REASON_STUCK;
        log_with(LOG_ERR, (&(struct log_fields){ .address = &p->pf.address }),
                 "the kernel does not answer; the PF is left alone until it does");
        events_pf(p->manager, &p->pf, "stuck");
}

/* Common to all callbacks. True: the PF is gone or hangs, nothing is left to do. */
static bool pf_op_ended(struct managed_pf *p, const struct worker_reply *reply) {
        if (p->gone) {
                apply_step_ended(p->manager, p->pf.address, p->step, "the PF is gone");
                not_busy(p);
                managed_pf_unused(p);
                return true;
        }
        if (reply->detail[0])
                text_copy(p->detail, sizeof(p->detail), reply->detail);
        if (reply->error == -ETIMEDOUT || reply->error == -ECANCELED) {
                pf_hangs(p);
                step_ended(p, "the kernel does not answer");
                return true;
        }
        if (worker_reply_is_transient(reply)) {
                if (p->pf.reason != REASON_NO_WORKER)
                        log_with(LOG_WARNING, (&(struct log_fields){ .address = &p->pf.address }),
                                 "%s: %s; trying again", step_kind_to_string(p->step), p->detail);
                p->pf.reason = REASON_NO_WORKER;
                p->retry = true;
                not_busy(p);
                pf_rescan_soon(p); /* whatever the worker did before it ended */
                reconcile_retry(p->manager);
                return true;
        }
        return false;
}

/* A refusal is remembered with the count that was refused, so that it is not tried again until something
 * changes. */
static void pf_refused(struct managed_pf *p, enum reason reason) {
        p->pf.reason = reason;
        p->refused = true;
        p->pf.failed_num_vfs = p->target;
        log_with(LOG_ERR, (&(struct log_fields){ .address = &p->pf.address }), "%s %u VFs: %s (%s)",
                 step_kind_to_string(p->step), p->target, reason_sentence(reason), p->detail);
        events_pf(p->manager, &p->pf, "failed");
}

static void on_numvfs(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_pf *p = userdata;

        if (pf_op_ended(p, reply))
                return;
        if (reply->error < 0) {
                enum reason r = reply->reason > 0 && reply->reason < _REASON_MAX ? (enum reason) reply->reason
                                                                                 : REASON_NUMVFS_FAILED;
                pf_refused(p, r);
        } else if (reply->value[0] < p->target)
                pf_refused(p, REASON_FEWER_VFS);
        else {
                p->pf.reason = REASON_NONE;
                p->pf.failed_num_vfs = 0;
                p->retries = 0;
        }
        bool failed = p->pf.reason != REASON_NONE;
        struct manager *m = p->manager;
        struct address a = p->pf.address;
        enum step_kind kind = p->step;
        if (p->pf.pending_vfs) { /* done, or refused: either way it does not wait any more */
                p->pf.pending_vfs = 0;
                store_pending(p);
        }
        not_busy(p);
        p->fresh = reply->error == 0;
        if (pf_rescan(p) == -ENODEV) { /* p is freed */
                apply_step_ended(m, a, kind, "the PF is gone");
                return;
        }
        p->fresh = false;
        step_ended(p, failed ? reason_sentence(p->pf.reason) : NULL);
}

static void submit_op(struct managed_pf *p, struct worker_op *op) {
        op->serial = true;
        if (worker_link_submit(p->manager->link, op) < 0) {
                struct worker_reply reply = { .error = -ENOMEM };
                int fds[WORKER_FDS_MAX] = { -1, -1 };

                op->done(&reply, fds, p);
        }
}

static void submit(struct managed_pf *p, enum worker_op_code code, uint64_t value, worker_done done) {
        struct worker_op op = worker_op_make(code, p->pf.address, p->pf.address, done, p);

        op.request.value[0] = value;
        submit_op(p, &op);
}

static const struct storage *storage_of(const struct managed_pf *p) {
        static const struct storage none;
        const struct policy *policy = p->manager->policy;

        return policy && p->pf.pool >= 0 ? &policy->pools[p->pf.pool].storage : &none;
}

/* The worker looks at the host's disks again, unless the policy says that they do not matter. */
static void submit_count(struct managed_pf *p, unsigned count, worker_done done) {
        struct worker_op op = worker_op_make(WORKER_NUMVFS, p->pf.address, p->pf.address, done, p);

        op.request.value[0] = count;
        op.request.value[1] = storage_of(p)->host_disk;
        submit_op(p, &op);
}

static void on_zero(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_pf *p = userdata;

        if (reply->error < 0 || p->gone ||
            p->target == 0) { /* a transient failure plans anew from what is there */
                on_numvfs(reply, fds, userdata);
                return;
        }
        submit_count(p, p->target, on_numvfs);
}

static void on_autoprobe(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_pf *p = userdata;

        if (pf_op_ended(p, reply))
                return;
        if (reply->error < 0) {
                pf_refused(p, reply->reason && reply->reason < _REASON_MAX ? (enum reason) reply->reason
                                                                           : REASON_NUMVFS_FAILED);
                step_ended(p, p->detail);
                return;
        }
        p->pf.autoprobe = false;
        p->retries = 0;
        if (p->pf.reason == REASON_NO_WORKER)
                p->pf.reason = REASON_NONE;
        step_ended(p, NULL);
}

bool pf_has_leases(const struct managed_pf *p) {
        for (size_t i = 0; i < p->pf.n_vfs; i++)
                if (p->pf.vfs[i]->lease[0])
                        return true;
        return false;
}

/* The VFs are about to be destroyed: let go of each, or with a cdev fence the kernel would wait for us. The
 * step may be older than a lease. */
static bool vfs_let_go(struct managed_pf *p) {
        if (pf_has_leases(p))
                return false;
        for (size_t i = 0; i < p->pf.n_vfs; i++)
                if (managed_vf(p->pf.vfs[i])->busy)
                        return false;
        for (size_t i = 0; i < p->pf.n_vfs; i++) {
                vf_drop_fence(managed_vf(p->pf.vfs[i]));
                vf_enter(managed_vf(p->pf.vfs[i]), VF_EVENT_LOST, REASON_NONE);
        }
        return true;
}

static void on_primary(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_pf *p = userdata;

        if (pf_op_ended(p, reply))
                return;
        if (reply->error < 0) {
                p->pf.reason = reply->reason && reply->reason < _REASON_MAX ? (enum reason) reply->reason
                                                                            : REASON_NVME_FAILED;
                p->refused = true;
                log_with(LOG_ERR, (&(struct log_fields){ .address = &p->pf.address }), "%s: %s (%s)",
                         step_kind_to_string(p->step), reason_sentence(p->pf.reason), p->detail);
                events_pf(p->manager, &p->pf, "failed");
        } else
                p->retries = 0;
        p->nvme_stale = true;
        step_ended(p, reply->error < 0 ? p->detail : NULL);
}

static void on_eswitch(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_pf *p = userdata;

        if (pf_op_ended(p, reply))
                return;
        if (reply->error < 0) {
                p->pf.reason = REASON_ESWITCH;
                p->refused = true;
                log_with(LOG_ERR, (&(struct log_fields){ .address = &p->pf.address }), "%s: %s (%s)",
                         step_kind_to_string(p->step), reason_sentence(p->pf.reason), p->detail);
                events_pf(p->manager, &p->pf, "failed");
        } else {
                p->pf.eswitch = (enum eswitch_mode) p->target;
                p->retries = 0;
                if (p->pf.reason == REASON_NO_WORKER)
                        p->pf.reason = REASON_NONE;
        }
        eswitch_look_soon(p);
        step_ended(p, reply->error < 0 ? p->detail : NULL);
}

/* Its VFs are gone, or there were none. */
static void on_eswitch_free(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_pf *p = userdata;

        if (pf_op_ended(p, reply))
                return;
        if (reply->error < 0)
                on_eswitch(reply, fds, userdata);
        else
                submit(p, WORKER_ESWITCH, p->target, on_eswitch);
}

static void start_primary(struct managed_pf *p) {
        const struct storage *s = storage_of(p);
        struct worker_op op =
                        worker_op_make(WORKER_NVME_PRIMARY, p->pf.address, p->pf.address, on_primary, p);

        op.request.value[0] = s->takes_queues ? s->host_queues : p->pf.nvme_host_queues;
        op.request.value[1] = s->takes_interrupts ? s->host_interrupts : p->pf.nvme_host_interrupts;
        op.timeout_usec = NVME_SLOW_USEC;
        submit_op(p, &op);
}

/* Right before VFs are made: does the host use a disk of the controller by now? */
static void on_disks_seen(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_pf *p = userdata;
        int fd = TAKE_FD(fds[0]);
        bool over = pf_op_ended(p, reply);
        int r = over ? 0 : nvme_take(p, reply, fd);

        close_fd(&fd);
        if (over)
                return;
        bool forbidden = r >= 0 && nvme_is_hosts(p);
        if (r < 0 || forbidden) {
                pf_refused(p, forbidden ? REASON_HOST_DISK : REASON_NVME_FAILED);
                step_ended(p, reason_sentence(p->pf.reason));
                return;
        }
        submit_count(p, p->step == STEP_ENABLE ? p->target : 0, p->step == STEP_ENABLE ? on_numvfs : on_zero);
}

/* Makes VFs, or destroys them to make others. */
static void start_count(struct managed_pf *p) {
        if (nvme_is(&p->pf) && p->step != STEP_DISABLE)
                submit(p, WORKER_NVME_STATE, 0, on_disks_seen);
        else
                submit_count(p, p->step == STEP_ENABLE ? p->target : 0,
                             p->step == STEP_ENABLE ? on_numvfs : on_zero);
}

void pf_forget_refusal(struct managed_pf *p) {
        p->refused = p->nvme_failed = false;
        p->retries = 0;
        p->pf.failed_num_vfs = 0;
        if (!p->pf.stuck)
                p->pf.reason = REASON_NONE;
}

/* What VFs are told goes by their numbers: those of a change set under way must not become others'. */
static bool renumbers(enum step_kind kind) {
        return kind == STEP_ENABLE || kind == STEP_RESIZE || kind == STEP_DISABLE || kind == STEP_ESWITCH;
}

bool pf_start_step(struct managed_pf *p, const struct step *s) {
        if (p->busy || p->retry || p->refused || p->pf.stuck || s->blocked)
                return false;
        if (p->telling && renumbers(s->kind)) {
                p->step_waits = true;
                return false;
        }
        p->busy = true; /* before its callback, which may come at once when there is no memory */
        p->step = s->kind;
        p->target = s->to;
        switch (s->kind) {
        case STEP_AUTOPROBE:
                p->target = p->pf.num_vfs;
                submit(p, WORKER_AUTOPROBE, 0, on_autoprobe);
                break;
        case STEP_ENABLE:
                start_count(p);
                break;
        case STEP_PRIMARY:
                if (pf_has_leases(p)) {
                        p->busy = false;
                        return false;
                }
                start_primary(p);
                break;
        case STEP_ESWITCH:
                if (!vfs_let_go(p)) {
                        p->busy = false;
                        return false;
                }
                submit(p, p->pf.num_vfs > 0 ? WORKER_NUMVFS : WORKER_ESWITCH, p->pf.num_vfs > 0 ? 0 : s->to,
                       p->pf.num_vfs > 0 ? on_eswitch_free : on_eswitch);
                break;
        case STEP_RESIZE:
        case STEP_DISABLE:
                if (!vfs_let_go(p)) {
                        p->busy = false;
                        return false;
                }
                start_count(p);
                break;
        case STEP_BIND:
        case STEP_FENCE:
        case _STEP_KIND_MAX:
                p->busy = false;
                return false;
        }
        return true;
}
