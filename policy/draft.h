/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The policy in the making: several files become one, every name once. */

#include "policy/errors.h"
#include "policy/keys.h"

/* Who defined a name first. */
struct names {
        json_t *index;                        /* name to number of its definition */
        const struct policy_source **sources; /* by that number */
};

/* What a tenant and "defaults" both may say. */
struct tenant_limits {
        uint64_t memlock;
        uint32_t quota;
        uint64_t max_lease;
};

/* A grant of "defaults", by the number of its pool. */
struct default_grant {
        uint32_t given; /* 1 << GRANT_…: keys that are written there */
        struct grant grant;
};

/* A MAC range and where it is written, for what only all grants together show. */
struct mac_place {
        struct mac_range range;
        size_t tenant;    /* number of its definition */
        const char *pool; /* as the tenant names it, borrowed from the JSON */
        size_t item;      /* of the array, ITEM_ALONE if it is none */
};
#define ITEM_ALONE SIZE_MAX

struct draft {
        struct policy *policy;
        struct names pools, tenants;
        const struct policy_source *faults, *defaults; /* where they are defined, NULL: nowhere yet */
        struct tenant_limits limits;                   /* of "defaults" */
        struct default_grant *grants;                  /* n_grants, once the pools are known */
        size_t n_grants;
        struct mac_place *macs;
        size_t n_macs;
        bool incomplete; /* a file could not be read: what it says is not known */
};

int draft_init(struct draft *d); /* 0 or -ENOMEM; draft_done() either way */
void draft_done(struct draft *d);

/* A new member, NULL without memory. A name that is taken is reported, and added all the same so that the
 * rest of it is checked too. The pointer is good until the next one is added. */
struct pool *draft_add_pool(struct context *c, struct draft *d, const char *path, const char *name);
struct tenant *draft_add_tenant(struct context *c, struct draft *d, const char *path, const char *name);
void draft_add_mac(struct context *c, struct draft *d, const struct mac_place *place);

/* Notes that this file has a part that only one file may have; reports the second. */
void draft_note_part(struct context *c, const struct policy_source **first, const char *name);

/* The index of the pool that a grant at path names; -1 if there is none (reported, unless it may be in a file
 * that could not be read). */
int draft_find_pool(struct context *c, const struct draft *d, const char *path, const char *name);

/* The draft without errors as a policy. */
struct policy *draft_finish(struct draft *d);
