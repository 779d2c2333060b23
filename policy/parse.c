/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON text to policy. Strict: what is not known is an error, and all errors come out in one run. */

#include "policy/errors.h"
#include "policy/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Keys of later versions: an attribute that would silently not be enforced is worse than an error. */
static const char *const pool_later[] = { "queues", "interrupts" };
static const char *const grant_later[] = { "vlans", "macs", "max_tx_mbps", "spoof_check", "trust" };

static void parse_selector(struct context *c, const char *path, json_t *v, struct selector *s) {
        static const char *const keys[] = { "address", "driver", "netdev", "vendor", "device", "numa_node" };
        int64_t node = -2;

        *s = (struct selector){ .vendor = -1, .device = -1, .numa_node = -2 };
        if (!value_object(c, path, v, keys, ARRAY_SIZE(keys), NULL, 0))
                return;
        if (json_object_size(v) == 0)
                error_at(c, path, false, "an empty selector would select nothing; expected at least one of address, driver, "
                                         "netdev, vendor, device, numa_node");
        value_glob(c, path, v, "address", &s->address);
        value_text(c, path, v, "driver", DRIVER_MAX - 1, &s->driver);
        value_text(c, path, v, "netdev", IFNAME_MAX - 1, &s->netdev);
        value_hex16(c, path, v, "vendor", &s->vendor);
        value_hex16(c, path, v, "device", &s->device);
        if (value_int(c, path, v, "numa_node", -1, 4095, &node))
                s->numa_node = (int) node;
}

static void parse_functions(struct context *c, const char *pool_path, json_t *pool, struct pool *p) {
        char path[PATH_MAX_LEN], item[PATH_MAX_LEN];
        json_t *v = json_object_get(pool, "functions"), *i;
        size_t n;

        if (!v) {
                error_at(c, pool_path, false, "\"functions\" is missing; expected an array of selectors");
                return;
        }
        path_join(path, pool_path, "functions");
        if (!json_is_array(v) || json_array_size(v) == 0) {
                error_at(c, path, false, "found %s; expected an array with at least one selector", value_kind(v));
                return;
        }
        p->functions = calloc(json_array_size(v), sizeof(*p->functions));
        if (!p->functions) {
                c->no_memory = true;
                return;
        }
        json_array_foreach(v, n, i) {
                path_index(item, path, n);
                parse_selector(c, item, i, &p->functions[p->n_functions++]);
        }
}

static void parse_vfs(struct context *c, const char *pool_path, json_t *pool, struct pool *p) {
        json_t *v = json_object_get(pool, "vfs");
        char path[PATH_MAX_LEN];
        int64_t n = 0;

        path_join(path, pool_path, "vfs");
        if (!v)
                error_at(c, pool_path, false, "\"vfs\" is missing; expected \"max\" or a number of VFs per function");
        else if (json_is_string(v) && strcmp(json_string_value(v), "max") == 0)
                p->vfs = POOL_VFS_MAX_ALL;
        else if (!json_is_integer(v))
                error_at(c, path, false, "found %s; expected \"max\" or a number from 1 to %u", value_kind(v),
                         VFS_PER_PF_MAX);
        else if (value_int(c, pool_path, pool, "vfs", 1, VFS_PER_PF_MAX, &n))
                p->vfs = (uint32_t) n;
}

static void parse_pool(struct context *c, const char *path, json_t *v, struct pool *p) {
        static const char *const keys[] = { "class", "functions", "vfs", "placement" };
        static const char *const class_names[] = { "network", "storage" };
        static const char *const placements[] = { "pack", "spread" };

        if (!value_object(c, path, v, keys, ARRAY_SIZE(keys), pool_later, ARRAY_SIZE(pool_later)))
                return;
        int class = value_word(c, path, v, "class", class_names, ARRAY_SIZE(class_names));
        int placement = value_word(c, path, v, "placement", placements, ARRAY_SIZE(placements));
        p->class = class < 0 ? POOL_CLASS_ANY : class == 0 ? POOL_CLASS_NETWORK : POOL_CLASS_STORAGE;
        p->placement = placement == 1 ? PLACEMENT_SPREAD : PLACEMENT_PACK;
        parse_functions(c, path, v, p);
        parse_vfs(c, path, v, p);
}

static bool same_principal(const struct principal *a, const struct principal *b) {
        if (a->name || b->name)
                return a->name && b->name && strcmp(a->name, b->name) == 0;
        return a->id == b->id;
}

