/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statistics by PF: asking workers, and what they said last. */

#include "daemon/stats.h"
#include "common/net-driver.h"
#include "daemon/worker-stats.h"
#include "sriov/netvf-stats.h"

#include <errno.h>
#include <string.h>

/* The kernel answers one after another (the lock of all network interfaces), and while somebody holds that,
 * leases need the other workers. */
#define QUESTIONS_MAX 4U

/* A PF that took a worker with it is left alone for so long. */
#define REST_USEC (60ULL * 1000000ULL)

struct pf_stats {
        struct pf_stats *next;
        struct manager *manager;
        struct address pf;
        bool asking;
        bool stale;                         /* its VFs have changed since it was asked */
        bool counts_nothing;                /* its driver, as far as is known */
        bool told;                          /* that it cannot be read; once */
        uint64_t asked, looked, rest_until; /* usec, monotonic; 0 never */
        uint64_t read;                      /* when the kernel was asked, by the worker's clock */
        struct vf_statistics *list;         /* NULL: unknown */
        size_t n;
};

static uint64_t now_usec(const struct manager *m) {
        uint64_t usec = 0;

        (void) sd_event_now(m->event, CLOCK_MONOTONIC, &usec);
        return usec;
}

static void drop_list(struct pf_stats *s) {
        free(TAKE_PTR(s->list));
        s->n = 0;
}

static struct pf_stats *find(const struct manager *m, struct address pf) {
        for (struct pf_stats *s = m->stats; s; s = s->next)
                if (address_equal(s->pf, pf))
                        return s;
        return NULL;
}

/* Those of PFs that have left the host. */
static void forget_gone(struct manager *m) {
        for (struct pf_stats **i = &m->stats; *i;) {
                struct pf_stats *s = *i;

                if (s->asking || inventory_find_pf(&m->inventory, s->pf)) {
                        i = &s->next;
                        continue;
                }
                *i = s->next;
                drop_list(s);
                free(s);
        }
}

static struct pf_stats *find_or_make(struct manager *m, struct address pf) {
        struct pf_stats *s = find(m, pf);

        if (s)
                return s;
        forget_gone(m);
        s = malloc(sizeof(*s));
        if (s) {
                *s = (struct pf_stats){ .next = m->stats, .manager = m, .pf = pf };
                m->stats = s;
        }
        return s;
}

/* A driver that counts after all is believed. */
static bool all_zero(const struct pf_stats *s) {
        FOREACH_ARRAY(i, s->list, s->n)
                FOREACH_ARRAY(v, i->counters.value, _COUNTER_MAX)
                        if (*v > 0)
                                return false;
        return true;
}

static void take(struct pf_stats *s, const struct worker_reply *reply, int fd) {
        const struct pf *pf = inventory_find_pf(&s->manager->inventory, s->pf);
        int r = worker_stats_take(reply, fd, &s->list, &s->n);

        if (r >= 0) {
                s->counts_nothing = pf && !net_driver_has_statistics(pf->driver) && all_zero(s);
                s->read = MIN(MAX(reply->value[1], s->asked), s->looked);
        } else if (!s->told)
                log_with(LOG_WARNING, (&(struct log_fields){ .address = &s->pf }),
                         "the statistics of its VFs cannot be read: %s",
                         reply->error < 0 ? reply->detail : "what the worker said makes no sense");
        s->told = r < 0;
}

/* Drivers may go on counting from one owner of a VF to the next, who is not to see what the last one sent. */
static void note_leases(struct pf_stats *s) {
        const struct pf *pf = inventory_find_pf(&s->manager->inventory, s->pf);

        for (size_t i = 0; pf && i < s->n; i++) {
                uint32_t index = s->list[i].index;
                struct managed_vf *v = index < pf->n_vfs && pf->vfs[index]->index == index
                                                       ? managed_vf(pf->vfs[index])
                                                       : NULL;

                if (!v || strcmp(v->counted_lease, v->vf.lease) == 0)
                        continue;
                memcpy(v->counted_lease, v->vf.lease, sizeof(v->counted_lease));
                v->counted = s->list[i].counters;
        }
}

