/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* From a request to VFs in hand: choose, write down, drop the fences, open or grant, answer. All or nothing.
 */

#include "daemon/lease.h"
#include "daemon/owner.h"
#include "daemon/server.h"

struct acquire_request {
        struct request request;
        bool kept; /* until released; else tied to a process */
        pid_t pid; /* that process; 0: the peer */
        bool has_uid;
        uid_t uid;          /* the user the VMM runs as (administrators only) */
        uint64_t wait_usec; /* how long it may wait in line, 0: not at all */
        bool keep;          /* promise the same VFs and MACs to the VM for its next start */
};

/* Answers the call, now or later. parameters: what the strings of the request are part of. */
void acquire_start(struct connection *c, const struct acquire_request *r, json_t *parameters);

/* REASON_NONE: it is under way, the owner was taken, and the connection is suspended. Else the reason, and
 * nothing was done. */
enum reason acquire_try(struct connection *c, const struct acquire_request *r, struct owner *owner,
                        struct refusal *why);

/* Refuses a call, in words that tell a tenant nothing of others. */
void acquire_refuse(struct connection *c, enum reason reason, const struct refusal *why);

/* Whether the peer may act for the tenant at all, in words that teach a stranger no names. */
enum reason acquire_permitted(const struct connection *c, const char *tenant);

/* At shutdown: frees it without an answer. */
void acquire_forget(struct acquisition *a);
