/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors of policy files: place, path, message, and the nearest name. */

#include "policy/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void error_put(struct context *c, struct json_position at, const char *path, const char *message) {
        struct policy_errors *e = c->errors;
        struct policy_error *items = reallocarray(e->items, e->n + 1, sizeof(*items));
        struct policy_error *p;

        if (!items) {
                c->no_memory = true;
                return;
        }
        e->items = items;
        p = &items[e->n++];
        *p = (struct policy_error){ strdup(c->source ? c->source->file : ""), at, strdup(path), strdup(message) };
        if (!p->file || !p->path || !p->message)
                c->no_memory = true;
}

void error_at(struct context *c, const char *path, bool key, const char *format, ...) {
        char message[400];
        va_list ap;

        va_start(ap, format);
        vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);
        error_put(c, json_locate(c->source->text, c->source->size, path, key), path, message);
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
        return strcmp(x->path, y->path);
}

void errors_sort(struct policy_errors *e, const struct policy_source *sources, size_t n) {
        struct order o = { sources, n };

        if (e->n > 1)
                qsort_r(e->items, e->n, sizeof(*e->items), compare, &o);
}

/* Levenshtein distance of two short words. */
static unsigned distance(const char *a, const char *b) {
        unsigned row[64];
        size_t la = strlen(a), lb = strlen(b);

        if (la >= 63 || lb >= 63)
                return 99;
        for (size_t j = 0; j <= lb; j++)
                row[j] = (unsigned) j;
        for (size_t i = 1; i <= la; i++) {
                unsigned diagonal = row[0];

                row[0] = (unsigned) i;
                for (size_t j = 1; j <= lb; j++) {
                        unsigned up = row[j], cost = diagonal + (a[i - 1] != b[j - 1]);

                        row[j] = MIN(MIN(up, row[j - 1]) + 1, cost);
                        diagonal = up;
                }
        }
        return row[lb];
}

const char *nearest_name(const char *given, const char *const *names, size_t n, char buf[96]) {
        unsigned best = 3;

        buf[0] = '\0';
        for (size_t i = 0; i < n; i++) {
                unsigned d = distance(given, names[i]);

                if (d < best && d < strlen(names[i])) {
                        best = d;
                        snprintf(buf, 96, " (did you mean \"%.60s\"?)", names[i]);
                }
        }
        return buf;
}
