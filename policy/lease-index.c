/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases by the VFs they hold: two sorted arrays, so that thousands of VFs and leases stay cheap. */

#include "policy/lease-index.h"
#include "common/macro.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct lease_key {
        struct address address;
        const char *id;
        size_t lease;
};

static int compare_addresses(const void *a, const void *b) {
        const struct lease_key *x = a, *y = b;

        return address_compare(x->address, y->address);
}

static int compare_ids(const void *a, const void *b) {
        const struct lease_key *x = a, *y = b;

        return strcmp(x->id, y->id);
}

static int build(struct lease_index *x) {
        size_t n = 0;

        for (size_t i = 0; i < x->n; i++)
                n += x->leases[i]->n_vfs;
        x->addresses = calloc(n + 1, sizeof(*x->addresses));
        x->ids = calloc(x->n + 1, sizeof(*x->ids));
        x->seen = calloc(x->n + 1, sizeof(*x->seen));
        x->found = calloc(x->n + 1, sizeof(*x->found));
        if (!x->addresses || !x->ids || !x->seen || !x->found)
                return -ENOMEM;
        for (size_t i = 0; i < x->n; i++) {
                const struct lease *l = x->leases[i];

                x->ids[i] = (struct lease_key){ .id = l->id, .lease = i };
                for (size_t j = 0; j < l->n_vfs; j++)
                        x->addresses[x->n_addresses++] =
                                        (struct lease_key){ .address = l->vfs[j].address, .lease = i };
        }
        qsort(x->addresses, x->n_addresses, sizeof(*x->addresses), compare_addresses);
        qsort(x->ids, x->n, sizeof(*x->ids), compare_ids);
        x->built = true;
        return 0;
}

void lease_index_done(struct lease_index *x) {
        free(x->addresses);
        free(x->ids);
        free(x->seen);
        free(x->found);
        *x = (struct lease_index){ 0 };
}

/* Every lease with the key, once for each question. True if there is one. */
static bool collect(struct lease_index *x, const struct lease_key *keys, size_t n,
                    const struct lease_key *wanted, int (*compare)(const void *a, const void *b),
                    size_t *n_found) {
        const struct lease_key *hit = bsearch(wanted, keys, n, sizeof(*keys), compare);

        if (!hit)
                return false;
        while (hit > keys && compare(hit - 1, wanted) == 0)
                hit--;
        for (; hit < keys + n && compare(hit, wanted) == 0; hit++)
                if (x->seen[hit->lease] != x->question) {
                        x->seen[hit->lease] = x->question;
                        x->found[(*n_found)++] = hit->lease;
                }
        return true;
}

static int compare_numbers(const void *a, const void *b) {
        const size_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

int lease_index_hits(struct lease_index *x, const struct pf *pf, const struct lease ***ret, size_t *n_ret) {
        bool held = false;
        size_t n = 0;

        *ret = NULL;
        *n_ret = 0;
        if (!x->built && build(x) < 0)
                return -ENOMEM;
        x->question++;
        for (size_t i = 0; i < pf->n_vfs; i++) {
                const struct vf *vf = pf->vfs[i];
                const struct lease_key wanted = { .address = vf->address, .id = vf->lease };

                if (collect(x, x->addresses, x->n_addresses, &wanted, compare_addresses, &n))
                        held = true;
                if (vf->lease[0]) {
                        held = true;
                        collect(x, x->ids, x->n, &wanted, compare_ids, &n);
                }
        }
        if (n == 0)
                return held;
        *ret = calloc(n, sizeof(**ret));
        if (!*ret)
                return -ENOMEM;
        qsort(x->found, n, sizeof(*x->found), compare_numbers);
        for (size_t i = 0; i < n; i++)
                (*ret)[i] = x->leases[x->found[i]];
        *n_ret = n;
        return held;
}
