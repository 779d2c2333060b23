/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The line of requests that wait for VFs. */

#include "daemon/waiting.h"
#include "common/text.h"
#include "daemon/reservation.h"

#include <errno.h>
#include <string.h>

struct waiting {
        struct waiting *next;
        struct manager *manager;
        struct connection *connection;
        struct acquire_request request; /* strings in parameters */
        json_t *parameters;
        struct owner owner;
        sd_event_source *deadline;
        enum reason no; /* it is not served yet */
        struct refusal why;
        bool competes; /* for what others may take, who therefore stand behind it */
};

static void waiting_remove(struct waiting *w) {
        for (struct waiting **i = &w->manager->waiting; *i; i = &(*i)->next)
                if (*i == w) {
                        *i = w->next;
                        break;
                }
        sd_event_source_disable_unref(w->deadline);
        json_decref(w->parameters);
        owner_done(&w->owner);
        free(w);
}

static void on_cancel(void *userdata) {
        struct waiting *w = userdata;
        struct manager *m = w->manager;

        waiting_remove(w);
        waiting_soon(m); /* whoever stood behind it may be served */
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        struct waiting *w = userdata;
        struct manager *m = w->manager;
        struct connection *c = w->connection;
        char detail[REFUSAL_TEXT_MAX + 160];

        snprintf(detail, sizeof(detail), "%s%s%s", reason_sentence(w->no), w->why.detail[0] ? ": " : "",
                 REFUSAL_STR(&w->why, c->peer.admin));
        waiting_remove(w);
        connection_refuse(c, REASON_WAITED, detail);
        waiting_soon(m);
        return 0;
}

static bool share_pool(const struct request *a, const struct request *b) {
        for (size_t i = 0; i < a->n_wants; i++)
                for (size_t k = 0; k < b->n_wants; k++)
                        if (strcmp(a->wants[i].pool, b->wants[k].pool) == 0)
                                return true;
        return false;
}

static unsigned wanted_of(const struct request *r, const char *pool) {
        unsigned n = 0;

        for (size_t i = 0; i < r->n_wants; i++)
                n += strcmp(r->wants[i].pool, pool) == 0 ? r->wants[i].count : 0;
        return n;
}

/* VFs that are promised to a VM and that it could have now. */
static unsigned promised_of(struct manager *m, const struct lease *promise, const char *pool) {
        unsigned n = 0;

        for (size_t i = 0; i < promise->n_vfs; i++) {
                const struct managed_vf *v = manager_find_vf(m, promise->vfs[i].address);

                n += v && v->vf.state == VF_READY && strcmp(promise->pools[promise->vfs[i].pool], pool) == 0;
        }
        return n;
}

/* What was promised to a VM is nobody's whom it could overtake. */
static bool is_promised(struct manager *m, const struct request *r) {
        const struct lease *promise = reservation_find(m, r->tenant, r->vm);

        for (size_t i = 0; promise && i < r->n_wants; i++)
                if (wanted_of(r, r->wants[i].pool) > promised_of(m, promise, r->wants[i].pool))
                        return false;
        return promise != NULL;
}

/* What comes later must not take from w what it waits for. */
static bool goes_first(const struct waiting *w, const struct request *later) {
        const struct request *r = &w->request.request;

        if (strcmp(r->tenant, later->tenant) == 0 && w->no == REASON_TOTAL_QUOTA)
                return true;
        return share_pool(r, later) && (w->competes || strcmp(r->tenant, later->tenant) == 0);
}

/* Among those before `end`. */
static bool must_stand_behind(struct manager *m, const struct request *r, const struct waiting *end) {
        for (const struct waiting *w = is_promised(m, r) ? end : m->waiting; w != end; w = w->next)
                if (goes_first(w, r))
                        return true;
        return false;
}

bool waiting_has_line(struct manager *m, const struct request *r) {
        return must_stand_behind(m, r, NULL);
}

size_t waiting_count(const struct manager *m, const char *pool) {
        size_t n = 0;

        for (const struct waiting *w = m->waiting; w; w = w->next)
                for (size_t i = 0; i < w->request.request.n_wants; i++)
                        if (strcmp(w->request.request.wants[i].pool, pool) == 0) {
                                n++;
                                break;
                        }
        return n;
}

/* Refused, and waits on. */
static void stays(struct waiting *w, enum reason no) {
        const struct world world = manager_world(w->manager);

        w->no = no;
        w->competes = allocate_competes(&world, &w->request.request, no);
}

static int on_look(sd_event_source *s, void *userdata) {
        struct manager *m = userdata;
        struct waiting *next;

        for (struct waiting *w = m->waiting; w; w = next) {
                struct connection *c = w->connection;

                next = w->next;
                if (must_stand_behind(m, &w->request.request, w))
                        continue;
                enum reason no = acquire_try(c, &w->request, &w->owner, &w->why);
                if (no != REASON_NONE && reason_may_pass(no)) {
                        stays(w, no);
                        continue;
                }
                const struct refusal why = w->why;
                waiting_remove(w); /* if it was served, its connection belongs to the acquisition by now */
                if (no != REASON_NONE)
                        acquire_refuse(c, no, &why);
        }
        return 0;
}

void waiting_soon(struct manager *m) {
        if (!m->waiting)
                return;
        if (!m->waiting_look) {
                if (sd_event_add_defer(m->event, &m->waiting_look, on_look, m) < 0)
                        return; /* the deadlines answer them */
        }
        sd_event_source_set_enabled(m->waiting_look, SD_EVENT_ONESHOT);
}

/* True, and it was answered: waiting is of no use, and would keep others out. Not said while VFs are still
 * made for the first time. */
static bool refused_for_ever(struct connection *c, const struct acquire_request *r) {
        const struct world w = manager_world(c->manager);
        struct refusal why;

        int no = c->manager->settled ? allocate_ever(&w, &r->request, &why) : REASON_NONE;
        if (no <= REASON_NONE)
                return false;
        acquire_refuse(c, (enum reason) no, &why);
        return true;
}

int waiting_add(struct connection *c, const struct acquire_request *r, json_t *parameters,
                struct owner *owner_taken, enum reason no, const struct refusal *why) {
        struct manager *m = c->manager;

        if (refused_for_ever(c, r)) {
                owner_done(owner_taken);
                return 0;
        }
        struct waiting *w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        *w = (struct waiting){ .manager = m, .connection = c, .request = *r, .why = *why };
        int e = sd_event_add_time_relative(m->event, &w->deadline, CLOCK_MONOTONIC, r->wait_usec, 10000,
                                           on_deadline, w);
        if (e < 0) {
                free(w);
                return e;
        }
        w->owner = *owner_taken;
        *owner_taken = OWNER_NONE;
        w->parameters = json_incref(parameters);
        stays(w, no);
        struct waiting **last = &m->waiting;
        while (*last)
                last = &(*last)->next;
        *last = w;
        connection_suspend(c, on_cancel, w);
        log_with(LOG_INFO, (&(struct log_fields){ .tenant = r->request.tenant, .vm = r->request.vm }),
                 "waits in line: %s%s%s", reason_sentence(no), why->detail[0] ? ": " : "",
                 REFUSAL_STR(why, true));
        return 0;
}

void waiting_stop(struct manager *m) {
        while (m->waiting)
                waiting_remove(m->waiting);
        m->waiting_look = sd_event_source_disable_unref(m->waiting_look);
}
