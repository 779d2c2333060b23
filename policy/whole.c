/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What only all files together show: an address that two grants have, a function that two pools name. */

#include "policy/parse.h"
#include "policy/value.h"

#include <stdlib.h>
#include <string.h>

static void mac_path(char ret[PATH_MAX_LEN], const struct draft *d, const struct mac_place *m) {
        char a[PATH_MAX_LEN], b[PATH_MAX_LEN];

        path_join(a, "/tenants", d->policy->tenants[m->tenant].name);
        path_join(b, a, "pools");
        path_join(a, b, m->pool);
        path_join(ret, a, "macs");
        if (m->item != ITEM_ALONE) {
                path_index(a, ret, m->item);
                memcpy(ret, a, PATH_MAX_LEN);
        }
}

static const char *range_format(const struct mac_range *r, char buf[MAC_STR_MAX + 3]) {
        snprintf(buf, MAC_STR_MAX + 3, "%s/%u", MAC_STR(mac_from_number(r->base)), r->prefix);
        return buf;
}

#define RANGE_STR(r) range_format((r), (char[MAC_STR_MAX + 3]){ 0 })

/* The wider one first where two begin alike, then in the order of the files. */
static int compare_macs(const void *a, const void *b) {
        const struct mac_place *x = *(const struct mac_place *const *) a,
                               *y = *(const struct mac_place *const *) b;

        if (x->range.base != y->range.base)
                return x->range.base < y->range.base ? -1 : 1;
        if (x->range.prefix != y->range.prefix)
                return x->range.prefix < y->range.prefix ? -1 : 1;
        return x < y ? -1 : x > y;
}

/* Told where the later of the two is written. */
static void tell_overlap(struct context *c, const struct draft *d, const struct mac_place *a,
                         const struct mac_place *b) {
        const struct mac_place *first = MIN(a, b), *later = MAX(a, b);
        const struct policy_source *source = d->tenants.sources[first->tenant];
        char path[PATH_MAX_LEN];

        if (errors_are_enough(c))
                return;
        mac_path(path, d, first);
        struct json_position at = error_place(source, path, false);
        mac_path(path, d, later);
        c->source = d->tenants.sources[later->tenant];
        error_at(c, path, false,
                 "%s overlaps %s of tenant \"%s\" in pool \"%s\" at %s:%d:%d; expected each address in one place",
                 RANGE_STR(&later->range), RANGE_STR(&first->range),
                 SHOWN(d->policy->tenants[first->tenant].name), SHOWN(first->pool), source->file, at.line,
                 at.column);
}

static bool is_within(const struct mac_range *r, const struct mac_range *outer) {
        return r->prefix >= outer->prefix && (r->base ^ outer->base) >> (48 - outer->prefix) == 0;
}

/* Two ranges are apart or one is within the other, so that in this order a range can only be within those
 * that its predecessor is within, and the predecessor: they are kept as a stack, each narrower than the one
 * before. Each range is told about once, with the narrowest that it is within. */
static void check_macs(struct context *c, const struct draft *d) {
        _cleanup_free_ const struct mac_place **sorted = calloc(d->n_macs + 1, sizeof(*sorted));
        const struct mac_place *open[48 + 1];
        size_t n_open = 0;

        if (!sorted) {
                c->no_memory = true;
                return;
        }
        for (size_t i = 0; i < d->n_macs; i++)
                sorted[i] = &d->macs[i];
        qsort(sorted, d->n_macs, sizeof(*sorted), compare_macs);
        for (size_t i = 0; i < d->n_macs; i++) {
                const struct mac_range *r = &sorted[i]->range;

                while (n_open > 0 && !is_within(r, &open[n_open - 1]->range))
                        n_open--;
                if (n_open > 0)
                        tell_overlap(c, d, open[n_open - 1], sorted[i]);
                if (n_open == 0 || r->prefix > open[n_open - 1]->range.prefix)
                        open[n_open++] = sorted[i];
        }
}

/* A selector by what names just one function, or one card. */
struct exact {
        const char *key;
        char text[SERIAL_MAX];
        size_t pool, function;
};

/* A selector may name its function in several ways. */
#define EXACT_MAX 5

static size_t exact_of(const struct selector *s, struct exact e[EXACT_MAX]) {
        struct address a;
        size_t n = 0;

        if (s->address && address_parse(s->address, &a) == 0) {
                e[n].key = "address";
                address_format(a, e[n++].text);
        }
        if (s->netdev) {
                e[n].key = "netdev";
                text_copy(e[n].text, sizeof(e[n].text), s->netdev);
                n++;
        }
        if (s->has_mac) {
                e[n].key = "mac";
                mac_format(s->mac, e[n++].text);
        }
        if (s->slot) {
                e[n].key = "slot";
                text_copy(e[n].text, sizeof(e[n].text), s->slot);
                n++;
        }
        if (s->serial) {
                e[n].key = "serial";
                text_copy(e[n].text, sizeof(e[n].text), s->serial);
                n++;
        }
        return n;
}

static int compare_exact(const void *a, const void *b) {
        const struct exact *x = a, *y = b;
        int r = strcmp(x->key, y->key);

        if (r == 0)
                r = strcmp(x->text, y->text);
        if (r != 0)
                return r;
        if (x->pool != y->pool)
                return x->pool < y->pool ? -1 : 1;
        return x->function < y->function ? -1 : x->function > y->function;
}

static bool differ(const char *a, const char *b) {
        return a && b && strcmp(a, b) != 0;
}

static bool numbers_differ(int a, int b, int unset) {
        return a != unset && b != unset && a != b;
}

