/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which VFs are asked for, and for whom: the options that acquire, run and reserve share. */

#include "cli/client.h"
#include "cli/options.h"
#include "cli/want.h"

struct ask {
        /* as given */
        const char *tenant, *vm, *group;
        struct option_list pools;
        const char *mac, *vlan, *min_tx, *max_tx; /* for the only pool; NULL: not given */
        const char *numa;
        uint64_t count; /* 0: not given */
        bool apart, together;

        /* from ask_check() */
        struct pool_want wants[WANTS_MAX]; /* count never 0 */
        size_t n_wants;
        unsigned total;    /* VFs */
        int64_t numa_node; /* -1: not given */
};

/* Appends the options to a table with room for them; returns how many. */
#define ASK_OPTIONS 12
size_t ask_options(struct ask *a, struct option ret[ASK_OPTIONS]);

/* Reads and checks what was given. 0 or EX_USAGE after a message. */
int ask_check(const struct verb *verb, struct ask *a);

/* As parameters of a call. With short_form, one pool becomes "pool" and "count", as daemons without "wants"
 * know it. */
void ask_put(const struct ask *a, bool short_form, json_t *parameters);
