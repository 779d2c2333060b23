/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Promises of VFs. */

#include "daemon/reservation.h"
#include "common/text.h"
#include "daemon/lease.h"
#include "daemon/store.h"
#include "daemon/waiting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct lease *reservation_find(struct manager *m, const char *tenant, const char *vm) {
        for (size_t i = 0; i < m->n_promises; i++)
                if (strcmp(m->promises[i]->tenant, tenant) == 0 && strcmp(m->promises[i]->vm, vm) == 0)
                        return m->promises[i];
        return NULL;
}

/* Asked for each VF that is shown: sorted once for each change, not searched through. */
struct promised_vf {
        struct address address;
        const struct lease *promise;
};

static int compare_promised(const void *a, const void *b) {
        const struct promised_vf *x = a, *y = b;

        return address_compare(x->address, y->address);
}

const struct lease *reservation_of(const struct manager *m, struct address vf) {
        const struct promised_vf key = { .address = vf }, *hit = NULL;

        if (m->n_promised > 0)
                hit = bsearch(&key, m->promised, m->n_promised, sizeof(key), compare_promised);
        return hit ? hit->promise : NULL;
}

/* Without memory VFs do not show whose they are; who gets them does not rest on this. */
static void sort_promised(struct manager *m) {
        size_t n = 0;

        for (size_t i = 0; i < m->n_promises; i++)
                n += m->promises[i]->n_vfs;
        free(m->promised);
        m->n_promised = 0;
        m->promised = calloc(n + 1, sizeof(*m->promised));
        for (size_t i = 0; m->promised && i < m->n_promises; i++)
                for (size_t k = 0; k < m->promises[i]->n_vfs; k++)
                        m->promised[m->n_promised++] = (struct promised_vf){ m->promises[i]->vfs[k].address,
                                                                             m->promises[i] };
        if (m->n_promised > 0)
                qsort(m->promised, m->n_promised, sizeof(*m->promised), compare_promised);
}

static int add(struct manager *m, const struct lease *facts, struct lease **ret) {
        struct lease **promises = reallocarray(m->promises, m->n_promises + 1, sizeof(*promises));
        struct managed_promise *promise = calloc(1, sizeof(*promise));

        if (promises)
                m->promises = promises;
        if (!promises || !promise) {
                free(promise);
                return -ENOMEM;
        }
        struct lease *l = &promise->lease;
        *l = *facts;
        l->hand_off = HAND_OFF_AUTO; /* nothing was handed over */
        promises[m->n_promises++] = l;
        sort_promised(m);
        if (ret)
                *ret = l;
        return 0;
}

/* Written down before it counts. */
static int promise_new(struct manager *m, const struct lease *facts, struct lease **ret) {
        int r = store_reservation(m, facts);

        if (r < 0)
                return r;
        r = add(m, facts, ret);
        if (r < 0)
                store_reservation_remove(m, facts);
        return r;
}

static void forget(struct manager *m, struct lease *l) {
        for (size_t i = 0; i < m->n_promises; i++)
                if (m->promises[i] == l) {
                        memmove(m->promises + i, m->promises + i + 1,
                                (--m->n_promises - i) * sizeof(*m->promises));
                        break;
                }
        free(managed_promise(l));
        sort_promised(m);
}

