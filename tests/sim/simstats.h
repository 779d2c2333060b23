/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Counters of VFs. sim/pf/<address>/statistics has one line for each VF that counts: its index, then the
 * counters in the order of common/stats.h, or "-" if the driver cannot tell just now. VFs without a line have
 * zeros. A line of one of the words unsealed, short, long, order, pipe and none makes the reply what no
 * worker may send. */

#include "daemon/worker-protocol.h"
#include "simtree.h"

struct outcome sim_statistics(const struct sim *s, const struct worker_request *q, struct worker_reply *p,
                              int out[WORKER_FDS_MAX]);
