/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tenants of a policy file, and what they leave to "defaults". */

#include "policy/parse.h"
#include "policy/value.h"

#include <stdlib.h>
#include <string.h>

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

/* "30s", "15m", "12h", "7d"; 0: not that. */
static uint64_t text_seconds(const char *s) {
        static const struct {
                const char *unit;
                uint64_t seconds;
        } units[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };
        const char *end;
        uint64_t n;

        if (!text_number(s, LEASE_SECONDS_MAX, &n, &end))
                return 0;
        FOREACH_ARRAY(i, units, ARRAY_SIZE(units))
                if (strcmp(end, i->unit) == 0)
                        return n * i->seconds;
        return 0;
}

static void parse_max_lease(struct context *c, const char *path, json_t *object, uint64_t *ret) {
        json_t *v = json_object_get(object, "max_lease");
        uint64_t seconds = 0;

        if (!v)
                return;
        if (json_is_integer(v) && json_integer_value(v) > 0)
                seconds = (uint64_t) json_integer_value(v);
        else if (text_is_plain(v, 16, ""))
                seconds = text_seconds(json_string_value(v));
        if (seconds > 0 && seconds <= LEASE_SECONDS_MAX)
                *ret = seconds;
        else
                value_refuse(c, path, "max_lease", v,
                             "a time like \"30s\", \"15m\", \"12h\" or \"7d\", or a number of seconds, up to 10 years");
}

/* What is left out stays as it was inherited. */
static void parse_limits(struct context *c, const char *path, json_t *object, struct tenant_limits *l) {
        int64_t quota;

        value_size(c, path, object, "memlock", &l->memlock);
        if (value_int(c, path, object, "quota", 0, INT32_MAX, &quota))
                l->quota = (uint32_t) quota;
        parse_max_lease(c, path, object, &l->max_lease);
}

void parse_defaults(struct context *c, struct draft *d, json_t *root) {
        json_t *v = json_object_get(root, "defaults");

        if (!v)
                return;
        draft_note_part(c, &d->defaults, "defaults");
        if (!value_object(c, "/defaults", v, OBJECT_DEFAULTS))
                return;
        parse_limits(c, "/defaults", v, &d->limits);
        parse_default_grants(c, d, v);
}

void parse_tenant_member(struct context *c, struct draft *d, const char *path, const char *name, json_t *v) {
        struct tenant *t = draft_add_tenant(c, d, path, name);
        struct tenant_limits l = d->limits;

        if (!t || !value_object(c, path, v, OBJECT_TENANT))
                return;
        parse_principals(c, path, v, false, &t->users, &t->n_users);
        parse_principals(c, path, v, true, &t->groups, &t->n_groups);
        parse_limits(c, path, v, &l);
        t->memlock = l.memlock;
        t->quota = l.quota;
        t->max_lease = l.max_lease;
        parse_grants(c, d, path, v, t);
}
