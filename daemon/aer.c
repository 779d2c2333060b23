/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCIe errors. */

#include "daemon/aer.h"
#include "common/message-id.h"
#include "common/text.h"
#include "daemon/events.h"
#include "daemon/lease.h"
#include "daemon/pf.h"

#include <errno.h>
#include <string.h>

#define TICK_USEC        (1ULL * 1000000ULL)
#define FUNCTIONS_A_TICK 64U /* three small files each: the loop must not be busy with them */

/* A port or bridge on the way from the root complex to PFs. */
struct bridge {
        struct address address;
        struct aer_counts known;
        bool seen;
};

struct aer {
        struct manager *manager;
        sd_event_source *tick;
        /* which is next: index of the PF, 0 or 1 + index of its VF; after the last PF the bridges */
        size_t pf, vf, bridge;
        struct bridge *bridges; /* of the paths as they were when the round began */
        size_t n_bridges;
};

static bool is_below(const struct pf *pf, struct address bridge) {
        for (size_t i = 1; i < pf->n_path; i++) /* the first hop is the PF itself */
                if (address_equal(pf->path[i].address, bridge))
                        return true;
        return false;
}

#define BELOW_MAX 160U

/* Names the PFs below a bridge. False: there are none. */
static bool name_below(const struct manager *m, struct address bridge, char ret[BELOW_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < m->inventory.n_pfs && n < BELOW_MAX - 2 * ADDRESS_STR_MAX; i++)
                if (is_below(m->inventory.pfs[i], bridge))
                        n += (size_t) snprintf(ret + n, BELOW_MAX - n, "%s%s", n > 0 ? ", " : "above ",
                                               ADDRESS_STR(m->inventory.pfs[i]->address));
        return n > 0;
}

static void tell(struct manager *m, struct address a, const char *what, const char *message) {
        struct managed_vf *v = manager_find_vf(m, a);
        const struct lease *l = v ? lease_of_vf(v) : NULL;
        char text[400], below[BELOW_MAX];
        bool bridge = !v && !inventory_find_pf(&m->inventory, a) && name_below(m, a, below);

        snprintf(text, sizeof(text), "%s%s%s", bridge ? below : "", bridge ? ": " : "", message);
        log_with(LOG_WARNING,
                 (&(struct log_fields){ .address = &a,
                                        .tenant = l ? l->tenant : NULL,
                                        .vm = l ? l->vm : NULL,
                                        .lease = l ? l->id : NULL,
                                        .message_id = MESSAGE_ID_AER }),
                 "PCIe errors: %s", text);
        if (v)
                events_device(m, v, "aer", what, text);
        else
                events_function(m, &a, "aer", what, text);
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

static void look_at_function(struct aer *w) {
        struct pf *pf = w->manager->inventory.pfs[w->pf];

        if (w->vf == 0)
                look(w->manager, pf->address, &managed_pf(pf)->aer, &managed_pf(pf)->aer_seen);
        else if (w->vf <= pf->n_vfs) {
                struct managed_vf *v = managed_vf(pf->vfs[w->vf - 1]);

                look(w->manager, v->vf.address, &v->aer, &v->aer_seen);
        }
        if (w->vf++ >= pf->n_vfs)
                w->pf++, w->vf = 0;
}

static void look_at_bridge(struct aer *w, struct bridge *b) {
        look(w->manager, b->address, &b->known, &b->seen);
}

static struct bridge *find_bridge(struct bridge *bridges, size_t n, struct address a) {
        for (size_t i = 0; i < n; i++)
                if (address_equal(bridges[i].address, a))
                        return &bridges[i];
        return NULL;
}

/* Those of all paths, each once; what was known of them stays. Few: the walks are short. */
static void find_bridges(struct aer *w) {
        const struct inventory *inv = &w->manager->inventory;
        size_t n = 0, size = 0;

        for (size_t i = 0; i < inv->n_pfs; i++)
                size += inv->pfs[i]->n_path;
        struct bridge *now = calloc(MAX(size, (size_t) 1), sizeof(*now));
        if (!now)
                return; /* the old ones do */
        for (size_t i = 0; i < inv->n_pfs; i++)
                for (size_t k = 1; k < inv->pfs[i]->n_path; k++) {
                        struct address a = inv->pfs[i]->path[k].address;

                        if (find_bridge(now, n, a))
                                continue;
                        const struct bridge *old = find_bridge(w->bridges, w->n_bridges, a);
                        now[n++] = old ? *old : (struct bridge){ .address = a };
                }
        free(w->bridges);
        w->bridges = now;
        w->n_bridges = n;
}

/* The function after the one that was looked at last: a PF before its VFs, bridges after them all. */
static void look_at_next(struct aer *w) {
        if (w->pf >= w->manager->inventory.n_pfs && w->bridge >= w->n_bridges) {
                w->pf = w->vf = w->bridge = 0;
                find_bridges(w);
        }
        if (w->pf < w->manager->inventory.n_pfs)
                look_at_function(w);
        else if (w->bridge < w->n_bridges)
                look_at_bridge(w, &w->bridges[w->bridge++]);
}

static int on_tick(sd_event_source *s, uint64_t usec, void *userdata) {
        struct aer *w = userdata;
        const struct inventory *inv = &w->manager->inventory;
        size_t n = w->n_bridges;

        for (size_t i = 0; i < inv->n_pfs && n < FUNCTIONS_A_TICK; i++)
                n += 1 + inv->pfs[i]->n_vfs;
        for (size_t i = MIN(n, (size_t) FUNCTIONS_A_TICK); i > 0; i--)
                look_at_next(w);
        sd_event_source_set_time_relative(s, TICK_USEC);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

void aer_recovery(struct manager *m, struct address a, const char *what) {
        struct managed_vf *v = manager_find_vf(m, a);
        struct pf *pf = v ? NULL : inventory_find_pf(&m->inventory, a);
        char message[64], below[BELOW_MAX];

        if (!v && !pf && !name_below(m, a, below))
                return;
        snprintf(message, sizeof(message), "recovery: %s", what);
        tell(m, a, "recovery", message);
        struct bridge *b = v || pf || !m->aer ? NULL : find_bridge(m->aer->bridges, m->aer->n_bridges, a);
        if (v)
                look(m, a, &v->aer, &v->aer_seen);
        else if (pf)
                look(m, a, &managed_pf(pf)->aer, &managed_pf(pf)->aer_seen);
        else if (b)
                look_at_bridge(m->aer, b);
}

int aer_start(struct manager *m) {
        struct aer *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        m->aer = w;
        w->manager = m;
        return sd_event_add_time_relative(m->event, &w->tick, CLOCK_MONOTONIC, TICK_USEC, 0, on_tick, w);
}

void aer_stop(struct manager *m) {
        struct aer *w = m->aer;

        m->aer = NULL;
        if (!w)
                return;
        sd_event_source_disable_unref(w->tick);
        free(w->bridges);
        free(w);
}