/* A user or group: a name, or a number. */
static bool parse_principal(struct context *c, const char *path, json_t *v, bool group, struct principal *p) {
        const char *what = group ? "group" : "user";

        if (json_is_integer(v)) {
                json_int_t id = json_integer_value(v);

                if (id < 0 || id >= UINT32_MAX) {
                        error_at(c, path, false, "found %" JSON_INTEGER_FORMAT "; expected an id from 0 to 4294967294", id);
                        return false;
                }
                *p = (struct principal){ .id = (uint32_t) id, .resolved = true };
        } else if (json_is_string(v) && json_string_length(v) > 0 && json_string_length(v) <= 255 &&
                   strlen(json_string_value(v)) == json_string_length(v)) {
                *p = (struct principal){ .name = strdup(json_string_value(v)) };
                c->no_memory = c->no_memory || !p->name;
        } else {
                error_at(c, path, false, "found %s; expected the name or the number of a %s", value_kind(v), what);
                return false;
        }
        if (!group && ((p->name && strcmp(p->name, "root") == 0) || (!p->name && p->id == 0))) {
                error_at(c, path, false, "root is an administrator already and cannot be a tenant's user");
                free(p->name);
                return false;
        }
        return true;
}

static void parse_principals(struct context *c, const char *tenant_path, json_t *tenant, bool group,
                             struct principal **ret, size_t *n_ret) {
        const char *key = group ? "groups" : "users";
        json_t *v = json_object_get(tenant, key), *i;
        char path[PATH_MAX_LEN], item[PATH_MAX_LEN];
        size_t n;

        if (!v)
                return;
        path_join(path, tenant_path, key);
        if (!json_is_array(v)) {
                error_at(c, path, false, "found %s; expected an array of names or numbers", value_kind(v));
                return;
        }
        *ret = calloc(json_array_size(v) + 1, sizeof(**ret));
        if (!*ret) {
                c->no_memory = true;
                return;
        }
        json_array_foreach(v, n, i) {
                struct principal *p = &(*ret)[*n_ret];

                path_index(item, path, n);
                if (!parse_principal(c, item, i, group, p))
                        continue;
                for (size_t k = 0; k < *n_ret; k++)
                        if (same_principal(&(*ret)[k], p)) {
                                error_at(c, item, false, "this %s is named twice", group ? "group" : "user");
                                break;
                        }
                ++*n_ret;
        }
}

/* Grants name pools that another file may define: kept by name, resolved after the merge. */
static void parse_grants(struct context *c, const char *tenant_path, json_t *tenant, struct draft_tenant *d) {
        static const char *const keys[] = { "quota" };
        json_t *v = json_object_get(tenant, "pools"), *g;
        char path[PATH_MAX_LEN], item[PATH_MAX_LEN];
        const char *name;

        if (!v)
                return;
        path_join(path, tenant_path, "pools");
        if (!json_is_object(v)) {
                error_at(c, path, false, "found %s; expected an object of pool names", value_kind(v));
                return;
        }
        d->tenant.grants = calloc(json_object_size(v) + 1, sizeof(*d->tenant.grants));
        d->grants = calloc(json_object_size(v) + 1, sizeof(*d->grants));
        if (!d->tenant.grants || !d->grants) {
                c->no_memory = true;
                return;
        }
        json_object_foreach(v, name, g) {
                int64_t quota = 0;

                path_join(item, path, name);
                if (!value_object(c, item, g, keys, ARRAY_SIZE(keys), grant_later, ARRAY_SIZE(grant_later)))
                        continue;
                if (!json_object_get(g, "quota"))
                        error_at(c, item, false, "\"quota\" is missing; expected a number of VFs");
                else
                        value_int(c, item, g, "quota", 0, INT32_MAX, &quota);
                struct draft_grant *dg = &d->grants[d->tenant.n_grants];
                dg->pool = strdup(name);
                dg->at = json_locate(c->source->text, c->source->size, item, true);
                c->no_memory = c->no_memory || !dg->pool;
                d->tenant.grants[d->tenant.n_grants++].quota = (uint32_t) quota;
        }
}

static void parse_memlock(struct context *c, const char *tenant_path, json_t *tenant, uint64_t *ret) {
        json_t *v = json_object_get(tenant, "memlock");
        char path[PATH_MAX_LEN];

        if (!v)
                return;
        path_join(path, tenant_path, "memlock");
        if (json_is_integer(v) && json_integer_value(v) > 0)
                *ret = (uint64_t) json_integer_value(v);
        else if (!json_is_string(v) || parse_size(json_string_value(v), ret) < 0 || *ret == 0 || *ret > INT64_MAX)
                error_at(c, path, false, "found %s; expected a size like \"4G\" or a number of bytes above 0", value_kind(v));
}

