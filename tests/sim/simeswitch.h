/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The switch of a PF. sim/pf/<address>/eswitch has its mode, "legacy" or "switchdev"; without that file there
 * is none. sim/pf/<address>/eswitch_refuses: the errno with which its driver refuses another mode. In
 * switchdev mode each VF has an interface of the host, <interface of the PF>_<index>, that says whose it is.
 */

#include "daemon/worker-protocol.h"
#include "simtree.h"

struct outcome sim_switch(const struct sim *s, const struct worker_request *q, struct worker_reply *p,
                          int out[WORKER_FDS_MAX]);
struct outcome sim_eswitch(const struct sim *s, const struct worker_request *q);

/* It is in switchdev mode. */
bool sim_has_ports(const struct sim *s, struct address pf);

/* After VFs came or went. */
void sim_eswitch_ports(const struct sim *s, struct address pf);
