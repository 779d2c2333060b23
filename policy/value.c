/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strict values: what was found, what was expected. */

#include "policy/value.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void path_join(char ret[PATH_MAX_LEN], const char *path, const char *key) {
        size_t n = (size_t) snprintf(ret, PATH_MAX_LEN, "%s/", path);

        for (; *key && n < PATH_MAX_LEN - 3; key++)
                if (*key == '~' || *key == '/') {
                        ret[n++] = '~';
                        ret[n++] = *key == '~' ? '0' : '1';
                } else
                        ret[n++] = *key;
        ret[n < PATH_MAX_LEN ? n : PATH_MAX_LEN - 1] = '\0';
}

void path_index(char ret[PATH_MAX_LEN], const char *path, size_t index) {
        snprintf(ret, PATH_MAX_LEN, "%.480s/%zu", path, index);
}

const char *value_kind(const json_t *v) {
        static _Thread_local char bufs[4][96];
        static _Thread_local unsigned turn;
        char *buf = bufs[turn++ % 4];

        switch (json_typeof(v)) {
        case JSON_STRING:
                snprintf(buf, 96, "the string \"%.60s\"", json_string_value(v));
                return buf;
        case JSON_INTEGER:
                snprintf(buf, 96, "the number %" JSON_INTEGER_FORMAT, json_integer_value(v));
                return buf;
        case JSON_REAL:
                return "a number that is not whole";
        case JSON_OBJECT:
                return "an object";
        case JSON_ARRAY:
                return json_array_size(v) ? "an array" : "an empty array";
        case JSON_TRUE:
                return "true";
        case JSON_FALSE:
                return "false";
        case JSON_NULL:
                break;
        }
        return "null";
}

static bool is_one_of(const char *s, const char *const *names, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(names[i], s) == 0)
                        return true;
        return false;
}

bool value_object(struct context *c, const char *path, json_t *v, const char *const *keys, size_t n_keys,
                  const char *const *later, size_t n_later) {
        char member[PATH_MAX_LEN], hint[96];
        const char *key;
        json_t *i;

        if (!json_is_object(v)) {
                error_at(c, path, false, "found %s; expected an object", value_kind(v));
                return false;
        }
        json_object_foreach(v, key, i) {
                if (is_one_of(key, keys, n_keys))
                        continue;
                path_join(member, path, key);
                if (is_one_of(key, later, n_later))
                        error_at(c, member, true, "\"%s\" is not supported by this version, and would not be enforced", key);
                else
                        error_at(c, member, true, "unknown key \"%.60s\"%s", key, nearest_name(key, keys, n_keys, hint));
        }
        return true;
}

bool value_int(struct context *c, const char *path, json_t *object, const char *key, int64_t min, int64_t max,
               int64_t *ret) {
        json_t *v = json_object_get(object, key);
        char member[PATH_MAX_LEN];

        if (!v)
                return false;
        if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max) {
                path_join(member, path, key);
                error_at(c, member, false, "found %s; expected a number from %lld to %lld", value_kind(v), (long long) min,
                         (long long) max);
                return false;
        }
        *ret = json_integer_value(v);
        return true;
}

/* A plain non-empty string of at most max bytes without control characters. NULL: absent, or reported. */
static const char *plain_text(struct context *c, const char *member, json_t *v, size_t max, const char *expected) {
        if (!v)
                return NULL;
        const char *s = json_string_value(v);
        bool good = s && s[0] && strlen(s) == json_string_length(v) && strlen(s) <= max;

        for (const char *p = s; good && *p; p++)
                good = !iscntrl((unsigned char) *p) && *p != '/';
        if (good)
                return s;
        error_at(c, member, false, "found %s; expected %s", value_kind(v), expected);
        return NULL;
}

static void keep(struct context *c, const char *s, char **ret) {
        *ret = strdup(s);
        c->no_memory = c->no_memory || !*ret;
}

void value_text(struct context *c, const char *path, json_t *object, const char *key, size_t max, char **ret) {
        char member[PATH_MAX_LEN], expected[64];

        path_join(member, path, key);
        snprintf(expected, sizeof(expected), "a name of 1 to %zu bytes", max);
        const char *s = plain_text(c, member, json_object_get(object, key), max, expected);
        if (s)
                keep(c, s, ret);
}

/* Only what can ever match a PCI address. */
void value_glob(struct context *c, const char *path, json_t *object, const char *key, char **ret) {
        static const char expected[] = "a PCI address like \"0000:3b:00.0\"; '*' and '?' stand for the rest";
        char member[PATH_MAX_LEN];

        path_join(member, path, key);
        const char *s = plain_text(c, member, json_object_get(object, key), 31, expected);
        if (!s)
                return;
        if (strspn(s, "0123456789abcdefABCDEF:.*?") != strlen(s))
                error_at(c, member, false, "found the string \"%s\"; expected %s", s, expected);
        else
                keep(c, s, ret);
}

void value_hex16(struct context *c, const char *path, json_t *object, const char *key, int *ret) {
        static const char expected[] = "a hexadecimal id like \"8086\"";
        char member[PATH_MAX_LEN];
        uint64_t v;

        path_join(member, path, key);
        const char *s = plain_text(c, member, json_object_get(object, key), 6, expected);
        if (!s)
                return;
        if (parse_u64(s, 16, &v) < 0 || v > 0xffff)
                error_at(c, member, false, "found the string \"%s\"; expected %s", s, expected);
        else
                *ret = (int) v;
}

int value_word(struct context *c, const char *path, json_t *object, const char *key, const char *const *words, size_t n) {
        json_t *v = json_object_get(object, key);
        char member[PATH_MAX_LEN], hint[96] = "", expected[128] = "";
        size_t at = 0;

        if (!v)
                return -1;
        for (size_t i = 0; i < n; i++) {
                if (json_is_string(v) && strcmp(json_string_value(v), words[i]) == 0)
                        return (int) i;
                at += (size_t) snprintf(expected + at, sizeof(expected) - at, "%s\"%s\"", i ? " or " : "", words[i]);
        }
        path_join(member, path, key);
        if (json_is_string(v))
                nearest_name(json_string_value(v), words, n, hint);
        error_at(c, member, false, "found %s; expected %s%s", value_kind(v), expected, hint);
        return -1;
}
