/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases and their owners. */

#include "daemon/lease.h"
#include "common/text.h"
#include "daemon/acquire.h"
#include "daemon/drift.h"
#include "daemon/events.h"
#include "daemon/peer.h"
#include "daemon/reconcile.h"
#include "daemon/reservation.h"
#include "daemon/store.h"
#include "daemon/waiting.h"
#include "policy/over-policy.h"

#include <errno.h>
#include <search.h>
#include <string.h>
#include <sys/random.h>

struct lease *lease_find(struct manager *m, const char *id) {
        for (size_t i = 0; i < m->n_leases; i++)
                if (strcmp(m->leases[i]->id, id) == 0)
                        return m->leases[i];
        return NULL;
}

/* Which lease an address belongs to is asked for each VF at start: a tree, not a walk. */
struct claim {
        struct address address;
        struct lease *lease;
};

static int compare_claim(const void *a, const void *b) {
        const struct claim *x = a, *y = b;

        return address_compare(x->address, y->address);
}

struct lease *lease_of_address(struct manager *m, struct address a) {
        struct claim key = { .address = a };
        struct claim **hit = tfind(&key, &m->claims, compare_claim);

        return hit ? (*hit)->lease : NULL;
}

struct lease *lease_of_vf(const struct managed_vf *v) {
        struct lease *l = v->vf.lease[0] ? lease_of_address(v->manager, v->vf.address) : NULL;

        return l && strcmp(l->id, v->vf.lease) == 0 ? l : NULL;
}

static void unclaim(struct manager *m, struct address a, const struct lease *l) {
        struct claim key = { .address = a };
        struct claim **hit = tfind(&key, &m->claims, compare_claim), *c = hit ? *hit : NULL;

        if (c && c->lease == l) {
                tdelete(&key, &m->claims, compare_claim);
                free(c);
        }
}

/* -EBUSY: another lease has it, which must never happen. */
static int claim(struct manager *m, struct address a, struct lease *l) {
        struct claim *c = malloc(sizeof(*c));

        if (!c)
                return -ENOMEM;
        *c = (struct claim){ a, l };
        struct claim **hit = tsearch(c, &m->claims, compare_claim);
        if (!hit || *hit != c) {
                free(c);
                return hit ? -EBUSY : -ENOMEM;
        }
        return 0;
}

static void lease_free(struct managed_lease *l) {
        for (size_t i = 0; i < l->lease.n_vfs; i++)
                unclaim(l->manager, l->lease.vfs[i].address, &l->lease);
        sd_event_source_disable_unref(l->owner_ended);
        close_fd(&l->pidfd);
        free(l);
}

static int on_owner_ended(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        struct managed_lease *l = userdata;

        lease_end(l->manager, &l->lease, "its owner ended");
        return 0;
}

/* Into the list, with its claims and the watch on its owner. */
static int lease_register(struct managed_lease *l) {
        struct manager *m = l->manager;

        if (m->n_leases == m->leases_size) {
                size_t more = m->leases_size ? m->leases_size * 2 : 16;
                struct lease **p = reallocarray(m->leases, more, sizeof(*p));

                if (!p)
                        return -ENOMEM;
                m->leases = p;
                m->leases_size = more;
        }
        for (size_t i = 0; i < l->lease.n_vfs; i++) {
                int r = claim(m, l->lease.vfs[i].address, &l->lease);

                if (r < 0)
                        return r;
        }
        if (l->pidfd >= 0) {
                int r = sd_event_add_io(m->event, &l->owner_ended, l->pidfd, EPOLLIN, on_owner_ended, l);

                if (r < 0)
                        return r;
        }
        m->leases[m->n_leases++] = &l->lease;
        lease_times_changed(m);
        return 0;
}

static struct managed_lease *lease_alloc(struct manager *m, const struct lease *facts, int pidfd_taken) {
        struct managed_lease *l = calloc(1, sizeof(*l));

        if (!l) {
                close_fd(&pidfd_taken);
                return NULL;
        }
        l->lease = *facts;
        l->manager = m;
        l->pidfd = pidfd_taken;
        return l;
}

static void lease_unregister(struct managed_lease *l) {
        struct manager *m = l->manager;

        for (size_t i = 0; i < m->n_leases; i++)
                if (m->leases[i] == &l->lease) {
                        memmove(m->leases + i, m->leases + i + 1, (--m->n_leases - i) * sizeof(*m->leases));
                        break;
                }
}

