/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quarantine by rule or by hand. */

#include "daemon/quarantine.h"
#include "common/message-id.h"
#include "common/text.h"
#include "daemon/events.h"
#include "daemon/lease.h"
#include "daemon/store.h"

#include <errno.h>

/* Its owner can switch Bus Master on again: vfio-pci passes that bit of the command register on
 * (drivers/vfio/pci/vfio_pci_config.c:vfio_basic_config_write). */
#define CUT_OFF_AGAIN_USEC (2ULL * 1000000ULL)

static void cut_off_ended(struct managed_vf *v, int error, const char *detail) {
        if (error < 0 && !v->cut_off_failed)
                log_with(LOG_ERR, (&(struct log_fields){ .address = &v->vf.address }),
                         "could not be cut off, only the IOMMU stands before it: %s", detail);
        v->cut_off_failed = error < 0;
}

static void on_cut_off(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;

        if (vf_op_ended(v, reply, fds))
                return;
        cut_off_ended(v, reply->error, reply->detail);
        vf_advance(v);
}

void vf_cut_off(struct managed_vf *v) {
        struct worker_op op = vf_op(v, WORKER_CUT_OFF, on_cut_off);

        /* of one that hangs each try would take another worker away */
        if (!v->busy && v->vf.state == VF_LEASED && !vf_hangs_in(v, WORKER_CUT_OFF))
                vf_submit(v, &op);
}

/* Walks the leases, not all VFs; over when no leased VF is condemned any more. */
static int on_again(sd_event_source *s, uint64_t usec, void *userdata) {
        struct manager *m = userdata;
        bool more = false;

        for (size_t i = 0; i < m->n_leases; i++)
                for (size_t k = 0; k < m->leases[i]->n_vfs; k++) {
                        struct managed_vf *v = manager_find_vf(m, m->leases[i]->vfs[k].address);

                        if (!v || v->condemned == REASON_NONE || v->vf.state != VF_LEASED)
                                continue;
                        vf_cut_off(v);
                        more = true;
                }
        if (more)
                sd_event_source_set_time_relative(s, CUT_OFF_AGAIN_USEC);
        sd_event_source_set_enabled(s, more ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
        return 0;
}

static void watch(struct manager *m) {
        if (!m->cut_off && sd_event_add_time_relative(m->event, &m->cut_off, CLOCK_MONOTONIC,
                                                      CUT_OFF_AGAIN_USEC, 0, on_again, m) < 0) {
                log_error("out of memory for the timer that cuts condemned VFs off again");
                return;
        }
        sd_event_source_set_time_relative(m->cut_off, CUT_OFF_AGAIN_USEC);
        sd_event_source_set_enabled(m->cut_off, SD_EVENT_ONESHOT);
}

void quarantine_stop(struct manager *m) {
        m->cut_off = sd_event_source_disable_unref(m->cut_off);
}

static void log_condemned(const struct managed_vf *v, const struct lease *l) {
        const struct log_fields f = { .address = &v->vf.address,
                                      .tenant = l ? l->tenant : NULL,
                                      .vm = l ? l->vm : NULL,
                                      .lease = l ? l->id : NULL,
                                      .message_id = MESSAGE_ID_QUARANTINE };

        log_with(LOG_WARNING, &f, "taken out of use%s: %s%s%s", l ? ", its owner is asked to release it" : "",
                 reason_sentence(v->condemned), v->condemned_detail[0] ? ": " : "", v->condemned_detail);
}

bool vf_meets_its_end(struct managed_vf *v) {
        if (v->condemned == REASON_NONE || v->busy ||
            (v->vf.state != VF_UNBOUND && v->vf.state != VF_BOUND && v->vf.state != VF_READY &&
             v->vf.state != VF_RECLAIMING))
                return false;
        text_copy(v->detail, sizeof(v->detail), v->condemned_detail);
        vf_enter(v, VF_EVENT_FAILED, v->condemned);
        v->condemned = REASON_NONE;
        return true;
}

int vf_condemn(struct managed_vf *v, enum reason reason, const char *detail) {
        struct lease *l = lease_of_vf(v);
        bool again = v->condemned != REASON_NONE;

        if (v->vf.state == VF_ABSENT || v->vf.state == VF_UNMANAGED)
                return -EINVAL;
        if (v->vf.state == VF_QUARANTINED) {
                text_copy(v->condemned_detail, sizeof(v->condemned_detail), detail);
                v->vf.reason = v->shown = reason;
                store_quarantine(v, reason, detail);
                return 0;
        }
        v->condemned = reason;
        text_copy(v->condemned_detail, sizeof(v->condemned_detail), detail);
        store_quarantine(v, reason, detail); /* before anything is done: a crash now forgets nothing */
        if (!again)
                log_condemned(v, l);
        if (v->vf.state == VF_LEASING && l)
                lease_end(v->manager, l, "a VF of it was taken out of use");
        else if (v->vf.state == VF_LEASED) {
                vf_cut_off(v);
                watch(v->manager);
                if (!again)
                        events_release_requested(v->manager, v);
        } else if (v->vf.state != VF_RECLAIMING && vf_meets_its_end(v))
                vf_advance(v); /* if it is busy, all of this comes when it is not any more */
        return 0;
}

void vf_hangs_leased(struct managed_vf *v) {
        char detail[sizeof(v->condemned_detail)];

        snprintf(detail, sizeof(detail), "%s did not return", worker_op_name(v->op));
        if (v->op == WORKER_CUT_OFF)
                cut_off_ended(v, -ETIMEDOUT, detail);
        if (v->condemned == REASON_NONE)
                vf_condemn(v, REASON_STUCK, detail);
}

int vf_clear(struct managed_vf *v, const char *why) {
        enum reason reason = v->vf.state == VF_QUARANTINED ? v->vf.reason : v->condemned;

        if (reason == REASON_NONE)
                return -EINVAL;
        log_with(LOG_NOTICE, (&(struct log_fields){ .address = &v->vf.address }), "cleared by %s", why);
        events_cleared(v->manager, v, reason, why);
        v->condemned = REASON_NONE;
        v->cut_off_failed = false;
        v->fault_window = (struct fault_window){ 0 }; /* what it did was judged, and pardoned */
        if (v->vf.state != VF_QUARANTINED) {
                store_unquarantine(v);
                return 0;
        }
        v->last_hand_off = HAND_OFF_AUTO; /* whoever had it last: trust nothing */
        v->listen_tries = 0;
        vf_enter(v, VF_EVENT_CLEARED, REASON_NONE);
        vf_advance(v);
        return 0;
}

bool vf_restore_quarantine(struct managed_vf *v) {
        enum reason reason;
        char detail[sizeof(v->detail)];

        if (!store_is_quarantined(v->manager, v->vf.address, &reason, detail, sizeof(detail)))
                return false;
        if (v->vf.state != VF_ABSENT) { /* its lease came first */
                v->condemned = reason;
                text_copy(v->condemned_detail, sizeof(v->condemned_detail), detail);
                watch(v->manager);
                return true;
        }
        text_copy(v->detail, sizeof(v->detail), detail);
        vf_enter(v, VF_EVENT_FAILED, reason);
        return true;
}
