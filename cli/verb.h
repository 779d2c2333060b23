/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the verbs of vfctl share: global options, the table of verbs, exit codes. */

#include <stdbool.h>
#include <stddef.h>
#include <sysexits.h>

/* Exit codes, stable, in vfctl(1). The rest are from sysexits.h: EX_USAGE, EX_UNAVAILABLE, EX_TEMPFAIL,
 * EX_NOPERM. */
#define EXIT_FAILED         1
#define EXIT_CHANGES        2
#define EXIT_WARNINGS       3
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND      127

struct cli {
        const char *socket;
        bool json;
        bool no_color;
        bool no_legend;
};

struct verb {
        const char *name;
        const char *arguments; /* as in "ADDRESS|LEASE" */
        const char *help;      /* one line */
        const char *example;   /* one or more lines, each with its newline */
        int (*run)(struct cli *cli, const struct verb *verb, int argc,
                   char **argv); /* an exit code; argv[0] is the verb */
};

int verb_status(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_list(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_show(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_plan(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_apply(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_acquire(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_run(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_release(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_renew(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_reserve(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_unreserve(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_drain(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_undrain(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_quarantine(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_clear(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_rescan(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_reload(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_monitor(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_top(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_policy(struct cli *cli, const struct verb *verb, int argc, char **argv);
