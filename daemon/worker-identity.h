/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Identities in replies, at both ends of the worker link. */

#include "common/model.h"
#include "daemon/worker-protocol.h"

/* The worker: reads who the function is into reply->data. -errno with *step. */
int worker_identity_put(int root_fd, struct address a, struct worker_reply *reply, const char **step);

/* The daemon: sets what struct pf has of it, and identified; what a reply without error does not say, it has
 * not. A reply with an error changes nothing. */
void worker_identity_take(const struct worker_reply *reply, struct pf *pf);
