/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parses options by table, prints their help, guesses mistyped words. */

#include "cli/options.h"
#include "cli/table.h"
#include "common/macro.h"
#include "common/text.h"

#include <stdarg.h>
#include <string.h>

#define WORD_MAX 32

struct parser {
        const struct verb *verb; /* NULL before the verb */
        const struct option *options;
        size_t n;
        bool help;
};

int usage_error(const struct verb *verb, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        va_end(ap);
        print_error("%s%s%s", verb ? verb->name : "", verb ? ": " : "", text ? text : "out of memory");
        print_hint("see 'vfctl%s%s --help'", verb ? " " : "", verb ? verb->name : "");
        return EX_USAGE;
}

/* Edit distance, two rows of the usual matrix. */
static size_t distance(const char *a, const char *b) {
        size_t row[WORD_MAX + 1], n = strlen(b);

        for (size_t j = 0; j <= n; j++)
                row[j] = j;
        for (size_t i = 1; a[i - 1]; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= n; j++) {
                        size_t change = diagonal + (a[i - 1] != b[j - 1]);

                        diagonal = row[j];
                        row[j] = MIN(change, MIN(row[j], row[j - 1]) + 1);
                }
        }
        return row[n];
}

const char *nearest_word(const char *word, const char *const *words, size_t n) {
        const char *best = NULL;
        size_t best_distance = 3; /* farther is no typing error */

        if (strlen(word) > WORD_MAX)
                return NULL;
        FOREACH_ARRAY(w, words, n) {
                size_t length = strlen(*w), d = length <= WORD_MAX ? distance(word, *w) : WORD_MAX;

                if (d < best_distance && d < length) {
                        best = *w;
                        best_distance = d;
                }
        }
        return best;
}

static int unknown_option(const struct parser *p, const char *name) {
        const struct option *options = p->options;
        const char *words[WORD_MAX] = { 0 };
        size_t n = 0;

        FOREACH_ARRAY(o, options, p->n)
                if (n < ARRAY_SIZE(words))
                        words[n++] = o->name;
        const char *near = nearest_word(name, words, n);
        return usage_error(p->verb, "there is no option --%s%s%s%s", name, near ? ", did you mean --" : "",
                           near ? near : "", near ? "?" : "");
}

static int list_add(const struct parser *p, const struct option *o, const char *value) {
        struct option_list *list = o->ret;

        if (list->n == ARRAY_SIZE(list->items))
                return usage_error(p->verb, "--%s more than %zu times", o->name, ARRAY_SIZE(list->items));
        list->items[list->n++] = value;
        return OPTIONS_GO_ON;
}

static int wait_set(const struct parser *p, const struct option *o, const char *value) {
        struct option_wait *wait = o->ret;

        wait->given = true;
        wait->limited = value;
        if (value && (parse_u64(value, 10, &wait->seconds) < 0 || wait->seconds > WAIT_MAX_SECONDS))
                return usage_error(p->verb, "--%s: '%s' is no number of seconds (0 to %u)", o->name, value,
                                   WAIT_MAX_SECONDS);
        return OPTIONS_GO_ON;
}

static int option_set(const struct parser *p, const struct option *o, const char *value) {
        int r = 0;

        switch (o->kind) {
        case OPTION_FLAG:
                *(bool *) o->ret = true;
                return OPTIONS_GO_ON;
        case OPTION_TEXT:
                *(const char **) o->ret = value;
                return OPTIONS_GO_ON;
        case OPTION_NUMBER:
                r = parse_u64(value, 10, o->ret);
                break;
        case OPTION_SIZE:
                r = parse_size(value, o->ret);
                break;
        case OPTION_LIST:
                return list_add(p, o, value);
        case OPTION_WAIT:
                return wait_set(p, o, value);
        }
        if (r < 0)
                return usage_error(p->verb, "--%s: '%s' is not a %s", o->name, value,
                                   o->kind == OPTION_SIZE ? "size such as 512M or 4G" : "number");
        return OPTIONS_GO_ON;
}

