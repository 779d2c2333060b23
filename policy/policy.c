/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy as data: finding things in it, and freeing it. The parser is in parse.c. */

#include "policy/policy.h"

#include <stdlib.h>
#include <string.h>

static const char *const classes[_POOL_CLASS_MAX] = {
        [POOL_CLASS_ANY] = "any",
        [POOL_CLASS_NETWORK] = "network",
        [POOL_CLASS_STORAGE] = "storage",
};

const char *pool_class_to_string(enum pool_class c) {
        return (unsigned) c < _POOL_CLASS_MAX ? classes[c] : "unknown";
}

static void pool_done(struct pool *p) {
        for (size_t i = 0; i < p->n_functions; i++) {
                free(p->functions[i].address);
                free(p->functions[i].driver);
                free(p->functions[i].netdev);
        }
        free(p->functions);
        free(p->name);
}

static void tenant_done(struct tenant *t) {
        for (size_t i = 0; i < t->n_users; i++)
                free(t->users[i].name);
        for (size_t i = 0; i < t->n_groups; i++)
                free(t->groups[i].name);
        free(t->users);
        free(t->groups);
        free(t->grants);
        free(t->name);
}

struct policy *policy_free(struct policy *p) {
        if (!p)
                return NULL;
        for (size_t i = 0; i < p->n_pools; i++)
                pool_done(&p->pools[i]);
        for (size_t i = 0; i < p->n_tenants; i++)
                tenant_done(&p->tenants[i]);
        free(p->pools);
        free(p->tenants);
        free(p);
        return NULL;
}

void policy_errors_done(struct policy_errors *e) {
        for (size_t i = 0; i < e->n; i++) {
                free(e->items[i].file);
                free(e->items[i].path);
                free(e->items[i].message);
        }
        free(e->items);
        *e = (struct policy_errors){ 0 };
}

static bool class_agrees(enum pool_class c, uint32_t pci_class) {
        switch (c) {
        case POOL_CLASS_ANY:
                return true;
        case POOL_CLASS_NETWORK:
                return pci_class >> 16 == 0x02;
        case POOL_CLASS_STORAGE:
                return pci_class >> 8 == 0x0108;
        case _POOL_CLASS_MAX:
                break;
        }
        return false;
}

static bool selector_agrees(const struct selector *s, const struct pf *pf) {
        return (!s->address || address_glob(s->address, pf->address)) &&
               (!s->driver || strcmp(s->driver, pf->driver) == 0) &&
               (!s->netdev || strcmp(s->netdev, pf->netdev) == 0) &&
               (s->vendor < 0 || s->vendor == pf->vendor) && (s->device < 0 || s->device == pf->device) &&
               (s->numa_node == -2 || s->numa_node == pf->numa_node);
}

int policy_pool_of(const struct policy *p, const struct pf *pf) {
        for (size_t i = 0; i < p->n_pools; i++) {
                const struct pool *pool = &p->pools[i];

                for (size_t j = 0; j < pool->n_functions; j++)
                        if (class_agrees(pool->class, pf->class) && selector_agrees(&pool->functions[j], pf))
                                return (int) i;
        }
        return -1;
}

const struct tenant *policy_find_tenant(const struct policy *p, const char *name) {
        for (size_t i = 0; i < p->n_tenants; i++)
                if (strcmp(p->tenants[i].name, name) == 0)
                        return &p->tenants[i];
        return NULL;
}

int policy_find_pool(const struct policy *p, const char *name) {
        for (size_t i = 0; i < p->n_pools; i++)
                if (strcmp(p->pools[i].name, name) == 0)
                        return (int) i;
        return -1;
}

const struct grant *tenant_find_grant(const struct tenant *t, size_t pool) {
        for (size_t i = 0; i < t->n_grants; i++)
                if (t->grants[i].pool == pool)
                        return &t->grants[i];
        return NULL;
}

static bool principal_is(const struct principal *p, size_t n, uint32_t id) {
        for (size_t i = 0; i < n; i++)
                if (p[i].resolved && p[i].id == id)
                        return true;
        return false;
}

bool tenant_has_user(const struct tenant *t, uint32_t uid, const uint32_t *gids, size_t n_gids) {
        if (principal_is(t->users, t->n_users, uid))
                return true;
        for (size_t i = 0; i < n_gids; i++)
                if (principal_is(t->groups, t->n_groups, gids[i]))
                        return true;
        return false;
}
