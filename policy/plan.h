/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What has to change so that the hardware is as the policy says. Pure: a list of steps, nothing is done here.
 */

#include "policy/world.h"

enum step_kind {
        STEP_AUTOPROBE, /* sriov_drivers_autoprobe of a PF to 0 */
        STEP_PRIMARY,   /* an NVMe primary controller gives queues and interrupts away; resets it */
        STEP_ESWITCH,   /* mode of the PF's switch; destroys every VF of the PF */
        STEP_ENABLE,    /* sriov_numvfs from 0 to N */
        STEP_RESIZE,    /* sriov_numvfs from M by way of 0 to N: destroys every VF of the PF */
        STEP_DISABLE,   /* sriov_numvfs from M to 0 */
        STEP_BIND,      /* VFIO driver for a VF */
        STEP_FENCE,     /* fence a VF */
        _STEP_KIND_MAX,
};

struct step {
        enum step_kind kind;
        struct address address; /* the PF, or the VF */
        struct address pf;      /* whose step it is, also of a VF's */
        unsigned from, to;      /* VF counts; of ESWITCH to is an enum eswitch_mode; or 0 */
        bool destructive;       /* only on explicit request */
        bool blocked;           /* cannot be done now: reason says why (leased, stuck, …) */
        bool pending;           /* asked for before: done by itself once nothing blocks it */
        enum reason reason;     /* for blocked steps */
        /* leases that stand in the way or would be hit, then promises: pointers into the caller's arrays */
        const struct lease **hits;
        size_t n_hits;
        char because[128]; /* why the step is there */
};

struct plan {
        struct step *steps;
        size_t n_steps;
};

/* 0 and *ret (plan_done() frees it), or -ENOMEM. Steps are ordered by PF address, then by what must come
 * first. A PF with pf->stuck, or whose count equals pf->failed_num_vfs, gets its steps blocked. VFs that a
 * step of their PF is about to destroy have none of their own. */
int plan_make(const struct world *world, struct plan *ret);
void plan_done(struct plan *p);

const char *step_kind_to_string(enum step_kind k); /* "autoprobe", "enable", … */

/* One line for a person: "enable 7 VFs on 0000:01:00.0 (now 0)". buf has size bytes. */
const char *step_describe(const struct step *s, char *buf, size_t size);
