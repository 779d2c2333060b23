/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables, colours and messages for people. */

#include "cli/table.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

struct cell {
        char *text; /* escaped */
        size_t width;
        enum colour colour;
};

struct table {
        const char *const *headers;
        size_t n_columns;
        struct cell *cells; /* row by row */
        size_t n_cells, allocated;
};

static bool colours;

_Noreturn void out_of_memory(void) {
        fputs("vfctl: out of memory\n", stderr);
        exit(1);
}

void colour_setup(bool forbidden) {
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

        colours = !forbidden && !(no_color && no_color[0]) && term && strcmp(term, "dumb") != 0 &&
                  isatty(STDOUT_FILENO);
}

const char *colour_on(enum colour c) {
        static const char *const codes[_COLOUR_MAX] = { "", "\033[32m", "\033[33m", "\033[31m", "\033[1m" };

        return colours ? codes[c] : "";
}

const char *colour_off(enum colour c) {
        return colours && c != COLOUR_NONE ? "\033[0m" : "";
}

enum colour colour_of_state(const char *state) {
        static const struct {
                const char *state;
                enum colour colour;
        } table[] = {
                { "ready", COLOUR_GOOD },      { "leased", COLOUR_BOLD }, { "leasing", COLOUR_BUSY },
                { "reclaiming", COLOUR_BUSY }, { "bound", COLOUR_BUSY },  { "unbound", COLOUR_BUSY },
                { "quarantined", COLOUR_BAD }, { "stuck", COLOUR_BAD },
        };

        FOREACH_ARRAY(t, table, ARRAY_SIZE(table))
                if (strcmp(t->state, state) == 0)
                        return t->colour;
        return COLOUR_NONE;
}

/* The bytes of the UTF-8 character at p and its code; 0 if it is none. */
static size_t utf8_next(const unsigned char *p, uint32_t *ret) {
        size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : 0;

        if (p[0] >= 0xf0 && p[0] < 0xf5)
                n = 4;
        if (n == 0)
                return 0;
        *ret = n == 1 ? p[0] : p[0] & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                *ret = *ret << 6 | (p[i] & 0x3fU);
        }
        return n;
}

static bool is_harmful(uint32_t c) {
        return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
               (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

char *text_escape(const char *text) {
        const unsigned char *p = (const unsigned char *) text;
        char *out = malloc(strlen(text) * 10 + 1), *q = out;

        if (!out)
                out_of_memory();
        while (*p) {
                uint32_t c = 0;
                size_t n = utf8_next(p, &c);

                if (n == 0 || (n == 1 && is_harmful(c)))
                        q += sprintf(q, "\\x%02x", *p);
                else if (is_harmful(c))
                        q += sprintf(q, "\\u{%x}", c);
                else {
                        memcpy(q, p, n);
                        q += n;
                }
                p += MAX(n, (size_t) 1);
        }
        *q = '\0';
        return out;
}

__attribute__((format(printf, 3, 0))) static void print_escaped(FILE *f, const char *before,
                                                                const char *format, va_list ap) {
        _cleanup_free_ char *text = NULL;

        if (vasprintf(&text, format, ap) < 0)
                out_of_memory();
        size_t n = strlen(text);
        bool newline = n > 0 && text[n - 1] == '\n';
        if (newline)
                text[n - 1] = '\0';
        _cleanup_free_ char *safe = text_escape(text);
        fprintf(f, "%s%s%s", before, safe, newline || before[0] ? "\n" : "");
}

#define PRINT(file, before)                                                                                  \
        va_list ap;                                                                                          \
        va_start(ap, format);                                                                                \
        print_escaped(file, before, format, ap);                                                             \
        va_end(ap)

void print_text(const char *format, ...) {
        PRINT(stdout, "");
}

void print_error(const char *format, ...) {
        PRINT(stderr, "vfctl: ");
}

void print_warning(const char *format, ...) {
        PRINT(stderr, "vfctl: warning: ");
}

void print_hint(const char *format, ...) {
        PRINT(stderr, "  hint: ");
}

static size_t width_of(const char *text) {
        size_t n = 0;

        for (; *text; text++)
                n += (*text & 0xc0) != 0x80;
        return n;
}

struct table *table_new(const char *const *headers, size_t n_columns) {
        struct table *t = calloc(1, sizeof(*t));

        if (!t)
                out_of_memory();
        t->headers = headers;
        t->n_columns = n_columns;
        return t;
}

struct table *table_free(struct table *t) {
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i].text);
        free(t->cells);
        free(t);
        return NULL;
}

void table_add_colour(struct table *t, enum colour c, const char *text) {
        if (t->n_cells == t->allocated) {
                t->allocated = MAX(64U, t->allocated * 2);
                t->cells = reallocarray(t->cells, t->allocated, sizeof(*t->cells));
                if (!t->cells)
                        out_of_memory();
        }
        char *safe = text_escape(text && text[0] ? text : "-");
        t->cells[t->n_cells++] = (struct cell){ safe, width_of(safe), c };
}

void table_add(struct table *t, const char *text) {
        table_add_colour(t, COLOUR_NONE, text);
}

void table_addf(struct table *t, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                out_of_memory();
        va_end(ap);
        table_add(t, text);
}

static void print_cell(const char *text, size_t width, size_t column, bool right, bool last, enum colour c) {
        int pad = (int) (column - width);

        if (right)
                printf("%*s", pad, "");
        printf("%s%s%s", colour_on(c), text, colour_off(c));
        if (last)
                putchar('\n');
        else
                printf("%*s", (right ? 0 : pad) + 2, "");
}

void table_print(const struct table *t, bool legend, const char *empty) {
        _cleanup_free_ size_t *widths = calloc(t->n_columns, sizeof(*widths));

        if (!widths)
                out_of_memory();
        if (t->n_cells == 0 && legend)
                printf("%s\n", empty);
        if (t->n_cells == 0)
                return;
        for (size_t i = 0; i < t->n_columns; i++)
                widths[i] = legend ? strlen(t->headers[i]) - (t->headers[i][0] == '>') : 0;
        for (size_t i = 0; i < t->n_cells; i++)
                widths[i % t->n_columns] = MAX(widths[i % t->n_columns], t->cells[i].width);
        for (size_t i = 0; legend && i < t->n_columns; i++) {
                bool right = t->headers[i][0] == '>';

                print_cell(t->headers[i] + right, strlen(t->headers[i]) - right, widths[i], right,
                           i + 1 == t->n_columns, COLOUR_BOLD);
        }
        for (size_t i = 0; i < t->n_cells; i++) {
                size_t k = i % t->n_columns;

                print_cell(t->cells[i].text, t->cells[i].width, widths[k], t->headers[k][0] == '>',
                           k + 1 == t->n_columns, t->cells[i].colour);
        }
}
