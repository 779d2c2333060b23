/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Collecting errors with their places while policy files are parsed. */

#include "policy/policy.h"

/* Finding the place of an error walks the file, and the daemon has one thread: a file of nothing but errors
 * must not stop it. */

struct context {
        const struct policy_source *source; /* the file being read */
        struct policy_errors *errors;
        bool too_many; /* some were left out */
        bool no_memory;
};

/* One error at a path of the present file; key: the member's name is wrong, not its value. */
void error_at(struct context *c, const char *path, bool key, const char *format, ...) _printf_(4, 5);

/* True (and noted) if no more errors are taken: then looking for the words of one is not worth it. */
bool errors_are_enough(struct context *c);

/* An error that has its place already. */
void error_put(struct context *c, struct json_position at, const char *path, const char *message);

/* Where a path stands in a file; the nearest parent for names that json_locate() does not take. */
struct json_position error_place(const struct policy_source *source, const char *path, bool key);

/* By file in the order given, then line, then column. Says at the end if some were left out. */
void errors_finish(struct context *c, const struct policy_source *sources, size_t n);

/* Text of a file for a message: at most 60 bytes of whole characters. Returns buf. */
#define SHOWN_MAX 64
const char *shown(const char *s, char buf[SHOWN_MAX]);
#define SHOWN(s) shown(s, (char[SHOWN_MAX]){ 0 })

/* The name nearest to a given one: at an edit distance of at most 2, or one begins with the other. Start with
 * { given }. */
struct nearest {
        const char *given;
        const char *name; /* NULL: none is near */
        unsigned distance;
};
void nearest_try(struct nearest *n, const char *name);
const char *nearest_hint(const struct nearest *n, char buf[96]); /* " (did you mean \"quota\"?)", or "" */
