/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One VF as the daemon keeps it: index, state, quarantine. */

#include "daemon/vf.h"
#include "common/text.h"
#include "daemon/events.h"
#include "daemon/lease.h"
#include "daemon/store.h"
#include "daemon/waiting.h"

#include <errno.h>
#include <search.h>
#include <string.h>

static int compare_vf(const void *a, const void *b) {
        const struct vf *x = a, *y = b;

        return address_compare(x->address, y->address);
}

struct managed_vf *managed_vf_new(struct manager *m, const struct vf *facts) {
        struct managed_vf *v = calloc(1, sizeof(*v));

        if (!v)
                return NULL;
        v->vf = *facts;
        v->vf.state = VF_ABSENT;
        v->manager = m;
        v->fence = v->request = -1;
        v->obstacle = _FINDING_MAX;
        if (!tsearch(&v->vf, &m->vf_by_address, compare_vf)) {
                free(v);
                return NULL;
        }
        v->indexed = true;
        return v;
}

void managed_vf_release(struct managed_vf *v) {
        vf_drop_fence(v);
        tdelete(&v->vf, &v->manager->vf_by_address, compare_vf);
        v->indexed = false;
}

void managed_vf_free_orphan(struct managed_vf *v) {
        for (struct managed_vf **i = &v->manager->vf_orphans; *i; i = &(*i)->orphan)
                if (*i == v) {
                        *i = v->orphan;
                        break;
                }
        free(v);
}

struct managed_vf *manager_find_vf(struct manager *m, struct address a) {
        struct vf key = { .address = a };
        struct vf **hit = tfind(&key, &m->vf_by_address, compare_vf);

        return hit ? managed_vf(*hit) : NULL;
}

static void log_enter(struct managed_vf *v, enum vf_state old, enum reason reason) {
        const struct lease *l = lease_of_vf(v);
        struct log_fields f = { .address = &v->vf.address,
                                .tenant = l ? l->tenant : NULL,
                                .vm = l ? l->vm : NULL,
                                .lease = l ? l->id : NULL };
        int level = v->vf.state == VF_QUARANTINED || v->vf.state == VF_STUCK ? LOG_WARNING
                    : l                                                      ? LOG_INFO
                                                                             : LOG_DEBUG;

        if (reason == REASON_NONE)
                log_with(level, &f, "%s -> %s", vf_state_to_string(old), vf_state_to_string(v->vf.state));
        else
                log_with(level, &f, "%s -> %s: %s%s%s", vf_state_to_string(old),
                         vf_state_to_string(v->vf.state), reason_sentence(reason), v->detail[0] ? ": " : "",
                         v->detail);
}

void vf_enter(struct managed_vf *v, enum vf_event e, enum reason reason) {
        enum vf_state old = v->vf.state, now = vf_next(old, e);

        if (now == _VF_STATE_MAX) {
                log_with(LOG_ERR, (&(struct log_fields){ .address = &v->vf.address }),
                         "%s while %s: not allowed", vf_event_to_string(e), vf_state_to_string(old));
                return;
        }
        v->vf.state = now;
        v->vf.reason = v->shown = reason;
        v->retries = v->untold = 0;
        v->retry = false;
        if (now != old || reason != REASON_NONE) {
                log_enter(v, old, reason);
                events_vf(v->manager, v, old);
        }
        if (now == VF_LEASED)
                v->obstacle = _FINDING_MAX;
        if (now == VF_RECLAIMING && old != now)
                v->revoked = v->renewed = v->fresh = v->nvme_set = false;
        if (now == VF_LEASING || now == VF_LEASED)
                v->plain = v->nvme_set = false;
        if (now != old)
                v->nvme_stage = 0;
        if (now == VF_READY) /* another owner's faults are not the next one's */
                memset(&v->fault_window, 0, sizeof(v->fault_window));
        if (now == VF_READY && old != now)
                waiting_soon(v->manager);
        if (now == VF_ABSENT || now == VF_UNBOUND) /* who knows what somebody does to it */
                v->vf.vectors = 0;
        if (now == VF_READY || now == VF_ABSENT)
                v->n_holders = 0, v->detail[0] = '\0';
        if (now == VF_QUARANTINED) {
                v->condemned = REASON_NONE; /* it is done, for whatever reason came first */
                v->unfenced = REASON_NONE;
                text_copy(v->condemned_detail, sizeof(v->condemned_detail), v->detail);
        }
        if (now == VF_QUARANTINED && old != VF_ABSENT)
                store_quarantine(v, v->vf.reason, v->detail);
        if (e == VF_EVENT_CLEARED)
                store_unquarantine(v);
        if (now != old)
                lease_vf_moved(v->manager, v, old);
}

const char *vf_shown_detail(const struct managed_vf *v) {
        return v->vf.state == VF_QUARANTINED ? v->condemned_detail : v->detail;
}

static void quarantine_blocked(struct managed_vf *v, enum reason reason, const char *detail) {
        const struct log_fields f = { .address = &v->vf.address };

        if (reason == v->unfenced)
                return;
        if (reason != REASON_NONE)
                log_with(LOG_WARNING, &f, "quarantined and not fenced: %s%s%s", reason_sentence(reason),
                         detail[0] ? ": " : "", detail);
        else
                log_with(LOG_NOTICE, &f, "quarantined and fenced after all");
        v->unfenced = reason;
}

void vf_blocked(struct managed_vf *v, enum reason reason, const char *detail) {
        bool news = v->shown != reason;

        if (v->vf.state == VF_QUARANTINED) {
                quarantine_blocked(v, reason, detail);
                return;
        }
        if (reason != REASON_NONE && v->fence < 0 && (!v->retry || reason == REASON_HELD))
                v->fresh = false; /* it stands where anybody can use it, and for longer than a moment */
        v->vf.reason = v->shown = reason;
        text_copy(v->detail, sizeof(v->detail), detail);
        if (!news)
                return;
        if (reason != REASON_NONE)
                log_with(LOG_WARNING, (&(struct log_fields){ .address = &v->vf.address }), "stays %s: %s%s%s",
                         vf_state_to_string(v->vf.state), reason_sentence(reason), detail[0] ? ": " : "",
                         detail);
        events_vf(v->manager, v, v->vf.state);
}
