/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Statistics of the VFs of network PFs, as workers read them, kept for a moment: however many ask, a PF is
 * read at most once in STATS_KEEP_USEC. */

#include "common/stats.h"
#include "daemon/vf.h"

#define STATS_KEEP_USEC     500000ULL
#define STATS_PATIENCE_USEC 2000000ULL /* who asks waits no longer */

enum stats_known {
        STATS_KNOWN,
        STATS_UNKNOWN,     /* the kernel did not tell, or not in time */
        STATS_UNSUPPORTED, /* the PF's driver counts nothing for its VFs */
};

bool stats_has_interface(const struct pf *pf);

/* True if the PF was read since then (usec, monotonic), whatever came of it, or if others have waited for it
 * in vain. If not, it is being read as soon as may be, and stats_calls_look() will be called. */
bool stats_ready(struct manager *m, const struct pf *pf, uint64_t since);

/* A lease has it now: what is counted from now on is the lease's. Asks for a look. */
void stats_lease_begins(struct managed_vf *v);

/* What was read since then of a VF, and when; of a leased one, what was counted since its lease was looked at
 * first. */
enum stats_known stats_of_vf(const struct managed_vf *v, uint64_t since, struct vf_counters *ret,
                             uint64_t *ret_usec);

/* The VFs of a PF are not the same any more: what was read of it is no longer theirs. */
void stats_forget(struct manager *m, struct address pf);

/* methods-stats.c: something was read; who waits for it may have its answer. */
void stats_calls_look(struct manager *m);
void stats_calls_stop(struct manager *m);
void stats_stop(struct manager *m); /* after the worker link: nobody answers any more */
