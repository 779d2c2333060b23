/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How the evidence of a path travels in a reply: value[1] hops in data; value[2]: MSI-X vectors of its first
 * function, 0 if it has none or they cannot be read. */

#include "common/model.h"
#include "daemon/worker-protocol.h"

/* The worker's end: reads the path of a VF or PF into the reply; 0 or -errno of path_read(). */
int worker_path_put(int root_fd, struct address a, struct worker_reply *reply);

/* The daemon's end. A reply that has no path, or that of another function, makes the path unknown. */
void worker_path_take_vf(const struct worker_reply *reply, struct vf *vf); /* and that of its PF */
void worker_path_take_pf(const struct worker_reply *reply, struct pf *pf);
