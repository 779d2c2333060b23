/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which leases hold a VF of a PF: by the address in the lease, and by the lease's id in the VF. Built when
 * first asked. */

#include "common/model.h"

struct lease_key;

struct lease_index {
        const struct lease *const *leases; /* borrowed */
        size_t n;

        /* private */
        bool built;
        struct lease_key *addresses, *ids; /* sorted */
        size_t n_addresses;
        size_t *seen;  /* by lease: the last question that found it */
        size_t *found; /* leases of the present question */
        size_t question;
};

/* The leases, in their order, each once; *ret is NULL if there are none, else the caller's. Returns 1 if a VF
 * of the PF is held (perhaps by a lease that is not in the list), 0 if not, or -ENOMEM. */
int lease_index_hits(struct lease_index *x, const struct pf *pf, const struct lease ***ret, size_t *n_ret);
void lease_index_done(struct lease_index *x);
