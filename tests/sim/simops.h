/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The operations of the worker protocol, on the fake tree. */

#include "daemon/worker-protocol.h"
#include "simtree.h"

/* What the real worker refuses before it does anything, by its own code. False: refused, the reply says so.
 */
bool sim_check(const struct sim *s, const struct worker_request *q, struct worker_reply *p);

/* Fills the reply's results and out. silent: a bind that the driver refuses without a word. */
void sim_operate(const struct sim *s, const struct worker_request *q, const int in[WORKER_FDS_MAX],
                 bool silent, struct worker_reply *p, int out[WORKER_FDS_MAX]);

/* Every PF from nothing to fenced VFs in a bare loop; prints "<VFs> <microseconds>". Returns an exit status.
 */
int sim_floor(const struct sim *s);
