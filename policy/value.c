/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strict values: what was found, what was expected. */

#include "policy/value.h"

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
        if (*key) /* cut: not in the middle of a UTF-8 sequence */
                for (; n > 0 && ((unsigned char) *key & 0xc0) == 0x80; key--)
                        n--;
        ret[n < PATH_MAX_LEN ? n : PATH_MAX_LEN - 1] = '\0';
}

void path_index(char ret[PATH_MAX_LEN], const char *path, size_t index) {
        char number[24];

        snprintf(number, sizeof(number), "%zu", index);
        path_join(ret, path, number);
}

const char *value_found(const json_t *v, char buf[FOUND_MAX]) {
        switch (json_typeof(v)) {
        case JSON_STRING:
                snprintf(buf, FOUND_MAX, "the string \"%s\"", SHOWN(json_string_value(v)));
                return buf;
        case JSON_INTEGER:
                snprintf(buf, FOUND_MAX, "the number %" JSON_INTEGER_FORMAT, json_integer_value(v));
                return buf;
        case JSON_REAL:
                return "a number with a point or an exponent";
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

#define WORDS_MAX 256

/* "a", "b" or "c" */
static const char *one_of(const char *const *words, size_t n, char buf[WORDS_MAX]) {
        size_t at = 0;

        buf[0] = '\0';
        for (size_t i = 0; i < n && at < WORDS_MAX; i++)
                at += (size_t) snprintf(buf + at, WORDS_MAX - at, "%s\"%s\"",
                                        i == 0       ? ""
                                        : i == n - 1 ? " or "
                                                     : ", ",
                                        words[i]);
        return buf;
}

static bool is_one_of(const char *s, const char *const *names, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(names[i], s) == 0)
                        return true;
        return false;
}

static void unknown_key(struct context *c, const char *path, const char *key, const struct object_keys *o) {
        struct nearest near = { key };
        char hint[96], all[WORDS_MAX];

        for (size_t i = 0; i < o->n_keys; i++)
                nearest_try(&near, o->keys[i]);
        error_at(c, path, true, "unknown key \"%s\"; expected %s%s", SHOWN(key),
                 one_of(o->keys, o->n_keys, all), nearest_hint(&near, hint));
}

bool value_object(struct context *c, const char *path, json_t *v, enum object_kind kind) {
        const struct object_keys *o = &object_keys[kind];
        char member[PATH_MAX_LEN];
        const char *key;
        json_t *i;

        if (!json_is_object(v)) {
                error_at(c, path, false, "found %s; expected an object", FOUND(v));
                return false;
        }
        json_object_foreach(v, key, i) {
                if (is_one_of(key, o->keys, o->n_keys))
                        continue;
                path_join(member, path, key);
                if (is_one_of(key, o->refused, o->n_refused))
                        error_at(c, member, true, "\"%s\" %s", key, o->why);
                else
                        unknown_key(c, member, key, o);
        }
        return true;
}

json_t *value_required(struct context *c, const char *path, json_t *object, const char *key,
                       const char *expected) {
        json_t *v = json_object_get(object, key);

        if (!v)
                error_at(c, path, false, "\"%s\" is missing; expected %s", key, expected);
        return v;
}

bool value_int(struct context *c, const char *path, json_t *object, const char *key, int64_t min, int64_t max,
               int64_t *ret) {
        json_t *v = json_object_get(object, key);
        char member[PATH_MAX_LEN];

        if (!v)
                return false;
        if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max) {
                path_join(member, path, key);
                error_at(c, member, false, "found %s; expected a number from %lld to %lld", FOUND(v),
                         (long long) min, (long long) max);
                return false;
        }
        *ret = json_integer_value(v);
        return true;
}

bool text_is_plain(const json_t *v, size_t max, const char * not ) {
        const char *s = json_string_value(v);

        if (!s || !s[0] || json_string_length(v) > max || strlen(s) != json_string_length(v))
                return false;
        for (; *s; s++)
                if ((unsigned char) *s < 0x20 || *s == 0x7f || strchr(not, *s))
                        return false;
        return true;
}

char *value_copy(struct context *c, const json_t *v) {
        char *copy = strdup(json_string_value(v));

        c->no_memory = c->no_memory || !copy;
        return copy;
}

void value_refuse(struct context *c, const char *path, const char *key, const json_t *v,
                  const char *expected) {
        char member[PATH_MAX_LEN];

        path_join(member, path, key);
        error_at(c, member, false, "found %s; expected %s", FOUND(v), expected);
}

void value_text(struct context *c, const char *path, json_t *object, const char *key, size_t max,
                const char * not, char **ret) {
        json_t *v = json_object_get(object, key);
        char expected[64];

        snprintf(expected, sizeof(expected), "a name of 1 to %zu bytes%s", max,
                 not [0] ? " without '/'" : "");
        if (v && text_is_plain(v, max, not ))
                *ret = value_copy(c, v);
        else if (v)
                value_refuse(c, path, key, v, expected);
}

