/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The policy in the making: several files become one, every name once. */

#include "policy/errors.h"

/* Who defined a name first. */
struct names {
        json_t *index;                        /* name to number of its definition */
        const struct policy_source **sources; /* by that number */
};

struct draft {
        struct policy *policy;
        struct names pools, tenants;
        const struct policy_source *faults; /* where they are defined, NULL: nowhere yet */
        bool incomplete;                    /* a file could not be read: its pools are not known */
};

int draft_init(struct draft *d); /* 0 or -ENOMEM; draft_done() either way */
void draft_done(struct draft *d);

/* A new member, NULL without memory. A name that is taken is reported, and added all the same so that the
 * rest of it is checked too. The pointer is good until the next one is added. */
struct pool *draft_add_pool(struct context *c, struct draft *d, const char *path, const char *name);
struct tenant *draft_add_tenant(struct context *c, struct draft *d, const char *path, const char *name);
void draft_note_faults(struct context *c, struct draft *d);

/* The index of the pool that a grant at path names; if there is none, it is reported. */
size_t draft_find_pool(struct context *c, const struct draft *d, const char *path, const char *name);
