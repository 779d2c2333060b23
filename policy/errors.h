/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Collecting errors with their places while policy files are parsed. */

#include "policy/policy.h"

struct context {
        const struct policy_source *source; /* the file being read */
        struct policy_errors *errors;
        bool no_memory;
};

/* One error at a path of the present file; key: the member's name is wrong, not its value. */
void error_at(struct context *c, const char *path, bool key, const char *format, ...) _printf_(4, 5);

/* An error that has its place already. */
void error_put(struct context *c, struct json_position at, const char *path, const char *message);

/* By file in the order given, then line, then column. */
void errors_sort(struct policy_errors *e, const struct policy_source *sources, size_t n);

/* " (did you mean \"quota\"?)" for the nearest of the names, or "". buf holds 96 bytes; returns buf. */
const char *nearest_name(const char *given, const char *const *names, size_t n, char buf[96]);
