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
        enum reason why; /* it is not served yet */
        char detail[512];
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
        char detail[640];

        snprintf(detail, sizeof(detail), "%s%s%s", reason_sentence(w->why), w->detail[0] ? ": " : "",
                 w->detail);
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

/* Waits for VFs that anybody may give back; others wait for what is their own. */
static bool holds_the_line(enum reason why) {
        return why == REASON_POOL_EMPTY || why == REASON_NUMA || why == REASON_IN_LINE;
}

static unsigned wanted_of(const struct request *r, const char *pool) {
        unsigned n = 0;

        for (size_t i = 0; i < r->n_wants; i++)
                n += strcmp(r->wants[i].pool, pool) == 0 ? r->wants[i].count : 0;
        return n;
}

/* What was promised to a VM is nobody's whom it could overtake. */
static bool is_promised(struct manager *m, const struct request *r) {
        const struct lease *promise = reservation_find(m, r->tenant, r->vm);

        for (size_t i = 0; promise && i < r->n_wants; i++) {
                unsigned n = 0;

                for (size_t k = 0; k < promise->n_vfs; k++)
                        n += strcmp(promise->pools[promise->vfs[k].pool], r->wants[i].pool) == 0;
                if (wanted_of(r, r->wants[i].pool) > n)
                        return false;
        }
        return promise != NULL;
}

bool waiting_has_line(struct manager *m, const struct request *r) {
        for (const struct waiting *w = is_promised(m, r) ? NULL : m->waiting; w; w = w->next)
                if (holds_the_line(w->why) && share_pool(&w->request.request, r))
                        return true;
        return false;
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

/* Behind somebody of the same pool who waits for VFs, or is of the same tenant. */
static bool must_stay(const struct waiting *w) {
        if (is_promised(w->manager, &w->request.request))
                return false;
        for (const struct waiting *i = w->manager->waiting; i != w; i = i->next)
                if (share_pool(&i->request.request, &w->request.request) &&
                    (holds_the_line(i->why) ||
                     strcmp(i->request.request.tenant, w->request.request.tenant) == 0))
                        return true;
        return false;
}

static int on_look(sd_event_source *s, void *userdata) {
        struct manager *m = userdata;
        struct waiting *next;
        char detail[512];

        for (struct waiting *w = m->waiting; w; w = next) {
                struct connection *c = w->connection;

                next = w->next;
                if (must_stay(w))
                        continue;
                enum reason no = acquire_try(c, &w->request, &w->owner, w->detail, sizeof(w->detail));
                if (no != REASON_NONE && reason_may_pass(no)) {
                        w->why = no;
                        continue;
                }
                memcpy(detail, w->detail, sizeof(detail));
                waiting_remove(w); /* if it was served, its connection belongs to the acquisition by now */
                if (no != REASON_NONE)
                        connection_refuse(c, no, detail);
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

/* More VFs than there would be if all of them were given back: waiting is of no use, and would keep others
 * out. */
static bool is_possible(struct manager *m, const struct request *r, char *detail, size_t size) {
        for (size_t i = 0; i < r->n_wants; i++) {
                int pool = policy_find_pool(m->policy, r->wants[i].pool);
                size_t n = 0, wanted = wanted_of(r, r->wants[i].pool);

                bool bound = pool >= 0 && m->policy->pools[pool].numa == NUMA_REQUIRE;
                for (size_t k = 0; k < m->inventory.n_pfs; k++) {
                        const struct pf *pf = m->inventory.pfs[k];

                        if (pool >= 0 && pf->pool == pool && (!bound || pf->numa_node == r->numa_node))
                                n += pf->n_vfs;
                }
                if (n >= wanted)
                        continue;
                snprintf(detail, size, "pool %s has %zu VFs in all%s, %zu are wanted", r->wants[i].pool, n,
                         bound ? " on that node" : "", wanted);
                return false;
        }
        return true;
}

int waiting_add(struct connection *c, const struct acquire_request *r, json_t *parameters,
                struct owner *owner_taken, enum reason why, const char *detail) {
        struct manager *m = c->manager;
        char impossible[160];

        if (!is_possible(m, &r->request, impossible, sizeof(impossible))) {
                connection_refuse(c, REASON_POOL_EMPTY, impossible);
                owner_done(owner_taken);
                return 0;
        }
        struct waiting *w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        *w = (struct waiting){ .manager = m, .connection = c, .request = *r, .why = why };
        int e = sd_event_add_time_relative(m->event, &w->deadline, CLOCK_MONOTONIC, r->wait_usec, 10000,
                                           on_deadline, w);
        if (e < 0) {
                free(w);
                return e;
        }
        w->owner = *owner_taken;
        *owner_taken = OWNER_NONE;
        w->parameters = json_incref(parameters);
        text_copy(w->detail, sizeof(w->detail), detail);
        struct waiting **last = &m->waiting;
        while (*last)
                last = &(*last)->next;
        *last = w;
        connection_suspend(c, on_cancel, w);
        log_with(LOG_INFO, (&(struct log_fields){ .tenant = r->request.tenant, .vm = r->request.vm }),
                 "waits in line: %s%s%s", reason_sentence(why), detail[0] ? ": " : "", detail);
        return 0;
}

void waiting_stop(struct manager *m) {
        while (m->waiting)
                waiting_remove(m->waiting);
        m->waiting_look = sd_event_source_disable_unref(m->waiting_look);
}
