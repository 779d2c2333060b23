/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which VFs a request gets, or why not. Pure and deterministic: same policy, inventory, leases and request,
 * same answer. */

#include "policy/world.h"

struct chosen_vf {
        struct vf *vf; /* borrowed from the inventory */
        uint8_t want;  /* index into request.wants */
        struct vf_attributes attributes;
        uint32_t wish; /* of these, what may be left out where the driver cannot do it */
};

struct allocation {
        struct chosen_vf vfs[ACQUIRE_COUNT_MAX]; /* in the order of the wants */
        size_t n_vfs;
        enum hand_off hand_off; /* FD or NODE, never AUTO */
        bool apart; /* the request asks for that, or its group did before: so it goes on for the group. A
                       pool's own rule is not meant, which holds whoever asks, and in that pool alone */
        uint64_t memlock;   /* bytes that RLIMIT_MEMLOCK must reach, 0 if the tenant sets none */
        uint64_t max_lease; /* seconds, 0: for ever */
};

/* Why not, in words. */
struct refusal {
        char detail[512]; /* which rule refused and what would be possible, e.g. "quota 4, in use 4: web1,
                             web2"; of the request's own tenant only */
        char beyond[128]; /* what may tell of others, for administrators; "" if there is no more to say */
};

/* As it is told to an administrator, or to a tenant. */
#define REFUSAL_TEXT_MAX (sizeof(struct refusal) + 2)
const char *refusal_text(const struct refusal *why, bool admin, char buf[REFUSAL_TEXT_MAX]);
#define REFUSAL_STR(why, admin) refusal_text((why), (admin), (char[REFUSAL_TEXT_MAX]){ 0 })

/* All that is wanted, or nothing. 0: *ret is filled. A positive enum reason: refused, *why says more. */
int allocate(const struct world *world, const struct request *request, struct allocation *ret,
             struct refusal *why);

/* What would be answered if everybody had given back all VFs, and nothing were promised: REASON_NONE, or why
 * the request can never be granted. Or -ENOMEM. */
int allocate_ever(const struct world *world, const struct request *request, struct refusal *why);

/* Refused for this reason, it waits for VFs or bandwidth that others may have, or take before it; not for
 * what only its own tenant can give back: quota, share, MACs, PFs without a VF of its group. */
bool allocate_competes(const struct world *world, const struct request *request, enum reason why);

/* True if the answer may be another one once somebody gives VFs back. */
bool reason_may_pass(enum reason r);

/* Bytes of locked memory a VMM needs for `memory` bytes of guest RAM and n VFs: with the fd hand-off each VF
 * has an iommufd of its own and each pins the whole guest (kernel-facts 2.9); with the node hand-off one
 * container pins it once. */
uint64_t allocate_memlock_need(uint64_t memory, enum hand_off hand_off, size_t n_vfs);
