/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy as data: finding things in it, and freeing it. The parser is in parse.c. */

#include "policy/policy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const classes[_POOL_CLASS_MAX] = {
        [POOL_CLASS_ANY] = "any",
        [POOL_CLASS_NETWORK] = "network",
        [POOL_CLASS_STORAGE] = "storage",
};

static const char *const placements[_PLACEMENT_MAX] = {
        [PLACEMENT_PACK] = "pack",
        [PLACEMENT_SPREAD] = "spread",
        [PLACEMENT_LEAST_LOADED] = "least-loaded",
};

static const char *const assigns[_ASSIGN_MAX] = {
        [ASSIGN_VF] = "vf",
        [ASSIGN_FUNCTION] = "function",
};

static const char *const numa_rules[_NUMA_RULE_MAX] = {
        [NUMA_PREFER] = "prefer",
        [NUMA_REQUIRE] = "require",
};

static const char *name_of(const char *const *names, size_t n, unsigned i) {
        return i < n ? names[i] : "unknown";
}

const char *pool_class_to_string(enum pool_class c) {
        return name_of(classes, ARRAY_SIZE(classes), c);
}

const char *placement_to_string(enum placement p) {
        return name_of(placements, ARRAY_SIZE(placements), p);
}

const char *assign_to_string(enum assign a) {
        return name_of(assigns, ARRAY_SIZE(assigns), a);
}

const char *numa_rule_to_string(enum numa_rule n) {
        return name_of(numa_rules, ARRAY_SIZE(numa_rules), n);
}

static void pool_done(struct pool *p) {
        for (size_t i = 0; i < p->n_functions; i++) {
                free(p->functions[i].address);
                free(p->functions[i].driver);
                free(p->functions[i].netdev);
                free(p->functions[i].slot);
                free(p->functions[i].serial);
        }
        free(p->functions);
        free(p->storage.list);
        free(p->driver);
        free(p->name);
}

