/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every operation on a VF shares: asking a worker, the fence, the facts. */

#include "common/text.h"
#include "daemon/fdstore.h"
#include "daemon/pf.h"
#include "daemon/quarantine.h"
#include "daemon/store.h"
#include "daemon/vf.h"
#include "iommu/fence.h"
#include "iommu/group.h"
#include "sriov/inventory.h"

#include <errno.h>
#include <string.h>

_Static_assert(_WORKER_OP_MAX <= 64, "a bit for each in managed_vf.hanging");

struct worker_op vf_op(struct managed_vf *v, enum worker_op_code code, worker_done done) {
        struct worker_op op = worker_op_make(code, v->vf.address, v->vf.pf->address, done, v);

        if (v->vf.pf->whole)
                op.request.value[3] = WORKER_WHOLE;
        op.vf_scope = true; /* opens and resets through VFIO take no lock but the VF's */
        return op;
}

/* Out of memory: the operation ends as if a worker had said so, but from the loop, as all callbacks do. */
static void submit_failed(struct managed_vf *v, const struct worker_op *op) {
        struct worker_reply reply = { .error = -ENOMEM };
        int fds[WORKER_FDS_MAX] = { -1, -1 };

        text_copy(reply.detail, sizeof(reply.detail), "out of memory");
        op->done(&reply, fds, v);
}

void vf_submit(struct managed_vf *v, const struct worker_op *op) {
        v->busy = true;
        v->vf_scope = op->vf_scope;
        v->op = op->request.op;
        if (worker_link_submit(v->manager->link, op) < 0)
                submit_failed(v, op);
}

/* Nothing explains a hang but the device or its driver, so an administrator has to look at it. Only unbinding
 * waits for a descriptor that an owner hides, and says nothing about the VF; nor does a hang of what it only
 * waited behind. One that is quarantined goes back there, whatever it was. */
static void condemn_hung(struct managed_vf *v, bool waited) {
        if (v->vf.state == VF_QUARANTINED) {
                v->condemned = v->vf.reason;
                return;
        }
        if (waited || v->op == WORKER_RENEW || v->condemned != REASON_NONE)
                return;
        v->condemned = REASON_STUCK;
        snprintf(v->condemned_detail, sizeof(v->condemned_detail), "%s did not return",
                 worker_op_name(v->op));
        store_quarantine(v, REASON_STUCK, v->condemned_detail);
}

bool vf_hangs_in(const struct managed_vf *v, enum worker_op_code code) {
        return v->hanging & 1ULL << code;
}

/* A leased VF stays its owner's. If it alone hangs, it is taken out of use; if its PF does, nothing is done
 * to either until that is over. */
static void op_hangs(struct managed_vf *v, bool waited) {
        if (!waited)
                v->hanging |= 1ULL << v->op;
        if (v->vf.state != VF_LEASED) {
                condemn_hung(v, waited);
                vf_enter(v, VF_EVENT_HUNG, REASON_STUCK);
        } else if (!waited && v->vf_scope)
                vf_hangs_leased(v);
        if (!v->vf_scope)
                pf_hangs(managed_pf(v->vf.pf));
}

bool vf_op_ended(struct managed_vf *v, const struct worker_reply *reply, int fds[WORKER_FDS_MAX]) {
        v->busy = false;
        if (reply->detail[0])
                text_copy(v->detail, sizeof(v->detail), reply->detail);
        if (v->vf.state == VF_ABSENT) { /* it went away meanwhile */
                for (unsigned i = 0; i < WORKER_FDS_MAX; i++)
                        close_fd(&fds[i]);
                if (!v->indexed) /* the inventory let it go already and left it to us */
                        managed_vf_free_orphan(v);
                return true;
        }
        if (reply->error == -ETIMEDOUT || reply->error == -ECANCELED) {
                op_hangs(v, reply->error == -ECANCELED);
                return true;
        }
        /* Whatever the worker says of a VF that is on its way out, the reason is that it goes */
        if (reply->error < 0 && vf_refresh(v) == -ENODEV) {
                pf_rescan_soon(managed_pf(v->vf.pf));
                return true;
        }
        return false;
}

bool vf_has_vfio(const struct vf *vf) {
        return driver_is_vfio(vf->driver);
}

int vf_refresh(struct managed_vf *v) {
        int r = inventory_scan_vf(v->manager->root_fd, &v->vf);

        if (r >= 0)
                r = group_read(v->manager->root_fd, &v->vf);
        return r;
}

void vf_keep_fence(struct managed_vf *v, int fd_taken) {
        vf_stop_listening(v);
        close_fd(&v->fence);
        v->fence = fd_taken;
}

void vf_store_fence(struct managed_vf *v) {
        if (v->fence < 0 || v->fence_stored)
                return;
        v->stored_msi = v->vf.msi_isolated == TRI_YES;
        v->fence_stored = fdstore_put(v->manager->fdstore, v->vf.address, v->stored_msi, v->fence) >= 0;
}

bool vf_fence_holds(const struct managed_vf *v) {
        return v->fence < 0 || fence_holds(&v->vf, v->manager->inventory.fence, v->fence);
}

void vf_drop_fence(struct managed_vf *v) {
        if (v->fence_stored)
                fdstore_remove(v->manager->fdstore, v->vf.address, v->stored_msi);
        v->fence_stored = false;
        vf_stop_listening(v);
        if (v->fence >= 0)
                v->fresh = v->plain = v->nvme_set = false; /* from now on anybody may use it */
        close_fd(&v->fence);
}
