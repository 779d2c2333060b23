/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What people see: tables, colours, messages. Everything that came from outside is printed with control
 * characters escaped, so that no name can steer the terminal. */

#include "common/macro.h"

#include <stdbool.h>
#include <stddef.h>

enum colour {
        COLOUR_NONE,
        COLOUR_GOOD,
        COLOUR_BUSY,
        COLOUR_BAD,
        COLOUR_BOLD,
        _COLOUR_MAX,
};

/* Decides once whether stdout gets colours: a terminal, no NO_COLOR, TERM not "dumb", not forbidden by
 * option. */
void colour_setup(bool forbidden);
const char *colour_on(enum colour c); /* "" without colours */
const char *colour_off(enum colour c);

enum colour colour_of_state(const char *vf_state);

/* A copy with control, C1 and direction-changing characters and bytes that are no UTF-8 as \xNN or \u{N}.
 * Never NULL. */
char *text_escape(const char *text);

/* printf() whose result is escaped (newlines of the format's end are kept). To stdout. */
void print_text(const char *format, ...) _printf_(1, 2);

/* "vfctl: …" and "  hint: …" on stderr, escaped. */
void print_error(const char *format, ...) _printf_(1, 2);
void print_warning(const char *format, ...) _printf_(1, 2);
void print_hint(const char *format, ...) _printf_(1, 2);

/* Ends the process: a command line has nothing better to do without memory. */
_Noreturn void out_of_memory(void);

struct table;

/* One header for each column; a leading '>' aligns it to the right. Headers are borrowed. */
struct table *table_new(const char *const *headers, size_t n_columns);
struct table *table_free(struct table *t);
DEFINE_CLEANUP(struct table *, table_free)
#define _cleanup_table_ _cleanup_(table_freep)

/* Adds the next cell; NULL and "" become "-". */
void table_add(struct table *t, const char *text);
void table_add_colour(struct table *t, enum colour c, const char *text);
void table_addf(struct table *t, const char *format, ...) _printf_(2, 3);

/* To stdout. With legend: header, or the sentence if there are no rows. */
void table_print(const struct table *t, bool legend, const char *empty);