/* One option at argv[*i]; moves *i to the last argument it used. */
static int parse_one(struct parser *p, int argc, char **argv, int *i) {
        const char *arg = argv[*i], *name = arg + (arg[1] == '-' ? 2 : 1);
        const char *equals = arg[1] == '-' ? strchr(name, '=') : NULL;
        _cleanup_free_ char *word = equals ? strndup(name, (size_t) (equals - name)) : strdup(name);
        const struct option *options = p->options, *found = NULL;

        FOREACH_ARRAY(o, options, p->n)
                if (word && (arg[1] == '-' ? strcmp(o->name, word) == 0 : word[0] == o->letter && !word[1]))
                        found = o;
        if (!word)
                return EXIT_FAILED;
        if (!found)
                return arg[1] == '-' ? unknown_option(p, word)
                                     : usage_error(p->verb, "there is no option %s", arg);
        if (!found->value && equals)
                return usage_error(p->verb, "--%s takes no value", found->name);
        /* nothing else that may follow is a number */
        if (found->kind == OPTION_WAIT && !equals && *i + 1 < argc && argv[*i + 1][0] &&
            !argv[*i + 1][strspn(argv[*i + 1], "0123456789")])
                return usage_error(p->verb, "--%s: write --%s=%s", found->name, found->name, argv[*i + 1]);
        if (equals || !found->value || found->kind == OPTION_WAIT)
                return option_set(p, found, equals ? equals + 1 : NULL);
        if (*i + 1 >= argc)
                return usage_error(p->verb, "--%s needs a value (%s)", found->name, found->value);
        return option_set(p, found, argv[++*i]);
}

static void print_options(const struct option *options, size_t n) {
        FOREACH_ARRAY(o, options, n) {
                _cleanup_free_ char *left = NULL;
                char letter[5] = "    ";

                if (o->letter)
                        snprintf(letter, sizeof(letter), "-%c, ", o->letter);
                const char *between = !o->value ? "" : o->kind == OPTION_WAIT ? "[=" : " ";
                if (asprintf(&left, "%s--%s%s%s%s", letter, o->name, between, o->value ? o->value : "",
                             between[0] == '[' ? "]" : "") < 0)
                        left = NULL;
                printf("  %-25s %s\n", left ? left : o->name, o->help);
        }
}

#define GLOBAL_OPTIONS(cli, want_help)                                                                       \
        { "socket", 0, "PATH", "control socket of vfctld", OPTION_TEXT, &(cli)->socket },                    \
                        { "json", 0, NULL, "print the reply as JSON", OPTION_FLAG, &(cli)->json },           \
                        { "no-legend",      0, NULL, "no table headers and no closing lines", OPTION_FLAG,   \
                          &(cli)->no_legend },                                                               \
                        { "no-color", 0, NULL, "no colours", OPTION_FLAG, &(cli)->no_color }, {              \
                "help", 'h', NULL, "show this help", OPTION_FLAG, (want_help)                                \
        }

static void print_verb_help(const struct verb *verb, const struct option *options, size_t n) {
        printf("Usage: vfctl %s%s%s\n\n%s\n\n", verb->name, verb->arguments[0] ? " " : "", verb->arguments,
               verb->help);
        printf("Options:\n");
        print_options(options, n);
        printf("\nExample:\n%s\nSee vfctl(1).\n", verb->example);
}

int options_parse(struct cli *cli, const struct verb *verb, const struct option *options, size_t n,
                  bool stop_early, int *argc, char **argv) {
        struct parser p = { verb, NULL, 0, false };
        const struct option global[] = { GLOBAL_OPTIONS(cli, &p.help) };
        struct option all[WORD_MAX];
        int words = 1, i;

        if (n + ARRAY_SIZE(global) > ARRAY_SIZE(all))
                abort();
        if (n > 0)
                memcpy(all, options, n * sizeof(*options));
        memcpy(all + n, global, sizeof(global));
        p.options = all;
        p.n = n + ARRAY_SIZE(global);
        for (i = 1; i < *argc && strcmp(argv[i], "--") != 0; i++) {
                if (argv[i][0] == '-' && argv[i][1]) {
                        int r = parse_one(&p, *argc, argv, &i);

                        if (r != OPTIONS_GO_ON)
                                return r;
                } else if (stop_early)
                        break;
                else
                        argv[words++] = argv[i];
        }
        if (i < *argc && strcmp(argv[i], "--") == 0)
                i++;
        while (i < *argc)
                argv[words++] = argv[i++];
        argv[words] = NULL;
        *argc = words;
        colour_setup(cli->no_color);
        if (!p.help)
                return OPTIONS_GO_ON;
        print_verb_help(verb, p.options, p.n);
        return 0;
}

int options_parse_global(struct cli *cli, int argc, char **argv, int *ret_next, bool *ret_help,
                         bool *ret_version) {
        const struct option options[] = {
                GLOBAL_OPTIONS(cli, ret_help),
                { "version", 0, NULL, "show the version", OPTION_FLAG, ret_version },
        };
        struct parser p = { NULL, options, ARRAY_SIZE(options), false };
        int i;

        for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
                int r = parse_one(&p, argc, argv, &i);

                if (r != OPTIONS_GO_ON)
                        return r;
        }
        *ret_next = i;
        return OPTIONS_GO_ON;
}

void options_print_global(void) {
        struct cli cli;
        bool flag;
        const struct option options[] = {
                GLOBAL_OPTIONS(&cli, &flag),
                { "version", 0, NULL, "show the version", OPTION_FLAG, &flag },
        };

        print_options(options, ARRAY_SIZE(options));
}
