/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCIe errors. */

#include "daemon/aer.h"
#include "common/message-id.h"
#include "common/text.h"
#include "daemon/events.h"
#include "daemon/lease.h"
#include "daemon/pf.h"

#include <string.h>

#define TICK_USEC        (1ULL * 1000000ULL)
#define FUNCTIONS_A_TICK 64U /* three small files each: the loop must not be busy with them */

static void tell(struct manager *m, struct address a, const char *what, const char *message) {
        struct managed_vf *v = manager_find_vf(m, a);
        const struct lease *l = v ? lease_of_vf(v) : NULL;

        log_with(LOG_WARNING,
                 (&(struct log_fields){ .address = &a,
                                        .tenant = l ? l->tenant : NULL,
                                        .vm = l ? l->vm : NULL,
                                        .lease = l ? l->id : NULL,
                                        .message_id = MESSAGE_ID_AER }),
                 "PCIe errors: %s", message);
        if (v)
                events_device(m, v, "aer", what, message);
        else
                events_function(m, &a, "aer", what, message);
}

/* The first look only remembers: what happened before is not news. */
static void look(struct manager *m, struct address a, struct aer_counts *known, bool *seen) {
        struct aer_counts now;
        char message[160];

        if (aer_read(m->root_fd, a, &now) < 0)
                return;
        if (*seen && (now.correctable > known->correctable || now.nonfatal > known->nonfatal ||
                      now.fatal > known->fatal)) {
                snprintf(message, sizeof(message),
                         "%llu correctable, %llu nonfatal, %llu fatal more; %llu, %llu, %llu in all",
                         (unsigned long long) (now.correctable - known->correctable),
                         (unsigned long long) (now.nonfatal - known->nonfatal),
                         (unsigned long long) (now.fatal - known->fatal),
                         (unsigned long long) now.correctable, (unsigned long long) now.nonfatal,
                         (unsigned long long) now.fatal);
                tell(m, a,
                     now.fatal > known->fatal         ? "fatal"
                     : now.nonfatal > known->nonfatal ? "nonfatal"
                                                      : "correctable",
                     message);
        }
        *known = now;
        *seen = true;
}

/* The function after the one that was looked at last; a PF comes before its VFs. */
static void look_at_next(struct manager *m) {
        struct inventory *inv = &m->inventory;

        if (m->aer_pf >= inv->n_pfs)
                m->aer_pf = 0, m->aer_vf = 0;
        if (m->aer_pf >= inv->n_pfs)
                return;
        struct pf *pf = inv->pfs[m->aer_pf];
        if (m->aer_vf == 0)
                look(m, pf->address, &managed_pf(pf)->aer, &managed_pf(pf)->aer_seen);
        else if (m->aer_vf <= pf->n_vfs) {
                struct managed_vf *v = managed_vf(pf->vfs[m->aer_vf - 1]);

                look(m, v->vf.address, &v->aer, &v->aer_seen);
        }
        if (m->aer_vf++ >= pf->n_vfs)
                m->aer_pf++, m->aer_vf = 0;
}

static int on_tick(sd_event_source *s, uint64_t usec, void *userdata) {
        struct manager *m = userdata;
        size_t n = 0;

        for (size_t i = 0; i < m->inventory.n_pfs && n < FUNCTIONS_A_TICK; i++)
                n += 1 + m->inventory.pfs[i]->n_vfs;
        for (size_t i = MIN(n, (size_t) FUNCTIONS_A_TICK); i > 0; i--)
                look_at_next(m);
        sd_event_source_set_time_relative(s, TICK_USEC);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

void aer_recovery(struct manager *m, struct address a, const char *what) {
        struct managed_vf *v = manager_find_vf(m, a);
        struct pf *pf = v ? NULL : inventory_find_pf(&m->inventory, a);
        char message[64];

        if (!v && !pf)
                return;
        snprintf(message, sizeof(message), "recovery: %s", what);
        tell(m, a, "recovery", message);
        if (v)
                look(m, a, &v->aer, &v->aer_seen);
        else
                look(m, a, &managed_pf(pf)->aer, &managed_pf(pf)->aer_seen);
}

int aer_start(struct manager *m) {
        return sd_event_add_time_relative(m->event, &m->aer, CLOCK_MONOTONIC, TICK_USEC, 0, on_tick, m);
}

void aer_stop(struct manager *m) {
        m->aer = sd_event_source_disable_unref(m->aer);
}