static bool addresses_differ(const char *a, const char *b) {
        struct address x, y;

        if (!a || !b)
                return false;
        if (address_parse(a, &x) == 0)
                return !address_glob(b, x);
        return address_parse(b, &y) == 0 && !address_glob(a, y);
}

/* The functions of one card share its slot and serial number; other keys tell them apart. */
static bool contradict(const struct pool *p, const struct selector *s, const struct pool *q,
                       const struct selector *t) {
        return (p->class != POOL_CLASS_ANY && q->class != POOL_CLASS_ANY && p->class != q->class) ||
               addresses_differ(s->address, t->address) || differ(s->driver, t->driver) ||
               differ(s->netdev, t->netdev) || differ(s->slot, t->slot) || differ(s->serial, t->serial) ||
               (s->has_mac && t->has_mac && mac_to_number(s->mac) != mac_to_number(t->mac)) ||
               numbers_differ(s->vendor, t->vendor, -1) || numbers_differ(s->device, t->device, -1) ||
               numbers_differ(s->subsystem_vendor, t->subsystem_vendor, -1) ||
               numbers_differ(s->subsystem_device, t->subsystem_device, -1) ||
               numbers_differ(s->numa_node, t->numa_node, -2);
}

static void exact_path(char ret[PATH_MAX_LEN], const struct draft *d, const struct exact *e) {
        char a[PATH_MAX_LEN], b[PATH_MAX_LEN];

        path_join(a, "/pools", d->policy->pools[e->pool].name);
        path_join(b, a, "functions");
        path_index(a, b, e->function);
        path_join(ret, a, e->key);
}

static bool both_name(const struct draft *d, const struct exact *e, const struct exact *f) {
        const struct pool *p = &d->policy->pools[e->pool], *q = &d->policy->pools[f->pool];

        /* a pool that is defined twice is told already */
        return strcmp(p->name, q->name) != 0 &&
               !contradict(p, &p->functions[e->function], q, &q->functions[f->function]);
}

static void tell_two_pools(struct context *c, const struct draft *d, const struct exact *first,
                           const struct exact *later) {
        const struct policy_source *source = d->pools.sources[first->pool];
        char path[PATH_MAX_LEN];

        if (errors_are_enough(c))
                return;
        exact_path(path, d, first);
        struct json_position at = error_place(source, path, false);
        exact_path(path, d, later);
        c->source = d->pools.sources[later->pool];
        error_at(c, path, false,
                 "the pools \"%s\" and \"%s\" both name the function of %s \"%s\", the first at %s:%d:%d; expected it in one pool",
                 SHOWN(d->policy->pools[first->pool].name), SHOWN(d->policy->pools[later->pool].name),
                 first->key, SHOWN(first->text), source->file, at.line, at.column);
}

/* Of how many selectors of the same card a new one is compared with. A file of nothing but one slot must not
 * take for ever; what is missed here, policy_pool_of() finds. */
#define NEIGHBOURS 16

static void check_exact(struct context *c, const struct draft *d, struct exact *e, size_t n) {
        size_t first = 0;

        qsort(e, n, sizeof(*e), compare_exact);
        for (size_t i = 0; i < n; i++) {
                if (strcmp(e[i].key, e[first].key) != 0 || strcmp(e[i].text, e[first].text) != 0)
                        first = i;
                for (size_t j = i; j > first && i - j < NEIGHBOURS; j--)
                        if (both_name(d, &e[j - 1], &e[i])) {
                                tell_two_pools(c, d, &e[j - 1], &e[i]);
                                break;
                        }
        }
}

static void check_functions(struct context *c, const struct draft *d) {
        const struct policy *p = d->policy;
        size_t n = 0, total = 1;

        for (size_t i = 0; i < p->n_pools; i++)
                total += p->pools[i].n_functions * EXACT_MAX;
        _cleanup_free_ struct exact *all = calloc(total, sizeof(*all));
        if (!all) {
                c->no_memory = true;
                return;
        }
        for (size_t i = 0; i < p->n_pools; i++)
                for (size_t j = 0; j < p->pools[i].n_functions; j++)
                        for (size_t k = exact_of(&p->pools[i].functions[j], &all[n]); k > 0; k--) {
                                all[n].pool = i;
                                all[n++].function = j;
                        }
        check_exact(c, d, all, n);
}

/* Data that are never erased stay those of one tenant. */
static void check_kept_data(struct context *c, const struct draft *d) {
        const struct policy *p = d->policy;
        _cleanup_free_ const struct tenant **owners = calloc(p->n_pools + 1, sizeof(*owners));
        char path[PATH_MAX_LEN];

        if (!owners) {
                c->no_memory = true;
                return;
        }
        FOREACH_ARRAY(t, p->tenants, p->n_tenants)
                FOREACH_ARRAY(g, t->grants, t->n_grants) {
                        if (g->pool >= p->n_pools) /* told already */
                                continue;
                        const struct pool *pool = &p->pools[g->pool];

                        if (pool->storage.namespaces == NAMESPACES_NONE || pool->storage.erase != ERASE_NEVER)
                                continue;
                        if (!owners[g->pool]) {
                                owners[g->pool] = t;
                                continue;
                        }
                        c->source = d->tenants.sources[t - p->tenants];
                        snprintf(path, sizeof(path), "/tenants/%s/pools/%s", t->name, pool->name);
                        error_at(c, path, true,
                                 "found a second tenant beside \"%s\" in a pool that never erases data; expected one, or another \"erase\"",
                                 SHOWN(owners[g->pool]->name));
                }
}

void check_whole(struct context *c, const struct draft *d) {
        check_macs(c, d);
        check_functions(c, d);
        check_kept_data(c, d);
}
