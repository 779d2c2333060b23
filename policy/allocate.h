/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which VFs a request gets, or why not. Pure and deterministic: same policy, inventory, leases and request,
 * same answer. */

#include "policy/policy.h"

struct allocation {
        struct vf *vfs[ACQUIRE_COUNT_MAX]; /* borrowed from the inventory */
        size_t n_vfs;
        enum hand_off hand_off; /* FD or NODE, never AUTO */
        uint64_t memlock;       /* bytes that RLIMIT_MEMLOCK must reach, 0 if the tenant sets none */
};

/* 0: *ret is filled. A positive enum reason: refused, detail (size bytes) says what would be possible, e.g.
 * "quota 4, in use 4: web1, web2". The detail speaks of the request's own tenant only. */
int allocate(const struct policy *policy, const struct inventory *inventory,
             const struct lease *const *leases, size_t n_leases, const struct request *request,
             struct allocation *ret, char *detail, size_t size);

/* Bytes of locked memory a VMM needs for `memory` bytes of guest RAM and n VFs: with the fd hand-off each VF
 * has an iommufd of its own and each pins the whole guest (kernel-facts 2.9); with the node hand-off one
 * container pins it once. */
uint64_t allocate_memlock_need(uint64_t memory, enum hand_off hand_off, size_t n_vfs);
