/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Reservations: VFs that are promised to a VM, ahead of its start or over its restarts. One for each VM of a
 * tenant, kept over reboots. To the rules a promise is a lease without an owner. */

#include "daemon/manager.h"

struct managed_promise {
        struct lease lease; /* first */
        enum reason over;   /* why the policy of today would refuse it, REASON_NONE: it would not */
};

static inline struct managed_promise *managed_promise(const struct lease *l) {
        return (struct managed_promise *) l;
}

struct lease *reservation_find(struct manager *m, const char *tenant, const char *vm); /* NULL if none */

/* The promise that an address belongs to, NULL if none. O(log n). */
const struct lease *reservation_of(const struct manager *m, struct address vf);

/* Chooses VFs as a request would get them and promises them. REASON_NONE and *ret, or why not. */
enum reason reservation_make(struct manager *m, const struct request *r, const struct lease **ret,
                             struct refusal *why);

/* What a lease has is promised to its VM from now on, beside what was promised before. 0 or -errno: nothing
 * has changed; -E2BIG: more than one promise can hold. */
int reservation_keep(struct manager *m, const struct lease *l);

/* 0 or -errno: it is still there. */
int reservation_end(struct manager *m, struct lease *promise);

/* What over_policy() says of each. Logged when it changes. */
void reservations_judged(struct manager *m, const enum reason *over);

int reservations_load(struct manager *m);
void reservations_free(struct manager *m);
