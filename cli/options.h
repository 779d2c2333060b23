/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Options of a verb as a table: it parses them and it is their help. */

#include "cli/verb.h"
#include "common/limits.h"

#include <stdint.h>

enum option_kind {
        OPTION_FLAG,   /* bool * */
        OPTION_TEXT,   /* const char **, borrowed from argv */
        OPTION_NUMBER, /* uint64_t * */
        OPTION_SIZE,   /* uint64_t *, bytes; "4G" */
        OPTION_LIST,   /* struct option_list *, may be repeated */
        OPTION_WAIT,   /* struct option_wait *; the value may be left out, and stands behind '=' only */
};

struct option_list {
        const char *items[WANTS_MAX]; /* borrowed from argv */
        size_t n;
};

struct option_wait {
        bool given;
        bool limited;     /* by seconds, which were given */
        uint64_t seconds; /* left alone if they were not */
};

struct option {
        const char *name;  /* without dashes */
        char letter;       /* 0: none */
        const char *value; /* name of the value in the help, NULL for a flag */
        const char *help;
        enum option_kind kind;
        void *ret;
};

/* What options_parse() returns besides exit codes: go on. */
#define OPTIONS_GO_ON (-1)

/* Parses argv[1..] of a verb, global options included, and moves the other arguments to argv[1..]; *argc is
 * then their number + 1. With stop_early, the first other argument (or "--") ends the options. OPTIONS_GO_ON,
 * or the exit code (0 for
 * --help) after a message. */
int options_parse(struct cli *cli, const struct verb *verb, const struct option *options, size_t n,
                  bool stop_early, int *argc, char **argv);

/* The options before the verb; *ret_next is the index of the verb. */
int options_parse_global(struct cli *cli, int argc, char **argv, int *ret_next, bool *ret_help,
                         bool *ret_version);
void options_print_global(void);

/* Prints "vfctl VERB: message" and how to get help. Always EX_USAGE. */
int usage_error(const struct verb *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The word of the list that is nearest to a mistyped one; NULL if none is near. */
const char *nearest_word(const char *word, const char *const *words, size_t n);
