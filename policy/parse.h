/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The parser's parts, one for each noun of a policy file. */

#include "policy/draft.h"

/* One member of /pools, of /tenants; the name is checked already. */
void parse_pool_member(struct context *c, struct draft *d, const char *path, const char *name, json_t *v);
void parse_tenant_member(struct context *c, struct draft *d, const char *path, const char *name, json_t *v);

/* The keys of a pool that are about NVMe. */
void parse_storage(struct context *c, const char *path, json_t *v, struct pool *p);

/* "defaults" of a file, once all pools are known and before any tenant. */
void parse_defaults(struct context *c, struct draft *d, json_t *root);

/* The "pools" of "defaults", of a tenant. */
void parse_default_grants(struct context *c, struct draft *d, json_t *defaults);
void parse_grants(struct context *c, struct draft *d, const char *tenant_path, json_t *tenant,
                  struct tenant *t);

/* What only all files together show: MAC addresses that two grants have, functions that two pools name. */
void check_whole(struct context *c, const struct draft *d);
