/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Strict values of policy files, and the draft in which several files are put together. */

#include "common/text.h"
#include "policy/errors.h"

#define PATH_MAX_LEN 512

void path_join(char ret[PATH_MAX_LEN], const char *path, const char *key);
void path_index(char ret[PATH_MAX_LEN], const char *path, size_t index);

/* What was found, for messages: "the string \"x\"", "the number 5", "an object". Valid until the next call but three. */
const char *value_kind(const json_t *v);

/* An object with no other members than keys; members of `later` get a message of their own. False: not an object at all. */
bool value_object(struct context *c, const char *path, json_t *v, const char *const *keys, size_t n_keys,
                  const char *const *later, size_t n_later);

/* Members of an object at path. Absent: nothing happens. On error: reported, *ret untouched. */
bool value_int(struct context *c, const char *path, json_t *object, const char *key, int64_t min, int64_t max,
               int64_t *ret);
void value_text(struct context *c, const char *path, json_t *object, const char *key, size_t max, char **ret);
void value_glob(struct context *c, const char *path, json_t *object, const char *key, char **ret);
void value_hex16(struct context *c, const char *path, json_t *object, const char *key, int *ret);
/* The index of the word; -1 if absent or wrong (reported). */
int value_word(struct context *c, const char *path, json_t *object, const char *key, const char *const *words, size_t n);

struct place {
        const struct policy_source *source;
        struct json_position at;
};

struct draft_grant {
        char *pool;
        struct json_position at;
};

struct draft_tenant {
        struct tenant tenant;
        struct draft_grant *grants; /* beside tenant.grants */
        struct place place;
};

struct draft {
        struct pool *pools;
        struct place *pool_places;
        size_t n_pools;
        struct draft_tenant *tenants;
        size_t n_tenants;
        struct place faults;
};

/* A new member; NULL if the name is taken (reported) or without memory. The pointer is good until the next one is added. */
struct pool *draft_add_pool(struct context *c, struct draft *d, const char *path, const char *name);
struct draft_tenant *draft_add_tenant(struct context *c, struct draft *d, const char *path, const char *name);
void draft_note_faults(struct context *c, struct draft *d);

/* Grants to pools, once all files are read. */
void draft_resolve(struct context *c, struct draft *d);
struct policy *draft_finish(struct context *c, struct draft *d); /* takes everything out of the draft */
void draft_done(struct draft *d);