enum reason reservation_make(struct manager *m, const struct request *r, const struct lease **ret,
                             struct refusal *why) {
        const struct world w = manager_world(m);
        struct allocation choice = { 0 };
        struct lease facts = { 0 }, *l;
        struct timespec now;

        if (reservation_find(m, r->tenant, r->vm)) {
                snprintf(why->detail, sizeof(why->detail), "%s", r->vm);
                return REASON_RESERVATION_EXISTS;
        }
        int no = allocate(&w, r, &choice, why);
        if (no == REASON_NONE && waiting_has_line(m, r))
                return REASON_IN_LINE;
        if (no != REASON_NONE)
                return no > 0 ? (enum reason) no : REASON_LIMIT;
        clock_gettime(CLOCK_REALTIME, &now);
        facts.created_usec = (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
        facts.apart = choice.apart;
        text_copy(facts.tenant, sizeof(facts.tenant), r->tenant);
        text_copy(facts.vm, sizeof(facts.vm), r->vm);
        text_copy(facts.group, sizeof(facts.group), r->group ? r->group : r->vm);
        lease_set_vfs(&facts, r, &choice);
        int e = promise_new(m, &facts, &l);
        if (e < 0) {
                snprintf(why->detail, sizeof(why->detail), "%s", errno_text(e));
                return REASON_STORE_FAILED;
        }
        log_with(LOG_INFO, (&(struct log_fields){ .tenant = l->tenant, .vm = l->vm }),
                 "%zu VFs are reserved for %s/%s", l->n_vfs, l->tenant, l->vm);
        *ret = l;
        return REASON_NONE;
}

static const char *pool_of(const struct lease *l, const struct leased_vf *v) {
        return l->pools[v->pool];
}

static bool has_vf(const struct lease *l, struct address a) {
        for (size_t i = 0; i < l->n_vfs; i++)
                if (address_equal(l->vfs[i].address, a))
                        return true;
        return false;
}

/* Its VM has it, or would get it now. */
static bool can_be_had(struct manager *m, struct address a) {
        const struct managed_vf *v = manager_find_vf(m, a);

        return v && (v->vf.state == VF_LEASING || v->vf.state == VF_LEASED ||
                     (v->vf.state == VF_READY && !v->vf.pf->stuck && !v->vf.pf->drained));
}

static bool same_mac(const struct leased_vf *a, const struct leased_vf *b) {
        return a->attributes.set & b->attributes.set & ATTR_MAC &&
               mac_to_number(a->attributes.mac) == mac_to_number(b->attributes.mac);
}

/* A VF that was not promised stands in for one that was, if it has the other's MAC or the other was not to be
 * had: each for one. */
static bool is_replaced(struct manager *m, const struct lease *old, const struct leased_vf *v,
                        const struct lease *l, bool stands_in[ACQUIRE_COUNT_MAX]) {
        for (size_t i = 0; i < l->n_vfs; i++) {
                const struct leased_vf *other = &l->vfs[i];

                if (stands_in[i] || has_vf(old, other->address) ||
                    strcmp(pool_of(l, other), pool_of(old, v)) != 0 ||
                    (!same_mac(v, other) && can_be_had(m, v->address)))
                        continue;
                stands_in[i] = true;
                return true;
        }
        return false;
}

static int add_vf(struct lease *l, const struct leased_vf *v, const char *pool) {
        size_t i = 0;

        while (i < l->n_pools && strcmp(l->pools[i], pool) != 0)
                i++;
        if (i == WANTS_MAX || l->n_vfs == ACQUIRE_COUNT_MAX)
                return -E2BIG;
        if (i == l->n_pools)
                text_copy(l->pools[l->n_pools++], sizeof(l->pools[0]), pool);
        l->vfs[l->n_vfs] = *v;
        l->vfs[l->n_vfs++].pool = (uint8_t) i;
        return 0;
}

/* What a lease of its VM has, and whatever was promised before that this is not in place of: the VM may have
 * several leases, or start with less than it was promised. */
static int merge(struct manager *m, const struct lease *old, const struct lease *l, struct lease *ret) {
        bool stands_in[ACQUIRE_COUNT_MAX] = { false };
        int r = 0;

        *ret = *l;
        ret->created_usec = old->created_usec;
        ret->apart = l->apart || old->apart;
        for (size_t i = 0; r >= 0 && i < old->n_vfs; i++) {
                const struct leased_vf *v = &old->vfs[i];

                if (!has_vf(l, v->address) && !is_replaced(m, old, v, l, stands_in))
                        r = add_vf(ret, v, pool_of(old, v));
        }
        return r;
}

int reservation_keep(struct manager *m, const struct lease *l) {
        struct lease *old = reservation_find(m, l->tenant, l->vm), now;

        if (!old)
                return promise_new(m, l, NULL);
        int r = merge(m, old, l, &now);
        if (r >= 0)
                r = store_reservation(m, &now);
        if (r < 0)
                return r;
        now.hand_off = HAND_OFF_AUTO;
        *old = now;
        sort_promised(m);
        return 0;
}

int reservation_end(struct manager *m, struct lease *promise) {
        int r = store_reservation_remove(m, promise);

        if (r < 0)
                return r;
        log_with(LOG_INFO, (&(struct log_fields){ .tenant = promise->tenant, .vm = promise->vm }),
                 "nothing is reserved for %s/%s any more", promise->tenant, promise->vm);
        forget(m, promise);
        leases_judge(m); /* others may have room now */
        waiting_soon(m);
        return 0;
}

void reservations_judged(struct manager *m, const enum reason *over) {
        for (size_t i = 0; i < m->n_promises; i++) {
                struct managed_promise *p = managed_promise(m->promises[i]);

                if (over[i] != REASON_NONE && p->over != over[i])
                        log_with(LOG_WARNING,
                                 (&(struct log_fields){ .tenant = p->lease.tenant, .vm = p->lease.vm }),
                                 "the reservation for %s/%s is over policy: %s; its VFs stay reserved until "
                                 "'vfctl unreserve'",
                                 p->lease.tenant, p->lease.vm, reason_sentence(over[i]));
                p->over = over[i];
        }
}

static int adopt(struct manager *m, const struct lease *promise) {
        return add(m, promise, NULL);
}

int reservations_load(struct manager *m) {
        return store_load_reservations(m, adopt);
}

void reservations_free(struct manager *m) {
        for (size_t i = 0; i < m->n_promises; i++)
                free(managed_promise(m->promises[i]));
        free(m->promises);
        m->promises = NULL;
        m->n_promises = 0;
        free(m->promised);
        m->promised = NULL;
        m->n_promised = 0;
}
