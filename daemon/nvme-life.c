/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The secondary controller of an idle VF: offline, what its last owner had taken away and made unreadable,
 * then online with its resources, before the scrub resets it and clears what a reset leaves. Each step may be
 * done twice: a daemon that was killed begins anew. */

#include "common/text.h"
#include "daemon/nvme.h"
#include "sriov/nvme-rules.h"

#include <errno.h>

struct worker_op nvme_state_op(struct managed_vf *v, worker_done done) {
        struct worker_op op = vf_op(v, WORKER_NVME_STATE, done);

        op.request.address = v->vf.pf->address;
        op.vf_scope = false;
        return op;
}

enum stage { STAGE_OFFLINE, STAGE_DETACH, STAGE_ERASE, STAGE_ONLINE };

#define ERASE_TIMEOUT_USEC (15ULL * 60ULL * 1000000ULL) /* a format may take minutes */

static const struct storage *storage_of(const struct managed_vf *v) {
        static const struct storage none;
        const struct policy *p = v->manager->policy;

        return p && v->vf.pf->pool >= 0 ? &p->pools[v->vf.pf->pool].storage : &none;
}

bool nvme_is_due(const struct managed_vf *v) {
        return nvme_is(v->vf.pf) && !v->nvme_set;
}

static void failed(struct managed_vf *v, const struct worker_reply *reply, enum reason reason) {
        enum reason r = reply->reason && reply->reason < _REASON_MAX ? (enum reason) reply->reason : reason;
        bool can = managed_pf(v->vf.pf)->nvme.primary.can & NVME_CAN_NAMESPACES;

        v->nvme_stage = STAGE_OFFLINE;
        managed_pf(v->vf.pf)->nvme_short |= r == REASON_NVME_RESOURCES;
        /* None says anything against the VF: another policy, or another PF, and it works. A controller that
         * is not there was pulled out, or has lost its driver, and the kernel has not said so yet */
        if (reply->error == -ENODEV) {
                vf_retry_later(v, REASON_NVME_FAILED, v->detail);
                pf_rescan_soon(managed_pf(v->vf.pf));
        } else if (r == REASON_NVME_RESOURCES ||
                   (r == REASON_NAMESPACE && reason == REASON_NAMESPACE && !can))
                vf_blocked(v, r, v->detail);
        else
                vf_step_failed(v, reply, r);
        if (v->vf.state == VF_QUARANTINED) /* what is wrong may have hit other VFs, such as a reset */
                nvme_changed(managed_pf(v->vf.pf));
}

static void on_stage(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;
        static const enum reason reasons[] = {
                [STAGE_OFFLINE] = REASON_NVME_FAILED,
                [STAGE_DETACH] = REASON_NAMESPACE,
                [STAGE_ERASE] = REASON_ERASE_FAILED,
                [STAGE_ONLINE] = REASON_NVME_FAILED,
        };
        unsigned stage = v->nvme_stage;

        if (vf_op_ended(v, reply, fds))
                return;
        if (reply->error < 0) {
                failed(v, reply, reasons[stage]);
                return;
        }
        if (stage == STAGE_ONLINE) {
                v->nvme_set = true;
                v->nvme_offline = false;
                (void) sd_event_now(v->manager->event, CLOCK_MONOTONIC, &v->nvme_set_at);
                v->nvme_stage = STAGE_OFFLINE;
                if (managed_pf(v->vf.pf)->nvme_short)
                        nvme_changed(managed_pf(v->vf.pf));
                managed_pf(v->vf.pf)->nvme_stale = true;
        } else {
                const struct nvme_secondary *c =
                                nvme_secondary_of(&managed_pf(v->vf.pf)->nvme, v->vf.index + 1);

                if (stage == STAGE_DETACH && c)
                        nvme_detached(managed_pf(v->vf.pf), c->controller, 0);
                v->nvme_stage = stage + 1;
        }
        vf_advance(v);
}

static struct worker_op stage_op(struct managed_vf *v, enum worker_op_code code, worker_done done) {
        struct worker_op op = vf_op(v, code, done);

        op.vf_scope = false; /* the admin queue that it may hang on is the PF's */
        return op;
}

static void on_attached_again(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;

        if (vf_op_ended(v, reply, fds))
                return;
        if (reply->error < 0) {
                failed(v, reply, REASON_NAMESPACE);
                return;
        }
        if (v->disks)
                disk_remove(v, v->disks);
        vf_advance(v);
}

