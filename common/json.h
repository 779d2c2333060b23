/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* JSON: jansson, with limits, positions and strict dispatch. Other folders use json_t through this header. */

#include "common/macro.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define _cleanup_json_ _cleanup_(json_decrefp)

struct json_position {
        int line, column; /* from 1; column counts bytes; 0 unknown */
};

struct json_problem {
        struct json_position at;
        char message[160];
};

/* Parses exactly one value. Rejects duplicate keys, embedded NULs, nesting deeper than max_depth.
 * Returns 0, -EINVAL with *problem filled, or -ENOMEM. The text need not be NUL-terminated. */
int json_parse(const char *text, size_t size, unsigned max_depth, json_t **ret, struct json_problem *problem);

/* Where the value (or, with key = true, the member's name) at a path stands in a text that json_parse()
 * accepted. The path is "/tenants/red/pools/net/quota": keys and array indexes, '~1' for '/', '~0' for '~'
 * (RFC 6901). */
struct json_position json_locate(const char *text, size_t size, const char *path, bool key);

/* Strict dispatch: one table says the name, type and place of every member. */
enum json_kind {
        JSON_KIND_STRING, /* const char **, borrowed from the object */
        JSON_KIND_INT,    /* int64_t *, any integer */
        JSON_KIND_BOOL,   /* bool * */
        JSON_KIND_OBJECT, /* json_t **, borrowed */
        JSON_KIND_ARRAY,  /* json_t **, borrowed */
};
struct json_field {
        const char *name;
        enum json_kind kind;
        bool required;
        void *ret; /* left alone if the member is absent or null */
};

/* Fills fields from an object. NULL object counts as empty. 0; or -EINVAL with *bad the name of the unknown,
 * missing or mistyped member (borrowed). */
int json_dispatch(json_t *object, const struct json_field *fields, size_t n, const char **bad);

/* Compact text with sorted keys kept in insertion order. NULL on ENOMEM. The caller frees. */
char *json_text(const json_t *value);

/* json_object_set_new() that takes a NULL value as null. 0 or -ENOMEM. */
int json_put(json_t *object, const char *key, json_t *value_taken);
/* A string, or null for NULL or "". Invalid UTF-8 is replaced by '?'. */
json_t *json_string_or_null(const char *s);
json_t *json_text_value(const char *s); /* like json_string(), but never fails on bytes that are not UTF-8 */