static void tenant_done(struct tenant *t) {
        for (size_t i = 0; i < t->n_users; i++)
                free(t->users[i].name);
        for (size_t i = 0; i < t->n_groups; i++)
                free(t->groups[i].name);
        for (size_t i = 0; i < t->n_grants; i++) {
                free(t->grants[i].vlans);
                free(t->grants[i].macs);
        }
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
        json_decref(p->pool_index);
        json_decref(p->tenant_index);
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

static bool text_agrees(const char *wanted, const char *is) {
        return !wanted || strcmp(wanted, is) == 0;
}

static bool id_agrees(int wanted, uint16_t is) {
        return wanted < 0 || wanted == is;
}

/* The DSN has only hex digits, which people write either way. */
static bool serial_agrees(const char *wanted, const struct pf *pf) {
        return !wanted ||
               (pf->identified && (strcmp(wanted, pf->serial) == 0 || strcasecmp(wanted, pf->dsn) == 0));
}

static bool mac_agrees(const struct selector *s, const struct pf *pf) {
        return !s->has_mac || (pf->identified && mac_to_number(s->mac) == mac_to_number(pf->mac));
}

static bool selector_agrees(const struct selector *s, const struct pf *pf) {
        return (!s->address || address_glob(s->address, pf->address)) && text_agrees(s->driver, pf->driver) &&
               text_agrees(s->netdev, pf->netdev) && text_agrees(s->slot, pf->slot) &&
               serial_agrees(s->serial, pf) && mac_agrees(s, pf) && id_agrees(s->vendor, pf->vendor) &&
               id_agrees(s->device, pf->device) && id_agrees(s->subsystem_vendor, pf->subsystem_vendor) &&
               id_agrees(s->subsystem_device, pf->subsystem_device) &&
               (s->numa_node == -2 || s->numa_node == pf->numa_node);
}

/* A selector that agrees with a function and can mean no other one (or none but those of the same card). */
static bool is_exact(const struct selector *s) {
        return s->has_mac || s->netdev || s->slot || s->serial || (s->address && !strpbrk(s->address, "*?"));
}

/* A PF with VFs is nobody's as a whole: its VFs may be leased. */
static bool assign_agrees(const struct pool *pool, const struct pf *pf) {
        if (pool->assign == ASSIGN_FUNCTION)
                return pf->num_vfs == 0 && (pf->whole || pf->total_vfs == 0);
        return pf->total_vfs > 0 && !pf->whole;
}

static bool pool_selects(const struct pool *pool, const struct pf *pf, bool *ret_exact) {
        bool selects = false;

        *ret_exact = false;
        if (!class_agrees(pool->class, pf->class) || !assign_agrees(pool, pf))
                return false;
        for (size_t i = 0; i < pool->n_functions && !*ret_exact; i++)
                if (selector_agrees(&pool->functions[i], pf)) {
                        selects = true;
                        *ret_exact = is_exact(&pool->functions[i]);
                }
        return selects;
}

int policy_pool_of(const struct policy *p, const struct pf *pf, size_t *ret_one, size_t *ret_two) {
        int first = -1, named = -1;

        for (size_t i = 0; i < p->n_pools; i++) {
                bool exact;

                if (!pool_selects(&p->pools[i], pf, &exact))
                        continue;
                if (exact && named >= 0) {
                        *ret_one = (size_t) named;
                        *ret_two = i;
                        return POOL_TWO;
                }
                if (exact)
                        named = (int) i;
                if (first < 0)
                        first = (int) i;
        }
        return first;
}

bool policy_needs_identity(const struct policy *p) {
        for (size_t i = 0; i < p->n_pools; i++)
                for (size_t j = 0; j < p->pools[i].n_functions; j++)
                        if (p->pools[i].functions[j].serial || p->pools[i].functions[j].has_mac)
                                return true;
        for (size_t i = 0; i < p->n_tenants; i++)
                for (size_t j = 0; j < p->tenants[i].n_grants; j++)
                        if (p->tenants[i].grants[j].macs_derived) /* from the card's own */
                                return true;
        return false;
}

unsigned pool_vf_count(const struct pool *pool, unsigned total_vfs) {
        if (pool->assign == ASSIGN_FUNCTION)
                return 0;
        switch (pool->vfs.kind) {
        case COUNT_NUMBER:
                return MIN(pool->vfs.n, total_vfs);
        case COUNT_PERCENT: /* of a PF with VFs at least one */
                return MIN(MAX((unsigned) ((uint64_t) total_vfs * pool->vfs.n / 100), 1U), total_vfs);
        case COUNT_MAX:
                break;
        }
        return total_vfs;
}

size_t grant_share_of(const struct grant *g, const struct pf *pf) {
        return MAX(pf->n_vfs * g->pf_share / 100, (size_t) 1);
}

enum misfit pool_misfit(const struct pool *p, const struct vf *vf) {
        if (p->driver && strcmp(p->driver, vf->driver) != 0)
                return MISFIT_DRIVER;
        return p->msix > 0 && vf->vectors > 0 && p->msix != vf->vectors ? MISFIT_VECTORS : MISFIT_NONE;
}

enum reason pool_obstacle(const struct pool *p, const struct vf *vf) {
        switch (pool_misfit(p, vf)) {
        case MISFIT_NONE:
                break;
        case MISFIT_DRIVER:
                return p->driver_missing ? REASON_PROBE_FAILED : REASON_NONE;
        case MISFIT_VECTORS:
                return vf->pf->identified && p->msix > vf->pf->vf_total_msix ? REASON_MSIX : REASON_NONE;
        }
        return REASON_NONE;
}

bool grant_allows_vlan(const struct grant *g, unsigned vlan) {
        for (size_t i = 0; i < g->n_vlans; i++)
                if (vlan >= g->vlans[i].first && vlan <= g->vlans[i].last)
                        return true;
        return false;
}

bool grant_allows_mac(const struct grant *g, struct mac m) {
        for (size_t i = 0; i < g->n_macs; i++)
                if ((mac_to_number(m) ^ g->macs[i].base) >> (48 - g->macs[i].prefix) == 0)
                        return true;
        return false;
}

bool grant_may_keep_mac(const struct grant *g, struct mac m) {
        return g->macs_derived ? mac_is_unicast(m) : grant_allows_mac(g, m);
}

const struct tenant *policy_find_tenant(const struct policy *p, const char *name) {
        const json_t *i = json_object_get(p->tenant_index, name);

        return i ? &p->tenants[json_integer_value(i)] : NULL;
}

int policy_find_pool(const struct policy *p, const char *name) {
        const json_t *i = json_object_get(p->pool_index, name);

        return i ? (int) json_integer_value(i) : -1;
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

const char *erase_rule_to_string(enum erase_rule e) {
        static const char *const names[_ERASE_RULE_MAX] = { "delete", "format", "crypto", "never" };

        return (unsigned) e < _ERASE_RULE_MAX ? names[e] : "unknown";
}
