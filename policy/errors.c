/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors of policy files: place, path, message, and the nearest name. */

#include "policy/errors.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Names come from anywhere: no line of a log is to begin where an author of a file wants it. */
static char *copy_printable(const char *s) {
        char *copy = strdup(s);

        for (char *p = copy; p && *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        *p = '?';
        return copy;
}

static void put(struct context *c, const char *file, struct json_position at, const char *path,
                const char *message) {
        struct policy_errors *e = c->errors;
        struct policy_error *items = reallocarray(e->items, e->n + 1, sizeof(*items));
        struct policy_error *p;

        if (!items) {
                c->no_memory = true;
                return;
        }
        e->items = items;
        p = &items[e->n++];
        *p = (struct policy_error){ strdup(file), at, copy_printable(path), copy_printable(message) };
        if (!p->file || !p->path || !p->message)
                c->no_memory = true;
}

bool errors_are_enough(struct context *c) {
        bool enough = c->errors->n >= POLICY_ERRORS_MAX;

        c->too_many = c->too_many || enough;
        return enough;
}

void error_put(struct context *c, struct json_position at, const char *path, const char *message) {
        if (!errors_are_enough(c))
                put(c, c->source ? c->source->file : "", at, path, message);
}

struct json_position error_place(const struct policy_source *source, const char *path, bool key) {
        struct json_position at = json_locate(source->text, source->size, path, key);
        _cleanup_free_ char *parent = at.line == 0 ? strdup(path) : NULL;

        while (at.line == 0 && parent && parent[0]) {
                *strrchr(parent, '/') = '\0';
                at = json_locate(source->text, source->size, parent, false);
        }
        return at;
}

void error_at(struct context *c, const char *path, bool key, const char *format, ...) {
        char message[480];
        va_list ap;

        if (errors_are_enough(c))
                return;
        va_start(ap, format);
        vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);
        error_put(c, error_place(c->source, path, key), path, message);
}

static size_t file_rank(const char *file, const struct policy_source *sources, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(sources[i].file, file) == 0)
                        return i;
        return n;
}

struct order {
        const struct policy_source *sources;
        size_t n;
};

static int compare(const void *a, const void *b, void *arg) {
        const struct policy_error *x = a, *y = b;
        const struct order *o = arg;
        size_t fx = file_rank(x->file, o->sources, o->n), fy = file_rank(y->file, o->sources, o->n);

        if (fx != fy)
                return fx < fy ? -1 : 1;
        if (x->at.line != y->at.line)
                return x->at.line < y->at.line ? -1 : 1;
        if (x->at.column != y->at.column)
                return x->at.column < y->at.column ? -1 : 1;
        int r = strcmp(x->path, y->path);
        return r ? r : strcmp(x->message, y->message);
}

void errors_finish(struct context *c, const struct policy_source *sources, size_t n) {
        struct policy_errors *e = c->errors;
        struct order o = { sources, n };
        char message[64];

        if (e->n > 1)
                qsort_r(e->items, e->n, sizeof(*e->items), compare, &o);
        if (!c->too_many)
                return;
        snprintf(message, sizeof(message), "there are more than %u errors; these come first",
                 POLICY_ERRORS_MAX);
        put(c, n > 0 ? sources[n - 1].file : "", (struct json_position){ 0, 0 }, "", message);
}

const char *shown(const char *s, char buf[SHOWN_MAX]) {
        size_t n = strnlen(s, 61);

        if (n > 60)
                for (n = 60; n > 0 && ((unsigned char) s[n] & 0xc0) == 0x80;)
                        n--; /* not in the middle of a UTF-8 sequence */
        memcpy(buf, s, n);
        memcpy(buf + n, s[n] ? "..." : "", s[n] ? 4 : 1);
        return buf;
}

static bool same(char a, char b) {
        return tolower((unsigned char) a) == tolower((unsigned char) b);
}

/* Levenshtein distance of two short words, in which case does not count. */
static unsigned distance(const char *a, const char *b) {
        unsigned row[64];
        size_t la = strlen(a), lb = strlen(b);

        if (la >= ARRAY_SIZE(row) || lb >= ARRAY_SIZE(row))
                return 99;
        for (size_t j = 0; j <= lb; j++)
                row[j] = (unsigned) j;
        for (size_t i = 1; i <= la; i++) {
                unsigned diagonal = row[0];

                row[0] = (unsigned) i;
                for (size_t j = 1; j <= lb; j++) {
                        unsigned up = row[j], cost = diagonal + !same(a[i - 1], b[j - 1]);

                        row[j] = MIN(MIN(up, row[j - 1]) + 1, cost);
                        diagonal = up;
                }
        }
        return row[lb];
}

/* One begins with the other: "min_tx" for "min_tx_mbps", "placements" for "placement". */
static bool begins(const char *a, const char *b) {
        size_t n = MIN(strlen(a), strlen(b));

        return n >= 3 && strncasecmp(a, b, n) == 0;
}

void nearest_try(struct nearest *n, const char *name) {
        unsigned d = distance(n->given, name);

        if (d > 2 && begins(n->given, name))
                d = 3;                       /* any misspelling is nearer */
        else if (d > 2 || d >= strlen(name)) /* a distance of the whole length makes any word near */
                return;
        if (n->name && d >= n->distance)
                return;
        n->name = name;
        n->distance = d;
}

const char *nearest_hint(const struct nearest *n, char buf[96]) {
        buf[0] = '\0';
        if (n->name)
                snprintf(buf, 96, " (did you mean \"%.63s\"?)", n->name);
        return buf;
}
