/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a tenant may have of a pool, and which rule says so. Pure. */

#include "policy/world.h"

struct explanation {
        char *rule;  /* "quota", "vlan", "placement", … */
        char *value; /* "4 VFs" */
        char *why;   /* a sentence: where it comes from, what it means now */
};

struct explanations {
        struct explanation *items;
        size_t n;
};

/* 0 and *ret (explanations_done() frees it), REASON_NO_SUCH_TENANT, REASON_NO_SUCH_POOL, or -ENOMEM. Without
 * an inventory (world->inventory NULL) only what the policy itself says. */
int explain(const struct world *world, const char *tenant, const char *pool, struct explanations *ret);
void explanations_done(struct explanations *e);
