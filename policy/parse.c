/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON text to policy. Strict: what is not known is an error, and all errors come out in one run. */

#include "policy/parse.h"
#include "policy/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
        static const char *const actions[_FAULT_ACTION_MAX] = { "log", "quarantine" };
        static const char *const meanings[_STREAM_MEANING_MAX] = { "unknown", "requester-id" };
        static const char path[] = "/faults/dma";
        json_t *v = json_object_get(root, "faults"), *dma;
        int64_t limit = 0, seconds = 0;

        if (!v)
                return;
        draft_note_part(c, &d->faults, "faults");
        if (!value_object(c, "/faults", v, OBJECT_FAULTS))
                return;
        int meaning = value_word(c, "/faults", v, "streams", meanings, ARRAY_SIZE(meanings));
        d->policy->streams = meaning < 0 ? STREAMS_UNKNOWN : (enum stream_meaning) meaning;
        dma = json_object_get(v, "dma");
        if (!dma || !value_object(c, path, dma, OBJECT_FAULT_RULE))
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

/* All of a file but its grants, which may name pools of the files after it. */
static void parse_root(struct context *c, json_t *root, struct draft *d) {
        if (!value_object(c, "", root, OBJECT_FILE))
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

/* In three rounds: what is named in a later file counts in an earlier one too. */
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
                        parse_defaults(c, d, roots[i]);
        }
        for (size_t i = 0; i < n; i++) {
                c->source = &sources[i];
                if (json_is_object(roots[i]))
                        parse_members(c, "tenants", roots[i], d, parse_tenant_member);
        }
        check_whole(c, d);
        for (size_t i = 0; i < n; i++)
                json_decref(roots[i]);
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
        *ret = draft_finish(&d);
        return 0;
}
