/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The NVMe operations of the worker protocol, as admin commands to the simulated controller of the PF.
 *
 * What is broken in replies to NVME_STATE, by "wrong" of the controller: unsealed, pipe, none (no
 * descriptor), short (fewer of a list than it says), long (as many as no list has), order (secondaries), nsid
 * (0), flags (unknown ones), name (without an end), ghost (a namespace of no controller there is). */

#include "daemon/worker-protocol.h"
#include "simtree.h"

struct outcome sim_nvme(const struct sim *s, const struct worker_request *q, struct worker_reply *p,
                        int out[WORKER_FDS_MAX]);
