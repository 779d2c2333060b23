/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* From a request to VFs in hand: choose, write down, drop the fences, open or grant, answer. All or nothing.
 */

#include "daemon/lease.h"
#include "daemon/server.h"

struct acquire_request {
        struct request request;
        bool kept; /* until released; else tied to a process */
        pid_t pid; /* that process; 0: the peer */
        bool has_uid;
        uid_t uid; /* the user the VMM runs as (administrators only) */
};

/* Answers the call, now or later. */
void acquire_start(struct connection *c, const struct acquire_request *r);

/* At shutdown: frees it without an answer. */
void acquire_forget(struct acquisition *a);
