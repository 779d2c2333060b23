/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON text to policy. Strict: what is not known is an error, and all errors come out in one run. */

#include "policy/draft.h"
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
                error_at(c, path, false,
                         "found an empty object, which would select every function; expected at least one key, "
                         "or { \"address\": \"*\" } for all functions");
        value_glob(c, path, v, "address", &s->address);
        value_text(c, path, v, "driver", DRIVER_MAX - 1, &s->driver);
        value_text(c, path, v, "netdev", IFNAME_MAX - 1, &s->netdev);
        value_hex16(c, path, v, "vendor", &s->vendor);
        value_hex16(c, path, v, "device", &s->device);
        if (value_int(c, path, v, "numa_node", -1, INT32_MAX, &node))
                s->numa_node = (int) node;
}

static void parse_functions(struct context *c, const char *pool_path, json_t *pool, struct pool *p) {
        char path[PATH_MAX_LEN], item[PATH_MAX_LEN];
        json_t *v = value_required(c, pool_path, pool, "functions", "an array of selectors"), *i;
        size_t n;

        if (!v)
                return;
        path_join(path, pool_path, "functions");
        if (!json_is_array(v) || json_array_size(v) == 0) {
                error_at(c, path, false, "found %s; expected an array with at least one selector", FOUND(v));
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
        json_t *v = value_required(c, pool_path, pool, "vfs", "\"max\" or a number of VFs per function");
        char path[PATH_MAX_LEN];

        if (!v)
                return;
        path_join(path, pool_path, "vfs");
        if (json_is_string(v) && strcmp(json_string_value(v), "max") == 0)
                p->vfs = POOL_VFS_MAX_ALL;
        else if (json_is_integer(v) && json_integer_value(v) >= 1 && json_integer_value(v) <= VFS_PER_PF_MAX)
                p->vfs = (uint32_t) json_integer_value(v);
        else
                error_at(c, path, false, "found %s; expected \"max\" or a number from 1 to %u", FOUND(v),
                         VFS_PER_PF_MAX);
}

static void parse_finding(struct context *c, const char *path, const json_t *v, finding_set *set) {
        enum finding_code code = json_is_string(v) ? finding_from_name(json_string_value(v)) : _FINDING_MAX;
        char names[256] = "";
        size_t at = 0;

        if (code != _FINDING_MAX && finding_acceptable(code)) {
                if (*set & FINDING_BIT(code))
                        error_at(c, path, false,
                                 "found %s, which is in the list already; expected each finding once",
                                 FOUND(v));
                *set |= FINDING_BIT(code);
                return;
        }
        for (unsigned i = 0; i < _FINDING_MAX; i++)
                if (finding_acceptable((enum finding_code) i))
                        at += (size_t) snprintf(names + at, sizeof(names) - at, "%s\"%s\"", at ? ", " : "",
                                                finding_name((enum finding_code) i));
        error_at(c, path, false, "found %s%s; expected one of %s", FOUND(v),
                 code != _FINDING_MAX ? ", which cannot be accepted" : "", names);
}

/* Findings that the operator knows and lives with, one by one. */
static void parse_accept(struct context *c, const char *pool_path, json_t *pool, finding_set *set) {
        json_t *v = json_object_get(pool, "accept"), *i;
        char path[PATH_MAX_LEN], item[PATH_MAX_LEN];
        size_t n;

        if (!v)
                return;
        path_join(path, pool_path, "accept");
        if (!json_is_array(v)) {
                error_at(c, path, false, "found %s; expected an array of findings", FOUND(v));
                return;
        }
        json_array_foreach(v, n, i) {
                path_index(item, path, n);
                parse_finding(c, item, i, set);
        }
}

static void parse_pool(struct context *c, const char *path, json_t *v, struct pool *p) {
        static const char *const keys[] = { "class", "functions", "vfs", "placement", "accept" };
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
        parse_accept(c, path, v, &p->accept);
}

/* A user or group: a name, or a number. */
static bool parse_principal(struct context *c, const char *path, json_t *v, bool group, struct principal *p) {
        json_int_t id = json_integer_value(v);

        if (json_is_integer(v) && id >= 0 && id < UINT32_MAX)
                *p = (struct principal){ .id = (uint32_t) id, .resolved = true };
        else if (text_is_plain(v, 255, ":"))
                *p = (struct principal){ .name = strdup(json_string_value(v)) };
        else {
                error_at(c, path, false, "found %s; expected the name of a %s, or an id from 0 to 4294967294",
                         FOUND(v), group ? "group" : "user");
                return false;
        }
        c->no_memory = c->no_memory || (!p->name && !p->resolved);
        if (!group && (p->name ? strcmp(p->name, "root") == 0 : p->resolved && p->id == 0))
                error_at(c, path, false,
                         "found %s; expected another user than root, who is an administrator already",
                         FOUND(v));
        return true;
}

/* Reports a user or group that was seen before: names and numbers are told apart. */
static void check_twice(struct context *c, const char *path, json_t *seen, const json_t *v, bool group) {
        char key[300];

        if (json_is_string(v))
                snprintf(key, sizeof(key), "=%s", json_string_value(v));
        else
                snprintf(key, sizeof(key), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        if (json_object_get(seen, key))
                error_at(c, path, false, "found %s, which is in the list already; expected each %s once",
                         FOUND(v), group ? "group" : "user");
        else if (json_object_set_new(seen, key, json_true()) < 0)
                c->no_memory = true;
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
                error_at(c, path, false, "found %s; expected an array of names or numbers", FOUND(v));
                return;
        }
        _cleanup_json_ json_t *seen = json_object();
        *ret = calloc(json_array_size(v) + 1, sizeof(**ret));
        if (!*ret || !seen) {
                c->no_memory = true;
                return;
        }
        json_array_foreach(v, n, i) {
                path_index(item, path, n);
                if (!parse_principal(c, item, i, group, &(*ret)[*n_ret]))
                        continue;
                ++*n_ret;
                check_twice(c, item, seen, i, group);
        }
}

static void parse_grants(struct context *c, const struct draft *d, const char *tenant_path, json_t *tenant,
                         struct tenant *t) {
        static const char *const keys[] = { "quota" };
        json_t *v = json_object_get(tenant, "pools"), *g;
        char path[PATH_MAX_LEN], item[PATH_MAX_LEN];
        const char *name;

        if (!v)
                return;
        path_join(path, tenant_path, "pools");
        if (!json_is_object(v)) {
                error_at(c, path, false, "found %s; expected an object of pool names", FOUND(v));
                return;
        }
        t->grants = calloc(json_object_size(v) + 1, sizeof(*t->grants));
        if (!t->grants) {
                c->no_memory = true;
                return;
        }
        json_object_foreach(v, name, g) {
                int64_t quota = 0;

                path_join(item, path, name);
                size_t pool = draft_find_pool(c, d, item, name);
                if (value_object(c, item, g, keys, ARRAY_SIZE(keys), grant_later, ARRAY_SIZE(grant_later)) &&
                    value_required(c, item, g, "quota", "a number of VFs"))
                        value_int(c, item, g, "quota", 0, INT32_MAX, &quota);
                t->grants[t->n_grants++] = (struct grant){ pool, (uint32_t) quota };
        }
}

static void parse_memlock(struct context *c, const char *tenant_path, json_t *tenant, uint64_t *ret) {
        json_t *v = json_object_get(tenant, "memlock");
        char path[PATH_MAX_LEN];
        uint64_t bytes = 0;

        if (!v)
                return;
        if (json_is_integer(v) && json_integer_value(v) > 0)
                bytes = (uint64_t) json_integer_value(v);
        else if (json_is_string(v) && parse_size(json_string_value(v), &bytes) < 0)
                bytes = 0;
        if (bytes > 0 && bytes <= INT64_MAX) {
                *ret = bytes;
                return;
        }
        path_join(path, tenant_path, "memlock");
        error_at(c, path, false, "found %s; expected a size like \"4G\", or a number of bytes from 1 to %lld",
                 FOUND(v), (long long) INT64_MAX);
}

static void parse_pool_member(struct context *c, struct draft *d, const char *path, const char *name,
                              json_t *v) {
        struct pool *p = draft_add_pool(c, d, path, name);

        if (p)
                parse_pool(c, path, v, p);
}

static void parse_tenant_member(struct context *c, struct draft *d, const char *path, const char *name,
                                json_t *v) {
        static const char *const keys[] = { "users", "groups", "memlock", "pools" };
        struct tenant *t = draft_add_tenant(c, d, path, name);

        if (!t || !value_object(c, path, v, keys, ARRAY_SIZE(keys), NULL, 0))
                return;
        parse_principals(c, path, v, false, &t->users, &t->n_users);
        parse_principals(c, path, v, true, &t->groups, &t->n_groups);
        parse_memlock(c, path, v, &t->memlock);
        parse_grants(c, d, path, v, t);
}

/* Members of /pools or /tenants; each name may be defined once in all files. */
static void parse_members(struct context *c, const char *key, json_t *root, struct draft *d,
                          void (*parse)(struct context *c, struct draft *d, const char *path,
                                        const char *name, json_t *v)) {
        json_t *v = json_object_get(root, key), *i;
        char path[PATH_MAX_LEN], item[PATH_MAX_LEN];
        const char *name;

        if (!v)
                return;
        path_join(path, "", key);
        if (!json_is_object(v)) {
                error_at(c, path, false, "found %s; expected an object", FOUND(v));
                return;
        }
        json_object_foreach(v, name, i) {
                path_join(item, path, name);
                if (!name_is_valid(name))
                        error_at(c, item, true,
                                 "found the name \"%s\"; expected 1 to %d letters, digits, '.', '_' or '-', "
                                 "the first a letter or digit",
                                 SHOWN(name), NAME_MAX_LEN);
                parse(c, d, item, name, i);
        }
}

static void parse_faults(struct context *c, json_t *root, struct draft *d) {
        static const char *const keys[] = { "dma" };
        static const char *const dma_keys[] = { "limit", "seconds", "action" };
        static const char *const actions[_FAULT_ACTION_MAX] = { "log", "quarantine" };
        static const char path[] = "/faults/dma";
        json_t *v = json_object_get(root, "faults"), *dma;
        int64_t limit = 0, seconds = 0;

        if (!v)
                return;
        draft_note_faults(c, d);
        if (!value_object(c, "/faults", v, keys, ARRAY_SIZE(keys), NULL, 0))
                return;
        dma = json_object_get(v, "dma");
        if (!dma || !value_object(c, path, dma, dma_keys, ARRAY_SIZE(dma_keys), NULL, 0))
                return;
        value_required(c, path, dma, "limit", "a number of faults");
        value_required(c, path, dma, "seconds", "a number of seconds");
        value_required(c, path, dma, "action", "\"log\" or \"quarantine\"");
        value_int(c, path, dma, "limit", 1, INT32_MAX, &limit);
        value_int(c, path, dma, "seconds", 1, INT32_MAX, &seconds);
        int action = value_word(c, path, dma, "action", actions, ARRAY_SIZE(actions));
        d->policy->dma_faults =
                        (struct fault_rule){ (uint32_t) limit, (uint32_t) seconds,
                                             action == 1 ? FAULT_ACTION_QUARANTINE : FAULT_ACTION_LOG };
}

/* All of a file but its tenants, who may name pools of the files after it. */
static void parse_root(struct context *c, json_t *root, struct draft *d) {
        static const char *const keys[] = { "version", "pools", "tenants", "faults" };

        if (!value_object(c, "", root, keys, ARRAY_SIZE(keys), NULL, 0))
                return;
        json_t *version = value_required(c, "", root, "version", "\"version\": 1");
        if (version && (!json_is_integer(version) || json_integer_value(version) != 1))
                error_at(c, "/version", false, "found %s; expected 1, the version that this vfctl knows",
                         FOUND(version));
        parse_members(c, "pools", root, d, parse_pool_member);
        parse_faults(c, root, d);
}

/* The file as JSON; NULL: reported. */
static json_t *parse_source(struct context *c) {
        const struct policy_source *s = c->source;
        struct json_problem problem;
        json_t *root = NULL;
        char message[64];

        if (s->size > POLICY_FILE_MAX) {
                snprintf(message, sizeof(message), "found %zu bytes; expected at most %s", s->size,
                         SIZE_STR(POLICY_FILE_MAX));
                error_put(c, (struct json_position){ 0, 0 }, "", message);
                return NULL;
        }
        int r = json_parse(s->text, s->size, JSON_DEPTH_MAX, &root, &problem);
        if (r == -EINVAL)
                error_put(c, problem.at, "", problem.message);
        else if (r < 0)
                c->no_memory = true;
        return root;
}

static void parse_all(struct context *c, const struct policy_source *sources, size_t n, json_t **roots,
                      struct draft *d) {
        for (size_t i = 0; i < n; i++) {
                c->source = &sources[i];
                roots[i] = parse_source(c);
                if (roots[i])
                        parse_root(c, roots[i], d);
                else
                        d->incomplete = true;
        }
        for (size_t i = 0; i < n; i++) {
                c->source = &sources[i];
                if (json_is_object(roots[i]))
                        parse_members(c, "tenants", roots[i], d, parse_tenant_member);
                json_decref(roots[i]);
        }
}

int policy_parse(const struct policy_source *sources, size_t n, struct policy **ret,
                 struct policy_errors *errors) {
        _cleanup_free_ json_t **roots = calloc(n + 1, sizeof(*roots));
        _cleanup_(draft_done) struct draft d = { 0 };
        struct context c = { .errors = errors };

        if (!roots || draft_init(&d) < 0)
                return -ENOMEM;
        if (n == 0)
                error_put(&c, (struct json_position){ 0, 0 }, "",
                          "found no policy file; expected at least one");
        parse_all(&c, sources, n, roots, &d);
        if (c.no_memory)
                return -ENOMEM;
        if (errors->n > 0) {
                errors_finish(&c, sources, n);
                return c.no_memory ? -ENOMEM : -EINVAL;
        }
        *ret = TAKE_PTR(d.policy);
        return 0;
}