/* The erase took it from the VF, and the pool says that it stays there. */
static void attach_again(struct managed_vf *v, uint32_t nsid) {
        struct worker_op op = stage_op(v, WORKER_NVME_ATTACH, on_attached_again);

        op.request.value[0] = nsid;
        op.request.value[1] = 1;
        vf_submit(v, &op);
}

/* A worker that has read the list of all namespaces says so. Anything else that is not there, such as the
 * controller's node, says nothing of the data. */
static bool has_no_data(const struct worker_reply *reply) {
        return reply->error >= 0 || (reply->error == -ENOENT && reply->reason == REASON_NO_NAMESPACE);
}

static void on_erased(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;
        struct disk *d = v->disks;

        if (vf_op_ended(v, reply, fds))
                return;
        if (!has_no_data(reply)) {
                failed(v, reply, REASON_ERASE_FAILED);
                return;
        }
        if (d && !d->made && reply->error == 0 && storage_of(v)->namespaces == NAMESPACES_ATTACHED) {
                attach_again(v, d->nsid);
                return;
        }
        if (d)
                nvme_detached(managed_pf(v->vf.pf), -1, d->nsid);
        if (d && d->made && d->erase != ERASE_DELETE && reply->error == 0)
                (void) disk_is_erased(v, d); /* if not written down, it is only erased once more */
        else if (d)
                disk_remove(v, d);
        nvme_changed(managed_pf(v->vf.pf));
        vf_advance(v);
}

static void erase(struct managed_vf *v, uint32_t nsid, enum nvme_erase how, worker_done done) {
        struct worker_op op = stage_op(v, WORKER_NVME_ERASE, done);

        op.request.value[0] = nsid;
        op.request.value[1] = how;
        op.timeout_usec = ERASE_TIMEOUT_USEC;
        vf_submit(v, &op);
}

static bool was_before(const struct disk *d, uint32_t nsid) {
        FOREACH_ARRAY(b, d->before, d->n_before)
                if (*b == nsid)
                        return true;
        return false;
}

/* Controllers count in blocks. */
static bool has_size(const struct nvme_namespace *n, uint64_t bytes) {
        return n->size >= bytes && n->size - bytes < n->block_size;
}

/* The daemon, or a worker, ended between making a namespace and writing its number down. Whatever was not
 * there before, has that size, is in no record and attached to nobody, is that one. 0: none. */
static uint32_t find_orphan(const struct managed_vf *v, const struct disk *d) {
        const struct managed_pf *p = managed_pf(v->vf.pf);

        FOREACH_ARRAY(n, p->nvme.namespaces, p->nvme.primary.n_namespaces)
                if (!was_before(d, n->nsid) && has_size(n, d->size) && !disk_of(p, n->nsid) &&
                    !nvme_others_have(&p->nvme, n->nsid, -1))
                        return n->nsid;
        return 0;
}

/* From now on it is this VF's to delete, and no other one's that looks for its own. */
static void take_orphan(struct managed_vf *v, uint32_t nsid) {
        struct disk *d = v->disks;

        log_with(LOG_NOTICE, (&(struct log_fields){ .address = &v->vf.address }),
                 "namespace %u was made for a lease that never began; it is deleted", nsid);
        d->erase = ERASE_DELETE;
        int r = disk_is_made(v, d, nsid);
        if (r < 0)
                vf_retry_later(v, REASON_STORE_FAILED, errno_text(r));
        else
                vf_advance(v);
}

static void on_looked(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;
        struct managed_pf *p = managed_pf(v->vf.pf);

        int fd = TAKE_FD(fds[0]);
        bool over = vf_op_ended(v, reply, fds);
        int r = over || reply->error < 0 ? reply->error : nvme_take(p, reply, fd);
        close_fd(&fd);
        if (over)
                return;
        uint32_t nsid = r >= 0 && v->disks ? find_orphan(v, v->disks) : 0;
        if (r < 0)
                failed(v, reply, REASON_NVME_FAILED);
        else if (nsid > 0)
                take_orphan(v, nsid);
        else {
                if (v->disks)
                        disk_remove(v, v->disks);
                vf_advance(v);
        }
}

static bool is_listed(const struct storage *s, uint32_t nsid) {
        FOREACH_ARRAY(n, s->list, s->n_list)
                if (*n == nsid)
                        return true;
        return false;
}

/* What nobody would be given may stay as it is, and so does what another has. What the state says of this
 * VF's own controller may be older than the detach. */
