/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several files become one policy: every name once, every grant to a pool that exists. */

#include "policy/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct place place_here(struct context *c, const char *path) {
        return (struct place){ c->source, json_locate(c->source->text, c->source->size, path, true) };
}

static void twice(struct context *c, const char *path, const char *what, const char *name, const struct place *first) {
        error_at(c, path, true, "%s \"%.63s\" is defined twice, first at %s:%d:%d", what, name, first->source->file,
                 first->at.line, first->at.column);
}

struct pool *draft_add_pool(struct context *c, struct draft *d, const char *path, const char *name) {
        for (size_t i = 0; i < d->n_pools; i++)
                if (strcmp(d->pools[i].name, name) == 0) {
                        twice(c, path, "pool", name, &d->pool_places[i]);
                        return NULL;
                }
        struct pool *pools = reallocarray(d->pools, d->n_pools + 1, sizeof(*pools));
        if (pools)
                d->pools = pools;
        struct place *places = reallocarray(d->pool_places, d->n_pools + 1, sizeof(*places));
        if (places)
                d->pool_places = places;
        char *copy = strdup(name);
        if (!pools || !places || !copy) {
                free(copy);
                c->no_memory = true;
                return NULL;
        }
        pools[d->n_pools] = (struct pool){ .name = copy };
        places[d->n_pools] = place_here(c, path);
        return &pools[d->n_pools++];
}

struct draft_tenant *draft_add_tenant(struct context *c, struct draft *d, const char *path, const char *name) {
        for (size_t i = 0; i < d->n_tenants; i++)
                if (strcmp(d->tenants[i].tenant.name, name) == 0) {
                        twice(c, path, "tenant", name, &d->tenants[i].place);
                        return NULL;
                }
        struct draft_tenant *tenants = reallocarray(d->tenants, d->n_tenants + 1, sizeof(*tenants));
        if (tenants)
                d->tenants = tenants;
        char *copy = strdup(name);
        if (!tenants || !copy) {
                free(copy);
                c->no_memory = true;
                return NULL;
        }
        tenants[d->n_tenants] = (struct draft_tenant){ .tenant = { .name = copy }, .place = place_here(c, path) };
        return &tenants[d->n_tenants++];
}

void draft_note_faults(struct context *c, struct draft *d) {
        if (d->faults.source)
                error_at(c, "/faults", true, "\"faults\" is defined twice, first at %s:%d:%d", d->faults.source->file,
                         d->faults.at.line, d->faults.at.column);
        else
                d->faults = place_here(c, "/faults");
}

static void resolve_tenant(struct context *c, struct draft *d, struct draft_tenant *t, const char *const *names) {
        for (size_t i = 0; i < t->tenant.n_grants; i++) {
                char path[PATH_MAX_LEN], parent[PATH_MAX_LEN], message[256], hint[96];
                size_t j = 0;

                while (j < d->n_pools && strcmp(names[j], t->grants[i].pool) != 0)
                        j++;
                t->tenant.grants[i].pool = j;
                if (j < d->n_pools)
                        continue;
                path_join(parent, "/tenants", t->tenant.name);
                path_join(path, parent, "pools");
                path_join(parent, path, t->grants[i].pool);
                snprintf(message, sizeof(message), "there is no pool \"%.63s\"%s", t->grants[i].pool,
                         nearest_name(t->grants[i].pool, names, d->n_pools, hint));
                c->source = t->place.source;
                error_put(c, t->grants[i].at, parent, message);
        }
}

void draft_resolve(struct context *c, struct draft *d) {
        const char **names = calloc(d->n_pools + 1, sizeof(*names));

        if (!names) {
                c->no_memory = true;
                return;
        }
        for (size_t i = 0; i < d->n_pools; i++)
                names[i] = d->pools[i].name;
        for (size_t i = 0; i < d->n_tenants; i++)
                resolve_tenant(c, d, &d->tenants[i], names);
        free(names);
}

struct policy *draft_finish(struct context *c, struct draft *d) {
        struct policy *p = calloc(1, sizeof(*p));
        struct tenant *tenants = calloc(d->n_tenants + 1, sizeof(*tenants));

        if (!p || !tenants) {
                free(p);
                free(tenants);
                c->no_memory = true;
                return NULL;
        }
        for (size_t i = 0; i < d->n_tenants; i++) {
                tenants[i] = d->tenants[i].tenant;
                d->tenants[i].tenant = (struct tenant){ 0 };
                d->tenants[i].tenant.n_grants = tenants[i].n_grants; /* for draft_done() */
        }
        *p = (struct policy){ d->pools, d->n_pools, tenants, d->n_tenants };
        d->pools = NULL;
        d->n_pools = 0;
        return p;
}

void draft_done(struct draft *d) {
        struct policy *rest = calloc(1, sizeof(*rest));
        struct tenant *tenants = calloc(d->n_tenants + 1, sizeof(*tenants));

        for (size_t i = 0; i < d->n_tenants; i++) {
                struct draft_tenant *t = &d->tenants[i];

                for (size_t j = 0; t->grants && j < t->tenant.n_grants; j++)
                        free(t->grants[j].pool);
                free(t->grants);
                if (tenants) {
                        tenants[i] = t->tenant;
                        if (!t->tenant.grants) /* was taken out, or never filled */
                                tenants[i].n_grants = 0;
                }
        }
        if (rest && tenants) {
                *rest = (struct policy){ d->pools, d->n_pools, tenants, d->n_tenants };
                policy_free(rest);
        }
        free(d->tenants);
        free(d->pool_places);
        *d = (struct draft){ 0 };
}
