/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The policy as data, and its parser. Pure: no file is opened here, the caller brings the texts. */

#include "common/finding.h"
#include "common/json.h"
#include "common/model.h"

enum pool_class {
        POOL_CLASS_ANY,     /* "class" left out */
        POOL_CLASS_NETWORK, /* PCI base class 02 */
        POOL_CLASS_STORAGE, /* PCI class 0108 (NVMe) */
        _POOL_CLASS_MAX,
};

enum placement {
        PLACEMENT_PACK,   /* fill one PF before the next (default) */
        PLACEMENT_SPREAD, /* the PF with the fewest leased VFs first */
        _PLACEMENT_MAX,
};

/* A PF is selected if every field that is set agrees. */
struct selector {
        char *address; /* glob, NULL if not set */
        char *driver;
        char *netdev;
        int vendor, device; /* -1 if not set */
        int numa_node;      /* -2 if not set; -1 is "unknown node" */
};

#define POOL_VFS_MAX_ALL UINT32_MAX /* "vfs": "max" */

struct pool {
        char *name;
        enum pool_class class;
        enum placement placement;
        uint32_t vfs;       /* per PF, or POOL_VFS_MAX_ALL */
        finding_set accept; /* findings that do not forbid a lease of this pool */
        struct selector *functions;
        size_t n_functions;
};

/* A user or group as written: a name (id resolved by the daemon at load) or a number. */
struct principal {
        char *name;  /* NULL if written as a number */
        uint32_t id; /* valid if resolved */
        bool resolved;
};

struct grant {
        size_t pool;    /* index into policy->pools */
        uint32_t quota; /* VFs */
};

struct tenant {
        char *name;
        struct principal *users, *groups;
        size_t n_users, n_groups;
        uint64_t memlock; /* bytes per VM; 0: not set, the process keeps its own limit */
        struct grant *grants;
        size_t n_grants;
};

enum fault_action {
        FAULT_ACTION_LOG,
        FAULT_ACTION_QUARANTINE,
        _FAULT_ACTION_MAX,
};

/* What is to follow from faults of one VF: `limit` of them within `seconds`. */
struct fault_rule {
        uint32_t limit; /* 0: no rule */
        uint32_t seconds;
        enum fault_action action;
};

struct policy {
        struct pool *pools; /* in the order of the files: the first that selects a PF has it */
        size_t n_pools;
        struct tenant *tenants;
        size_t n_tenants;
        struct fault_rule dma_faults;
};

struct policy_source {
        const char *file; /* for messages */
        const char *text; /* need not be NUL-terminated */
        size_t size;
};

struct policy_error {
        char *file;
        struct json_position at; /* 0 if it has no place */
        char *path;              /* "/tenants/red/pools/net/quota" */
        char *message;           /* found, expected, hint */
};
struct policy_errors {
        struct policy_error *items;
        size_t n;
};

/* Parses and merges the sources. 0 and *ret; -EINVAL with at least one error; -ENOMEM. All errors are
 * collected, not only the first. errors must be zeroed by the caller and freed with policy_errors_done(). */
int policy_parse(const struct policy_source *sources, size_t n, struct policy **ret,
                 struct policy_errors *errors);

struct policy *policy_free(struct policy *p);
DEFINE_CLEANUP(struct policy *, policy_free)
void policy_errors_done(struct policy_errors *e);

/* The pool that claims a PF: the first that selects it; -1 if none does. */
int policy_pool_of(const struct policy *p, const struct pf *pf);

const struct tenant *policy_find_tenant(const struct policy *p, const char *name); /* NULL if none */
int policy_find_pool(const struct policy *p, const char *name);                    /* -1 if none */
const struct grant *tenant_find_grant(const struct tenant *t, size_t pool);        /* NULL if none */

/* True if the uid or one of the groups belongs to the tenant. Unresolved names match nobody. */
bool tenant_has_user(const struct tenant *t, uint32_t uid, const uint32_t *gids, size_t n_gids);

const char *pool_class_to_string(enum pool_class c); /* "any", "network", "storage" */