static bool would_give(const struct managed_vf *v, const struct storage *s, uint32_t nsid) {
        const struct nvme_state *state = &managed_pf(v->vf.pf)->nvme;
        const struct nvme_secondary *c = nvme_secondary_of(state, v->vf.index + 1);

        if (s->erase == ERASE_NEVER || nvme_others_have(state, nsid, c ? c->controller : -1))
                return false;
        return s->namespaces == NAMESPACES_LISTED
                               ? is_listed(s, nsid)
                               : s->namespaces == NAMESPACES_ATTACHED && c &&
                                                 nvme_is_attached(state, nsid, c->controller);
}

void nvme_claim_kept(struct managed_vf *v) {
        const struct storage *s = storage_of(v);

        for (struct disk *d = managed_pf(v->vf.pf)->disks, *next; d; d = next) {
                next = d->next;
                if (d->kept && would_give(v, s, d->nsid))
                        (void) disk_take_kept(v, d, d->vm, s->erase); /* else nobody gets it */
        }
}

/* What the last owner left, one record after the other. False: nothing (any more). */
static bool step_erase(struct managed_vf *v) {
        struct disk *d;

        while ((d = disks_next(v)) && d->nsid > 0 && d->erase == ERASE_NEVER)
                disk_keep(v, d);
        if (!d) {
                nvme_claim_kept(v);
                d = v->disks;
        }
        if (!d)
                return false;
        if (d->nsid > 0)
                erase(v, d->nsid, (enum nvme_erase) d->erase, on_erased);
        else {
                struct worker_op op = nvme_state_op(v, on_looked);

                op.serial = true; /* after whatever another lease is about to make */
                vf_submit(v, &op);
        }
        return true;
}

static void step_online(struct managed_vf *v) {
        struct worker_op op = stage_op(v, WORKER_NVME_ONLINE, on_stage);

        op.serial = true; /* so that what is left is what each of them sees */
        op.request.value[0] = storage_of(v)->queues;
        op.request.value[1] = storage_of(v)->interrupts;
        vf_submit(v, &op);
}

static void step_detach(struct managed_vf *v) {
        struct worker_op op = stage_op(v, WORKER_NVME_DETACH, on_stage);

        vf_submit(v, &op);
}

/* Without Virtualization Management it does not say which controller a VF is, without Namespace Management
 * not which namespaces a controller has, nor can these be taken from it. */
bool nvme_can_follow(const struct managed_pf *p, const struct storage *s) {
        const uint32_t needed = NVME_CAN_VIRTUALIZE | NVME_CAN_NAMESPACES;

        return (s->namespaces == NAMESPACES_ATTACHED && s->erase == ERASE_NEVER) ||
               (p->nvme.primary.can & needed) == needed;
}

/* Whoever had it has lost it, with its data; who is next waits until the host's disk is gone. */
static void leave_to_host(struct managed_vf *v) {
        if (v->vf.state == VF_RECLAIMING)
                vf_enter(v, VF_EVENT_UNFIT, REASON_NONE);
        vf_blocked(v, REASON_HOST_DISK, "");
}

void nvme_step(struct managed_vf *v) {
        struct managed_pf *p = managed_pf(v->vf.pf);

        if (!p->nvme_known && p->nvme_failed)
                vf_blocked(v, REASON_NVME_FAILED, p->nvme_detail);
        if (!p->nvme_known) {
                if (!p->nvme_failed)
                        nvme_read(p);
                return;
        }
        if (!nvme_can_follow(p, storage_of(v))) {
                vf_blocked(v, REASON_NAMESPACE, NVME_CANNOT_FOLLOW);
                return;
        }
        if (v->nvme_stage == STAGE_OFFLINE && v->fresh) /* just enabled, or reset under our fence */
                v->nvme_stage = STAGE_DETACH;
        if (v->nvme_stage == STAGE_DETACH && storage_of(v)->namespaces == NAMESPACES_ATTACHED)
                v->nvme_stage = STAGE_ERASE;
        if (v->nvme_stage == STAGE_ERASE && !step_erase(v))
                v->nvme_stage = STAGE_ONLINE;
        else if (v->nvme_stage == STAGE_ERASE)
                return;
        if (v->nvme_stage == STAGE_OFFLINE) {
                struct worker_op op = stage_op(v, WORKER_NVME_OFFLINE, on_stage);

                vf_submit(v, &op);
        } else if (v->nvme_stage == STAGE_DETACH)
                step_detach(v);
        else if (nvme_is_hosts(p))
                leave_to_host(v);
        else
                step_online(v);
}
