/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several files become one policy: every name once, every grant to a pool that exists. */

#include "policy/draft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int draft_init(struct draft *d) {
        *d = (struct draft){ .policy = calloc(1, sizeof(*d->policy)), .limits = { .quota = QUOTA_NONE } };
        d->pools.index = json_object();
        d->tenants.index = json_object();
        return d->policy && d->pools.index && d->tenants.index ? 0 : -ENOMEM;
}

static void names_done(struct names *n) {
        json_decref(n->index);
        free(n->sources);
}

void draft_done(struct draft *d) {
        policy_free(d->policy);
        names_done(&d->pools);
        names_done(&d->tenants);
        for (size_t i = 0; i < d->n_grants; i++)
                free(d->grants[i].grant.vlans);
        free(d->grants);
        free(d->macs);
        *d = (struct draft){ 0 };
}

/* Room for one more behind n; the array doubles. NULL without memory, then the old one is still there. */
static void *grow(void *array, size_t n, size_t size) {
        return n & (n - 1) ? array : reallocarray(array, n ? 2 * n : 1, size);
}

static void twice(struct context *c, const char *path, const char *what, const char *name,
                  const struct policy_source *first) {
        if (errors_are_enough(c))
                return;
        struct json_position at = error_place(first, path, true);

        error_at(c, path, true, "%s%s\"%s\" is defined twice, first at %s:%d:%d", what, what[0] ? " " : "",
                 SHOWN(name), first->file, at.line, at.column);
}

/* Notes definition number `count` of a name. */
static bool names_add(struct context *c, struct names *n, size_t count, const char *path, const char *what,
                      const char *name) {
        const struct policy_source **sources = grow(n->sources, count, sizeof(*sources));

        if (!sources)
                return false;
        n->sources = sources;
        sources[count] = c->source;
        json_t *known = json_object_get(n->index, name);
        if (!known)
                return json_object_set_new(n->index, name, json_integer((json_int_t) count)) == 0;
        twice(c, path, what, name, sources[json_integer_value(known)]);
        return true;
}

struct pool *draft_add_pool(struct context *c, struct draft *d, const char *path, const char *name) {
        struct policy *p = d->policy;
        struct pool *pools = grow(p->pools, p->n_pools, sizeof(*pools));
        char *copy = strdup(name);

        if (pools)
                p->pools = pools;
        if (!pools || !copy || !names_add(c, &d->pools, p->n_pools, path, "pool", name)) {
                free(copy);
                c->no_memory = true;
                return NULL;
        }
        pools[p->n_pools] = (struct pool){ .name = copy };
        return &pools[p->n_pools++];
}

struct tenant *draft_add_tenant(struct context *c, struct draft *d, const char *path, const char *name) {
        struct policy *p = d->policy;
        struct tenant *tenants = grow(p->tenants, p->n_tenants, sizeof(*tenants));
        char *copy = strdup(name);

        if (tenants)
                p->tenants = tenants;
        if (!tenants || !copy || !names_add(c, &d->tenants, p->n_tenants, path, "tenant", name)) {
                free(copy);
                c->no_memory = true;
                return NULL;
        }
        tenants[p->n_tenants] = (struct tenant){ .name = copy };
        return &tenants[p->n_tenants++];
}

void draft_add_mac(struct context *c, struct draft *d, const struct mac_place *place) {
        struct mac_place *macs = grow(d->macs, d->n_macs, sizeof(*macs));

        if (!macs) {
                c->no_memory = true;
                return;
        }
        d->macs = macs;
        macs[d->n_macs++] = *place;
}

void draft_note_part(struct context *c, const struct policy_source **first, const char *name) {
        char path[32];

        snprintf(path, sizeof(path), "/%s", name);
        if (*first)
                twice(c, path, "", name, *first);
        else
                *first = c->source;
}

int draft_find_pool(struct context *c, const struct draft *d, const char *path, const char *name) {
        const json_t *known = json_object_get(d->pools.index, name);
        struct nearest near = { name };
        char hint[96];

        if (known)
                return (int) json_integer_value(known);
        if (d->incomplete || errors_are_enough(c))
                return -1;
        for (size_t i = 0; i < d->policy->n_pools; i++)
                nearest_try(&near, d->policy->pools[i].name);
        error_at(c, path, true, "there is no pool \"%s\"; expected the name of a pool of this policy%s",
                 SHOWN(name), nearest_hint(&near, hint));
        return -1;
}

struct policy *draft_finish(struct draft *d) {
        d->policy->pool_index = TAKE_PTR(d->pools.index);
        d->policy->tenant_index = TAKE_PTR(d->tenants.index);
        return TAKE_PTR(d->policy);
}
