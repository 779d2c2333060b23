/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases with an end: one timer for the next of them. By the clock of the wall, which is what was written
 * down. */

#include "daemon/events.h"
#include "daemon/lease.h"
#include "daemon/store.h"

#include <errno.h>
#include <time.h>

static uint64_t now_usec(void) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static int on_expiry(sd_event_source *s, uint64_t usec, void *userdata) {
        struct manager *m = userdata;
        uint64_t now = now_usec();

        for (size_t i = m->n_leases; i > 0;
             i--) { /* downwards: a lease may leave the list, and others with it */
                struct lease *l = i <= m->n_leases ? m->leases[i - 1] : NULL;

                if (l && !l->ending && l->expires_usec > 0 && l->expires_usec <= now)
                        lease_end(m, l, "its time is up");
        }
        lease_times_changed(m);
        return 0;
}

void lease_times_changed(struct manager *m) {
        uint64_t next = 0;

        for (size_t i = 0; i < m->n_leases; i++) {
                const struct lease *l = m->leases[i];

                if (!l->ending && l->expires_usec > 0 && (next == 0 || l->expires_usec < next))
                        next = l->expires_usec;
        }
        if (next == 0) {
                if (m->expiry)
                        sd_event_source_set_enabled(m->expiry, SD_EVENT_OFF);
                return;
        }
        if (!m->expiry &&
            sd_event_add_time(m->event, &m->expiry, CLOCK_REALTIME, next, 100000, on_expiry, m) < 0) {
                log_error("out of memory for the timer that ends leases");
                return;
        }
        sd_event_source_set_time(m->expiry, next);
        sd_event_source_set_enabled(m->expiry, SD_EVENT_ONESHOT);
}

enum reason lease_renew(struct manager *m, struct lease *l) {
        const struct tenant *t = m->policy ? policy_find_tenant(m->policy, l->tenant) : NULL;
        uint64_t before = l->expires_usec;

        if (l->ending)
                return REASON_NO_SUCH_LEASE;
        leases_judge(m);
        if (!m->policy)
                return REASON_POLICY_INVALID;
        /* one that has no end yet although the policy wants one gets it now */
        if (!t || (managed_lease(l)->over != REASON_NONE && (before > 0 || t->max_lease == 0)))
                return REASON_OVER_POLICY;
        if (t->max_lease == 0 && before == 0)
                return REASON_NO_EXPIRY;
        l->expires_usec = t->max_lease > 0 ? now_usec() + t->max_lease * 1000000 : 0;
        if (store_lease(managed_lease(l)) < 0) {
                l->expires_usec = before;
                return REASON_STORE_FAILED;
        }
        leases_judge(m);
        lease_times_changed(m);
        events_lease(m, l, "renewed");
        return REASON_NONE;
}

void lease_times_stop(struct manager *m) {
        m->expiry = sd_event_source_disable_unref(m->expiry);
}
