/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Steps of a plan for people: what a step does to whom, and to which PF it belongs. */

#include "cli/client.h"
#include "cli/records.h"

/* What a step does to what is there, as diffs show it. */
enum change {
        CHANGE_MAKE,    /* + */
        CHANGE_ALTER,   /* ~ nothing is lost */
        CHANGE_REPLACE, /* -/+ destroyed and made again */
        CHANGE_DESTROY, /* - */
        _CHANGE_MAX,
};

struct step_effect {
        enum change change;
        int64_t make, alter, destroy; /* VFs, or 1 for what is no VF */
};
struct step_effect step_effect(const struct step_record *s);
const char *change_sign(enum change c); /* padded to the same width */

#define STEP_TEXT_MAX 256
/* One line; not escaped yet. */
const char *step_text(const struct step_record *s, char buf[STEP_TEXT_MAX]);

/* Which PF a step is about: it names a PF or a VF. */
struct pf_names {
        json_t *pf_of;   /* VF or PF to PF */
        json_t *caption; /* PF to "igb, enp1s0f0, pool net" */
};
int pf_names_load(struct client *c, struct pf_names *ret); /* 0 or an exit code after a message */
void pf_names_done(struct pf_names *n);
const char *pf_names_of(const struct pf_names *n, const char *address); /* the address itself if unknown */
const char *pf_names_caption(const struct pf_names *n, const char *pf); /* "" if unknown */