static void parse_tenant(struct context *c, const char *path, json_t *v, struct draft_tenant *d) {
        static const char *const keys[] = { "users", "groups", "memlock", "pools" };

        if (!value_object(c, path, v, keys, ARRAY_SIZE(keys), NULL, 0))
                return;
        parse_principals(c, path, v, false, &d->tenant.users, &d->tenant.n_users);
        parse_principals(c, path, v, true, &d->tenant.groups, &d->tenant.n_groups);
        parse_memlock(c, path, v, &d->tenant.memlock);
        parse_grants(c, path, v, d);
}

/* Members of /pools or /tenants; each name may be defined once in all files. */
static void parse_members(struct context *c, const char *key, json_t *root, struct draft *d) {
        bool pools = strcmp(key, "pools") == 0;
        json_t *v = json_object_get(root, key), *i;
        char path[PATH_MAX_LEN], item[PATH_MAX_LEN];
        const char *name;

        if (!v)
                return;
        path_join(path, "", key);
        if (!json_is_object(v)) {
                error_at(c, path, false, "found %s; expected an object", value_kind(v));
                return;
        }
        json_object_foreach(v, name, i) {
                path_join(item, path, name);
                if (!name_is_valid(name))
                        error_at(c, item, true, "a name is 1 to %d letters, digits, '.', '_' or '-', and starts with a letter "
                                                "or digit",
                                 NAME_MAX_LEN);
                if (pools) {
                        struct pool *p = draft_add_pool(c, d, item, name);
                        if (p)
                                parse_pool(c, item, i, p);
                } else {
                        struct draft_tenant *t = draft_add_tenant(c, d, item, name);
                        if (t)
                                parse_tenant(c, item, i, t);
                }
        }
}

static void parse_faults(struct context *c, json_t *root, struct draft *d) {
        static const char *const keys[] = { "dma" };
        static const char *const dma_keys[] = { "limit", "seconds", "action" };
        static const char *const actions[] = { "log", "quarantine" };
        json_t *v = json_object_get(root, "faults"), *dma;
        int64_t n;

        if (!v)
                return;
        draft_note_faults(c, d);
        if (!value_object(c, "/faults", v, keys, ARRAY_SIZE(keys), NULL, 0))
                return;
        dma = json_object_get(v, "dma");
        if (!dma || !value_object(c, "/faults/dma", dma, dma_keys, ARRAY_SIZE(dma_keys), NULL, 0))
                return;
        value_int(c, "/faults/dma", dma, "limit", 1, INT32_MAX, &n);
        value_int(c, "/faults/dma", dma, "seconds", 1, 86400, &n);
        value_word(c, "/faults/dma", dma, "action", actions, ARRAY_SIZE(actions));
}

static void parse_root(struct context *c, json_t *root, struct draft *d) {
        static const char *const keys[] = { "version", "pools", "tenants", "faults" };
        json_t *version;

        if (!value_object(c, "", root, keys, ARRAY_SIZE(keys), NULL, 0))
                return;
        version = json_object_get(root, "version");
        if (!version)
                error_at(c, "", false, "\"version\" is missing; expected \"version\": 1");
        else if (!json_is_integer(version) || json_integer_value(version) != 1)
                error_at(c, "/version", false, "found %s; expected 1, the version that this vfctl knows",
                         value_kind(version));
        parse_members(c, "pools", root, d);
        parse_members(c, "tenants", root, d);
        parse_faults(c, root, d);
}

static void parse_source(struct context *c, struct draft *d) {
        const struct policy_source *s = c->source;
        struct json_problem problem;
        _cleanup_json_ json_t *root = NULL;

        if (s->size > POLICY_FILE_MAX) {
                error_put(c, (struct json_position){ 0, 0 }, "", "the file is larger than 4 MiB");
                return;
        }
        int r = json_parse(s->text, s->size, JSON_DEPTH_MAX, &root, &problem);
        if (r == -EINVAL)
                error_put(c, problem.at, "", problem.message);
        else if (r < 0)
                c->no_memory = true;
        else
                parse_root(c, root, d);
}

int policy_parse(const struct policy_source *sources, size_t n, struct policy **ret, struct policy_errors *errors) {
        struct context c = { .errors = errors };
        struct draft d = { 0 };
        struct policy *p = NULL;

        if (n == 0)
                error_put(&c, (struct json_position){ 0, 0 }, "", "there is no policy file");
        for (size_t i = 0; i < n; i++) {
                c.source = &sources[i];
                parse_source(&c, &d);
        }
        draft_resolve(&c, &d);
        if (errors->n == 0 && !c.no_memory)
                p = draft_finish(&c, &d);
        draft_done(&d);
        if (c.no_memory) {
                policy_free(p);
                return -ENOMEM;
        }
        if (errors->n > 0) {
                errors_sort(errors, sources, n);
                policy_free(p);
                return -EINVAL;
        }
        *ret = p;
        return 0;
}