bool text_number(const char *s, uint64_t max, uint64_t *ret, const char **end) {
        size_t n = strspn(s, "0123456789");
        char digits[21];

        if (n == 0 || n >= sizeof(digits) || (s[0] == '0' && n > 1))
                return false;
        memcpy(digits, s, n);
        digits[n] = '\0';
        *end = s + n;
        return parse_u64(digits, 10, ret) == 0 && *ret <= max;
}

bool text_percent(const json_t *v, uint32_t *ret) {
        const char *end, *s = text_is_plain(v, 4, "") ? json_string_value(v) : "";
        uint64_t n;

        if (!text_number(s, 100, &n, &end) || n == 0 || strcmp(end, "%") != 0)
                return false;
        *ret = (uint32_t) n;
        return true;
}

bool value_percent(struct context *c, const char *path, json_t *object, const char *key, uint8_t *ret) {
        json_t *v = json_object_get(object, key);
        uint32_t n = 0;

        if (v && text_percent(v, &n))
                *ret = (uint8_t) n;
        else if (v)
                value_refuse(c, path, key, v, "a share from \"1%\" to \"100%\"");
        return n > 0;
}

bool value_bool(struct context *c, const char *path, json_t *object, const char *key, bool *ret) {
        json_t *v = json_object_get(object, key);

        if (json_is_boolean(v))
                *ret = json_is_true(v);
        else if (v)
                value_refuse(c, path, key, v, "true or false");
        return json_is_boolean(v);
}

bool value_mac(struct context *c, const char *path, json_t *object, const char *key, struct mac *ret) {
        json_t *v = json_object_get(object, key);
        struct mac m;

        if (!v)
                return false;
        if (!text_is_plain(v, MAC_STR_MAX - 1, "") || mac_parse(json_string_value(v), &m) < 0 ||
            !mac_is_unicast(m)) {
                value_refuse(c, path, key, v, "the MAC address of an interface, like \"02:52:44:00:00:01\"");
                return false;
        }
        *ret = m;
        return true;
}

/* Only what can match: a whole address as the kernel spells it, or one with wildcards. */
static bool is_glob(const char *s) {
        struct address a;

        if (s[strspn(s, "0123456789abcdefABCDEF:.*?")])
                return false;
        return strpbrk(s, "*?") || (address_parse(s, &a) == 0 && address_glob(s, a));
}

void value_glob(struct context *c, const char *path, json_t *object, const char *key, char **ret) {
        json_t *v = json_object_get(object, key);

        if (v && text_is_plain(v, 31, "/") && is_glob(json_string_value(v)))
                *ret = value_copy(c, v);
        else if (v)
                value_refuse(c, path, key, v,
                             "a PCI address with its domain, like \"0000:3b:00.0\", in which '*' and '?' may stand for the rest");
}

void value_hex16(struct context *c, const char *path, json_t *object, const char *key, int *ret) {
        json_t *v = json_object_get(object, key);
        const char *s = v && text_is_plain(v, 6, "") ? json_string_value(v) : NULL;
        uint64_t id;

        if (!v)
                return;
        if (s && parse_u64(s, 16, &id) == 0 && strlen(strpbrk(s, "xX") ? s + 2 : s) <= 4)
                *ret = (int) id;
        else
                value_refuse(c, path, key, v, "one to four hexadecimal digits, like \"8086\" or \"0x8086\"");
}

int value_word(struct context *c, const char *path, json_t *object, const char *key, const char *const *words,
               size_t n) {
        json_t *v = json_object_get(object, key);
        char all[WORDS_MAX], hint[96], expected[WORDS_MAX + 96];

        if (!v)
                return -1;
        struct nearest near = { json_is_string(v) ? json_string_value(v) : "" };
        for (size_t i = 0; i < n; i++) {
                if (json_is_string(v) && strcmp(near.given, words[i]) == 0)
                        return (int) i;
                nearest_try(&near, words[i]);
        }
        snprintf(expected, sizeof(expected), "%s%s", one_of(words, n, all), nearest_hint(&near, hint));
        value_refuse(c, path, key, v, expected);
        return -1;
}

bool value_size(struct context *c, const char *path, json_t *object, const char *key, uint64_t *ret) {
        json_t *v = json_object_get(object, key);
        uint64_t bytes = 0;
        char expected[96];

        if (!v)
                return false;
        if (json_is_integer(v) && json_integer_value(v) > 0)
                bytes = (uint64_t) json_integer_value(v);
        else if (json_is_string(v) && parse_size(json_string_value(v), &bytes) < 0)
                bytes = 0;
        if (bytes > 0 && bytes <= INT64_MAX) {
                *ret = bytes;
                return true;
        }
        snprintf(expected, sizeof(expected), "a size like \"4G\", or a number of bytes from 1 to %lld",
                 (long long) INT64_MAX);
        value_refuse(c, path, key, v, expected);
        return false;
}
