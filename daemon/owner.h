/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Whose lease it will be. Settled when the request comes, before anything is changed. */

#include "common/reason.h"
#include "daemon/peer.h"

struct owner {
        uid_t uid;
        pid_t pid; /* 0: kept until released */
        uint64_t pid_start;
        int pidfd; /* -1 none */
};

#define OWNER_NONE ((struct owner){ .pidfd = -1 })

struct acquire_request;

/* REASON_NONE, or why that may not be. */
enum reason owner_find(const struct peer *p, const struct acquire_request *r, struct owner *ret);
void owner_done(struct owner *o);
