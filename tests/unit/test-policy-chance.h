/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Policies, hosts and requests by chance, and what becomes of the hosts as requests are served. */

#include "policy/allocate.h"
#include "tests/unit/test-policy-host.h"

#define TENANTS 3U
#define POOLS   2U

extern const char *const tenant_names[TENANTS];
extern const char *const pool_names[POOLS], *const pool_drivers[POOLS];

/* The text of a policy. */
struct text {
        char data[8192];
        size_t n;
};

void text_put(struct text *t, const char *format, ...) _printf_(2, 3);
void text_put_pool(struct text *t, struct chance *c,
                   unsigned pool); /* of PFs with driver pool_drivers[pool] */
void text_put_tenant(struct text *t, struct chance *c, unsigned tenant);

struct policy *chance_policy(struct chance *c);
/* One to `size` PFs of up to 2 * size VFs. */
struct host chance_host(struct chance *c, unsigned size);
struct request chance_request(struct chance *c);

/* What a request got becomes a lease. */
void host_take(struct host *h, const struct request *r, const struct allocation *a, unsigned serial);
/* The lease with this index is over. */
void host_give_back(struct host *h, size_t i);

const char *request_group(const struct request *r);
