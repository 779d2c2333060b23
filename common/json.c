/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON with limits, positions and strict dispatch. The only file that calls the parser. */

#include "common/json.h"

#include <errno.h>
#include <string.h>

/* The nesting of the text, counted before the recursive parser sees it. */
static unsigned depth_of(const char *text, size_t size, size_t *ret_at, unsigned max) {
        unsigned depth = 0;
        bool in_string = false;

        for (size_t i = 0; i < size; i++) {
                char c = text[i];

                if (in_string) {
                        if (c == '\\')
                                i++;
                        else if (c == '"')
                                in_string = false;
                } else if (c == '"')
                        in_string = true;
                else if (c == '[' || c == '{') {
                        if (++depth > max) {
                                *ret_at = i;
                                return depth;
                        }
                } else if ((c == ']' || c == '}') && depth > 0)
                        depth--;
        }
        return 0;
}

static struct json_position position_at(const char *text, size_t offset) {
        struct json_position p = { 1, 1 };

        for (size_t i = 0; i < offset; i++) {
                p.column++;
                if (text[i] == '\n') {
                        p.line++;
                        p.column = 1;
                }
        }
        return p;
}

int json_parse(const char *text, size_t size, unsigned max_depth, json_t **ret,
               struct json_problem *problem) {
        json_error_t e;
        size_t at = 0;

        if (depth_of(text, size, &at, max_depth) > 0) {
                problem->at = position_at(text, at);
                snprintf(problem->message, sizeof(problem->message), "nested deeper than %u levels",
                         max_depth);
                return -EINVAL;
        }
        json_t *v = json_loadb(text, size, JSON_REJECT_DUPLICATES, &e);
        if (!v) {
                if (json_error_code(&e) == json_error_out_of_memory)
                        return -ENOMEM;
                problem->at = (struct json_position){ MAX(e.line, 1), MAX(e.column, 1) };
                snprintf(problem->message, sizeof(problem->message), "%s", e.text);
                return -EINVAL;
        }
        *ret = v;
        return 0;
}

/* A cursor over text that is known to be valid JSON. */
struct cursor {
        const char *p, *end;
};

static void skip_blank(struct cursor *c) {
        while (c->p < c->end && strchr(" \t\r\n", *c->p))
                c->p++;
}

static void skip_string(struct cursor *c) {
        for (c->p++; c->p < c->end && *c->p != '"'; c->p++)
                if (*c->p == '\\')
                        c->p++;
        if (c->p < c->end)
                c->p++;
}

static void skip_value(struct cursor *c) {
        unsigned depth = 0;

        skip_blank(c);
        while (c->p < c->end) {
                char ch = *c->p;

                if (ch == '"')
                        skip_string(c);
                else if (ch == '{' || ch == '[') {
                        depth++;
                        c->p++;
                } else if (ch == '}' || ch == ']') {
                        if (depth == 0)
                                return;
                        depth--;
                        c->p++;
                } else if (depth == 0 && ch == ',')
                        return;
                else
                        c->p++;
                if (depth == 0 && (ch == '"' || ch == '}' || ch == ']'))
                        return;
        }
}

/* Compares a quoted key as written with one path token. Keys with JSON escapes are compared after parsing. */
static bool key_is(const char *quoted, const char *end, const char *token) {
        size_t n = (size_t) (end - quoted) - 2;

        if (!memchr(quoted, '\\', n + 2)) /* the common case, without the parser */
                return strlen(token) == n && memcmp(quoted + 1, token, n) == 0;
        _cleanup_json_ json_t *v = json_loadb(quoted, (size_t) (end - quoted), JSON_DECODE_ANY, NULL);

        return v && json_is_string(v) && strcmp(json_string_value(v), token) == 0;
}