int lease_new(struct manager *m, const struct lease *facts, int pidfd_taken, struct managed_lease **ret) {
        struct managed_lease *l = lease_alloc(m, facts, pidfd_taken);
        uint64_t random;

        if (!l)
                return -ENOMEM;
        do {
                if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                        random = (uint64_t) facts->created_usec;
                snprintf(l->lease.id, sizeof(l->lease.id), "%016llx", (unsigned long long) random);
        } while (lease_find(m, l->lease.id));
        int r = lease_register(l);
        if (r >= 0)
                r = store_lease(l);
        if (r < 0) {
                lease_unregister(l);
                lease_free(l);
                return r;
        }
        *ret = l;
        return 0;
}

static uint8_t pool_index(struct lease *l, const char *pool) {
        for (size_t i = 0; i < l->n_pools; i++)
                if (strcmp(l->pools[i], pool) == 0)
                        return (uint8_t) i;
        text_copy(l->pools[l->n_pools], sizeof(l->pools[0]), pool);
        return (uint8_t) l->n_pools++;
}

void lease_set_vfs(struct lease *l, const struct request *r, const struct allocation *choice) {
        for (size_t i = 0; i < choice->n_vfs; i++) {
                const struct chosen_vf *c = &choice->vfs[i];

                l->vfs[l->n_vfs++] = (struct leased_vf){ .address = c->vf->address,
                                                         .pf = c->vf->pf->address,
                                                         .pool = pool_index(l, r->wants[c->want].pool),
                                                         .attributes = c->attributes,
                                                         .msi_isolated = c->vf->msi_isolated == TRI_YES };
        }
}

int lease_granted(struct managed_lease *l) {
        l->granted = true;
        return store_lease(l);
}

int lease_adopt(struct manager *m, const struct lease *facts, bool granted) {
        struct managed_lease *l;
        int pidfd = -1;
        uint64_t start = facts->pid_start;
        const char *over = granted ? NULL : "its owner was never told of it";

        int e = facts->pid > 0 ? process_open(facts->pid, &start, &pidfd) : 0;
        if (e == -ESRCH)
                over = "its owner ended while nobody watched";
        else if (e < 0) /* of the machine, not of the owner: better kept too long than taken away */
                log_error("cannot watch process %d, lease %s lasts until it is released: %s",
                          (int) facts->pid, facts->id, errno_text(e));
        l = lease_alloc(m, facts, pidfd);
        if (!l)
                return -ENOMEM;
        l->granted = granted;
        if (over && !l->lease.ending) {
                log_with(LOG_NOTICE,
                         (&(struct log_fields){ .lease = l->lease.id,
                                                .tenant = l->lease.tenant,
                                                .vm = l->lease.vm }),
                         "lease %s of %s/%s is taken back: %s", l->lease.id, l->lease.tenant, l->lease.vm,
                         over);
                l->lease.ending = true;
        }
        int r = lease_register(l);
        if (r < 0)
                lease_free(l);
        return r;
}

void lease_adopt_vf(struct manager *m, struct lease *l, struct managed_vf *v) {
        memcpy(v->vf.lease, l->id, sizeof(v->vf.lease));
        v->last_hand_off = l->hand_off;
        if (l->ending) {
                vf_enter(v, VF_EVENT_ENDED, REASON_NONE);
                return;
        }
        vf_drop_fence(v); /* its owner has it; a fence in the store is a leftover */
        for (size_t i = 0; i < l->n_vfs; i++)
                if (address_equal(l->vfs[i].address, v->vf.address))
                        v->vf.msi_isolated = l->vfs[i].msi_isolated ? TRI_YES : TRI_UNKNOWN;
        vf_enter(v, VF_EVENT_HANDED, REASON_NONE);
        drift_look_soon(managed_pf(v->vf.pf)); /* nobody has looked meanwhile */
}

static void lease_over(struct managed_lease *l) {
        struct manager *m = l->manager;

        log_with(LOG_INFO,
                 (&(struct log_fields){ .lease = l->lease.id, .tenant = l->lease.tenant, .vm = l->lease.vm }),
                 "lease %s of %s/%s is over", l->lease.id, l->lease.tenant, l->lease.vm);
        lease_unregister(l);
        store_lease_remove(l);
        events_lease(m, &l->lease, "ended");
        lease_free(l);
        m->judge_due = true; /* what was promised to its VM is to be given again */
        reconcile_soon(m);   /* a change may have waited for it */
        waiting_soon(m);     /* and so may somebody in line */
}

