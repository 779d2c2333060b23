/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* From counters to rates, rows and their order. Pure. */

#include "common/stats.h"

#include <stdbool.h>
#include <stddef.h>

/* A VF as it was seen once. Strings are borrowed; NULL: nobody has it. */
struct sample {
        const char *address, *pf, *lease, *tenant, *vm;
        bool unknown;  /* the kernel did not tell */
        bool counted;  /* counters and read mean something */
        uint64_t read; /* when, usec */
        struct vf_counters counters;

        bool rated;              /* rates_update() */
        struct vf_counters rate; /* per second */
};

/* Compares with what was seen before, in any order. No rate for a VF that was not counted then, had another
 * owner, or of which any counter has gone backwards: it was reset, and how much it missed is not known. */
void rates_update(struct sample *now, size_t n, const struct sample *before, size_t n_before);

enum row_by { BY_VF, BY_PF, BY_TENANT, _BY_MAX };

struct row {
        const char *name;        /* borrowed; NULL: VFs that nobody has */
        const struct sample *vf; /* with BY_VF */
        size_t n_vfs, n_unknown;
        bool rated;
        struct vf_counters rate; /* of those VFs that have one */
};

/* Fills up to n rows; returns how many. */
size_t rates_rows(const struct sample *samples, size_t n, enum row_by by, struct row *ret);

enum row_sort { SORT_TOTAL, SORT_RX, SORT_TX, SORT_PACKETS, SORT_DROPS, SORT_NAME, _SORT_MAX };

/* The greatest first, rows without a rate last, equal ones by name. */
void rates_sort(struct row *rows, size_t n, enum row_sort sort);

const char *row_by_to_string(enum row_by by);
enum row_by row_by_from_string(const char *s); /* _BY_MAX if unknown */
const char *row_sort_to_string(enum row_sort sort);
enum row_sort row_sort_from_string(const char *s); /* _SORT_MAX if unknown */

/* "0", "999", "1.2k", "34.5M": at most one decimal, powers of 1000. buf holds 32 bytes; returns buf. */
const char *format_rate(uint64_t v, char buf[32]);