/* Since its lease began; all there is of a VF without one. A counter that fell was set back by the driver. */
static struct vf_counters of_lease(const struct managed_vf *v, const struct vf_counters *all) {
        struct vf_counters r = *all;

        if (!v->vf.lease[0])
                return r;
        if (strcmp(v->counted_lease, v->vf.lease) != 0) /* what was read is older than the lease */
                return (struct vf_counters){ 0 };
        for (unsigned i = 0; i < _COUNTER_MAX; i++)
                if (r.value[i] >= v->counted.value[i])
                        r.value[i] -= v->counted.value[i];
        return r;
}

static void on_statistics(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct pf_stats *s = userdata;

        s->asking = false;
        drop_list(s);
        if (reply->error == -ETIMEDOUT)
                s->rest_until = now_usec(s->manager) + REST_USEC;
        if (s->stale)
                s->looked = 0;
        else {
                s->looked = now_usec(s->manager);
                take(s, reply, fds[0]);
                note_leases(s);
        }
        s->stale = false;
        for (unsigned i = 0; i < WORKER_FDS_MAX; i++)
                close_fd(&fds[i]);
        stats_calls_look(s->manager);
}

/* Its answer is still worth waiting for. */
static bool is_hopeful(const struct pf_stats *s, uint64_t now) {
        return s->asking && now - MIN(now, s->asked) < STATS_PATIENCE_USEC;
}

static unsigned count_questions(const struct manager *m, uint64_t now, bool *ret_hopeful) {
        unsigned n = 0;

        *ret_hopeful = false;
        for (const struct pf_stats *s = m->stats; s; s = s->next) {
                n += s->asking;
                *ret_hopeful = *ret_hopeful || is_hopeful(s, now);
        }
        return n;
}

bool stats_has_interface(const struct pf *pf) {
        return pf->netdev[0] && !pf->whole;
}

bool stats_ready(struct manager *m, const struct pf *pf, uint64_t since) {
        struct pf_stats *s = find_or_make(m, pf->address);
        uint64_t now = now_usec(m);
        bool hopeful;

        if (!s || (s->looked > 0 && s->looked >= since))
                return true;
        if (s->asking)
                return !is_hopeful(s, now);
        if (count_questions(m, now, &hopeful) >= QUESTIONS_MAX)
                return !hopeful;
        if (pf->stuck || now < s->rest_until)
                return true;
        struct worker_op op = worker_op_make(WORKER_STATISTICS, s->pf, s->pf, on_statistics, s);
        op.vf_scope = true; /* the lock that it may hang on is not the PF's, whose other work goes on */
        if (worker_link_submit(m->link, &op) < 0)
                return true;
        s->asking = true;
        s->asked = now;
        return false;
}

static int compare_index(const void *a, const void *b) {
        const struct vf_statistics *x = a, *y = b;

        return x->index < y->index ? -1 : x->index > y->index;
}

enum stats_known stats_of_vf(const struct managed_vf *v, uint64_t since, struct vf_counters *ret,
                             uint64_t *ret_usec) {
        const struct pf_stats *s = find(v->manager, v->vf.pf->address);
        const struct vf_statistics key = { .index = v->vf.index };

        if (!s || !s->list || s->looked < since)
                return STATS_UNKNOWN;
        const struct vf_statistics *found = bsearch(&key, s->list, s->n, sizeof(*s->list), compare_index);
        if (!found)
                return STATS_UNKNOWN;
        if (s->counts_nothing)
                return STATS_UNSUPPORTED;
        *ret = of_lease(v, &found->counters);
        *ret_usec = s->read;
        return STATS_KNOWN;
}

void stats_lease_begins(struct managed_vf *v) {
        const struct pf *pf = v->vf.pf;

        if (stats_has_interface(pf) && net_driver_has_statistics(pf->driver))
                (void) stats_ready(v->manager, pf, now_usec(v->manager));
}

void stats_forget(struct manager *m, struct address pf) {
        struct pf_stats *s = find(m, pf);

        if (!s)
                return;
        s->looked = 0;
        s->stale = s->asking;
        drop_list(s);
}

void stats_stop(struct manager *m) {
        while (m->stats) {
                struct pf_stats *s = m->stats;

                m->stats = s->next;
                drop_list(s);
                free(s);
        }
}