/* The VF is not the lease's any more. */
static void lease_lose_vf(struct managed_lease *l, struct address a) {
        for (size_t i = 0; i < l->lease.n_vfs; i++)
                if (address_equal(l->lease.vfs[i].address, a)) {
                        unclaim(l->manager, a, &l->lease);
                        memmove(l->lease.vfs + i, l->lease.vfs + i + 1,
                                (--l->lease.n_vfs - i) * sizeof(*l->lease.vfs));
                        break;
                }
        if (l->lease.n_vfs == 0 && !l->acquisition)
                lease_over(l);
        else if (store_lease(l) < 0)
                log_warning("the file of lease %s is behind; a restart looks at its VFs again", l->lease.id);
}

void lease_settle(struct managed_lease *l) {
        if (l->lease.n_vfs == 0 && !l->acquisition)
                lease_over(l);
}

void lease_vf_moved(struct manager *m, struct managed_vf *v, enum vf_state old) {
        struct lease *l = lease_of_vf(v);

        if (!l || old == VF_ABSENT)
                return;
        if (v->vf.state != VF_READY && v->vf.state != VF_QUARANTINED && v->vf.state != VF_ABSENT &&
            v->vf.state != VF_BOUND)
                return;
        v->vf.lease[0] = '\0';
        lease_lose_vf(managed_lease(l), v->vf.address);
}

void lease_drop_vanished(struct manager *m) {
        for (size_t i = m->n_leases; i > 0; i--) {
                struct lease *l = m->leases[i - 1];
                struct address gone[ACQUIRE_COUNT_MAX];
                size_t n = 0;

                for (size_t j = 0; j < l->n_vfs; j++) {
                        struct managed_vf *v = manager_find_vf(m, l->vfs[j].address);

                        if (!v || strcmp(v->vf.lease, l->id) != 0)
                                gone[n++] = l->vfs[j].address;
                }
                for (size_t j = 0; j < n; j++)
                        lease_lose_vf(managed_lease(l), gone[j]); /* the last one ends it */
        }
}

void lease_end(struct manager *m, struct lease *l, const char *why) {
        struct managed_lease *ml = managed_lease(l);
        struct address vfs[ACQUIRE_COUNT_MAX];
        size_t n = l->n_vfs;

        if (l->ending)
                return;
        log_with(LOG_INFO, (&(struct log_fields){ .lease = l->id, .tenant = l->tenant, .vm = l->vm }),
                 "lease %s of %s/%s ends: %s", l->id, l->tenant, l->vm, why);
        l->ending = true;
        ml->owner_ended = sd_event_source_disable_unref(ml->owner_ended);
        if (store_lease(ml) < 0)
                log_warning("the end of lease %s could not be written down", l->id);
        events_lease(m, l, "ending");
        m->judge_due = true;
        reconcile_soon(m);
        for (size_t i = 0; i < n; i++) /* the list shrinks below */
                vfs[i] = l->vfs[i].address;
        for (size_t i = 0; i < n; i++) {
                struct managed_vf *v = manager_find_vf(m, vfs[i]);

                if (v && (v->vf.state == VF_LEASED || v->vf.state == VF_LEASING)) {
                        vf_enter(v, VF_EVENT_ENDED, REASON_NONE);
                        vf_advance(v);
                }
        }
}

void leases_judge(struct manager *m) {
        const struct world w = manager_world(m);
        _cleanup_free_ enum reason *over = calloc(m->n_leases + 1, sizeof(*over));
        _cleanup_free_ enum reason *promises = calloc(m->n_promises + 1, sizeof(*promises));

        if (!m->policy || !over || !promises || over_policy(&w, over, promises) < 0)
                return;
        reservations_judged(m, promises);
        for (size_t i = 0; i < m->n_leases; i++) {
                struct managed_lease *l = managed_lease(m->leases[i]);

                if (over[i] != REASON_NONE && l->over != over[i])
                        log_with(LOG_WARNING,
                                 (&(struct log_fields){ .lease = l->lease.id,
                                                        .tenant = l->lease.tenant,
                                                        .vm = l->lease.vm }),
                                 "lease %s of %s/%s is over policy: %s; it stays, but is not renewed",
                                 l->lease.id, l->lease.tenant, l->lease.vm, reason_sentence(over[i]));
                l->over = over[i];
        }
}

void leases_free(struct manager *m) {
        while (m->n_leases > 0) {
                struct managed_lease *l = managed_lease(m->leases[--m->n_leases]);

                acquire_forget(l->acquisition);
                lease_free(l);
        }
        free(m->leases);
        m->leases = NULL;
}
