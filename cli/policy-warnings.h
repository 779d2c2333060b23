/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What is right in a policy and yet hardly meant. */

#include "policy/policy.h"

struct policy_warning {
        char *path; /* "/tenants/red/users" */
        char *message;
};

struct policy_warnings {
        struct policy_warning *items;
        size_t n;
};

/* Fills *ret, which the caller zeroed and frees with policy_warnings_done(). Looks up users and groups of
 * this machine. */
void policy_warn(const struct policy *p, struct policy_warnings *ret);
void policy_warnings_done(struct policy_warnings *w);