/* Moves into member or element `token`; *ret_key is where its name stands. */
static bool descend(struct cursor *c, const char *token, const char **ret_key) {
        skip_blank(c);
        if (c->p >= c->end || (*c->p != '{' && *c->p != '['))
                return false;
        bool object = *c->p++ == '{';

        for (unsigned long i = 0;; i++) {
                skip_blank(c);
                if (c->p >= c->end || *c->p == '}' || *c->p == ']')
                        return false;
                const char *name = c->p;
                bool hit;

                if (object) {
                        skip_string(c);
                        hit = key_is(name, c->p, token);
                        skip_blank(c);
                        c->p++; /* ':' */
                } else
                        hit = strtoul(token, NULL, 10) == i;
                skip_blank(c);
                if (hit) {
                        *ret_key = name;
                        return true;
                }
                skip_value(c);
                skip_blank(c);
                if (c->p < c->end && *c->p == ',')
                        c->p++;
        }
}

static const char *next_token(const char *path, char *token, size_t size) {
        size_t n = 0;

        for (path++; *path && *path != '/'; path++) {
                char ch = *path;

                if (ch == '~' && (path[1] == '0' || path[1] == '1'))
                        ch = *++path == '0' ? '~' : '/';
                if (n < size - 1)
                        token[n++] = ch;
        }
        token[n] = '\0';
        return path;
}

struct json_position json_locate(const char *text, size_t size, const char *path, bool key) {
        struct cursor c = { text, text + size };
        const char *name = text;
        char token[256];

        skip_blank(&c);
        name = c.p;
        while (*path == '/') {
                path = next_token(path, token, sizeof(token));
                if (!descend(&c, token, &name))
                        return (struct json_position){ 0, 0 };
        }
        return position_at(text, (size_t) ((key ? name : c.p) - text));
}

static int dispatch_one(json_t *v, const struct json_field *f) {
        switch (f->kind) {
        case JSON_KIND_STRING:
                if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
                        return -EINVAL;
                *(const char **) f->ret = json_string_value(v);
                return 0;
        case JSON_KIND_INT:
                if (!json_is_integer(v))
                        return -EINVAL;
                *(int64_t *) f->ret = json_integer_value(v);
                return 0;
        case JSON_KIND_BOOL:
                if (!json_is_boolean(v))
                        return -EINVAL;
                *(bool *) f->ret = json_is_true(v);
                return 0;
        case JSON_KIND_OBJECT:
                if (!json_is_object(v))
                        return -EINVAL;
                *(json_t **) f->ret = v;
                return 0;
        case JSON_KIND_ARRAY:
                if (!json_is_array(v))
                        return -EINVAL;
                *(json_t **) f->ret = v;
                return 0;
        }
        return -EINVAL;
}

int json_dispatch(json_t *object, const struct json_field *fields, size_t n, const char **bad) {
        const char *key;
        json_t *v;

        json_object_foreach(object, key, v) {
                const struct json_field *f = NULL;

                FOREACH_ARRAY(i, fields, n)
                        if (strcmp(i->name, key) == 0)
                                f = i;
                if (!f || (!json_is_null(v) && dispatch_one(v, f) < 0)) {
                        *bad = key;
                        return -EINVAL;
                }
        }
        FOREACH_ARRAY(i, fields, n)
                if (i->required && (!object || !json_object_get(object, i->name) ||
                                    json_is_null(json_object_get(object, i->name)))) {
                        *bad = i->name;
                        return -EINVAL;
                }
        return 0;
}

char *json_text(const json_t *value) {
        return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

int json_put(json_t *object, const char *key, json_t *value_taken) {
        return json_object_set_new(object, key, value_taken ? value_taken : json_null()) < 0 ? -ENOMEM : 0;
}

json_t *json_text_value(const char *s) {
        json_t *v = json_string(s);

        if (v)
                return v;
        _cleanup_free_ char *clean = strdup(s);
        if (!clean)
                return NULL;
        for (char *p = clean; *p; p++)
                if ((unsigned char) *p >= 0x80)
                        *p = '?';
        return json_string(clean);
}

json_t *json_string_or_null(const char *s) {
        return s && s[0] ? json_text_value(s) : json_null();
}
