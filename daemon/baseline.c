/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The baseline is read when a VF is seen first, after all that could let one tenant reach into another's
 * traffic was taken away: VLAN, rates, trust, a spoof check that is off. It is kept under /run, since it ends
 * with the VF. */

#include "daemon/baseline.h"
#include "common/net-driver.h"
#include "daemon/store.h"
#include "daemon/told.h"

#include <errno.h>

#define NETWORK_CLASS 0x02U
#define TRIES_MAX     10U /* of change sets that fail as a whole */

static bool has_attributes(const struct managed_vf *v) {
        const struct pf *pf = v->vf.pf;

        /* A PF that never had an interface has told its VFs nothing. One that lost it, to another network
         * namespace say, may have: that must be taken away before anybody else has the VF. */
        return pf->class >> 16 == NETWORK_CLASS && !pf->whole &&
               (pf->netdev[0] || v->baseline_known || net_driver_is_known(pf->driver));
}

bool baseline_is_due(const struct managed_vf *v) {
        return !v->plain && has_attributes(v);
}

/* Nobody has used a VF that we enabled just now: its MAC is its own. Of any other it may be anybody's. How
 * many event queues a VF has by nature only its card knows. A function must be active, or its VF does
 * nothing. */
static struct vf_attributes unknown_baseline(const struct managed_vf *v) {
        const uint32_t all = ATTR_ALL & ~ATTR_MAX_IO_EQS;

        return (struct vf_attributes){ .set = v->fresh ? all & ~ATTR_MAC : all,
                                       .spoof_check = true,
                                       .link_state = LINK_STATE_AUTO,
                                       .function_state = FUNCTION_STATE_ACTIVE };
}

/* The VF is not to blame, and nobody gets it before it has its baseline. */
static bool may_try_again(struct managed_vf *v, const struct worker_reply *reply) {
        if (reply->error == -ENODEV || /* its PF has no interface now; it may come back */
            reply->error == -ENETDOWN) /* rates wait for the link */
                return true;
        if (told_tried(reply) || worker_reply_is_transient(reply) || reply->reason == REASON_NOT_MANAGED)
                return false; /* vf_step_failed() knows what to do */
        return v->untold++ < TRIES_MAX;
}

static void on_restored(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;

        if (vf_op_ended(v, reply, fds))
                return;
        if (reply->error < 0 && may_try_again(v, reply)) {
                vf_retry_later(v, REASON_ATTRIBUTES, v->detail);
                return;
        }
        if (reply->error < 0) {
                vf_step_failed(v, reply,
                               reply->reason && reply->reason < _REASON_MAX ? (enum reason) reply->reason
                                                                            : REASON_ATTRIBUTES);
                return;
        }
        if (!v->baseline_known) {
                v->baseline = told_attributes(reply);
                v->baseline_known = true;
                store_baseline(v);
        }
        v->rested = told_attributes(reply);
        v->plain = true;
        vf_advance(v);
}

void baseline_step(struct managed_vf *v) {
        const struct vf_change change = { .mode = VF_CHANGE_RESTORE,
                                          .attributes = v->baseline_known ? v->baseline
                                                                          : unknown_baseline(v) };

        if (told_submit(v, &change, on_restored, v) < 0)
                vf_retry_later(v, REASON_ATTRIBUTES, "out of memory");
}

struct vf_attributes baseline_with(const struct managed_vf *v, const struct vf_attributes *lease) {
        struct vf_attributes base = v->rested;

        if (base.set == 0 && v->baseline_known) { /* before the last restart */
                base = v->baseline;
                base.set &= ~ATTR_MAC; /* that may have become a random one */
        }
        return attributes_overlay(&base, lease);
}
