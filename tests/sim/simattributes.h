/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a simulated PF's driver keeps of its VFs: sim/attributes/<VF>, one line: MAC VLAN QoS protocol min max
 * spoof-check trust link-state rss-query max-io-eqs function-state, numbers but for the MAC. No file: as a VF
 * just enabled, which has no MAC, checks for spoofing and has 8 event queues. The last two are of ports: only
 * in switchdev mode. An attribute with a file sim/pf/<PF>/cannot/<name> is refused by the driver, and not
 * reported. While there is a file sim/pf/<PF>/link_down rates are refused.
 *
 * A fault of op=attributes with address= of a VF and value= of a mode (1 set, 2 restore, 3 correct) is what
 * the driver says of that VF, detail= the kernel's words for it; the record has a line of its own for each VF
 * of a change set. Messages are counted (simfault.h) of those that change something. */

#include "daemon/worker-protocol.h"
#include "simtree.h"

struct outcome attributes_change(const struct sim *s, const struct worker_request *q,
                                 const int in[WORKER_FDS_MAX], int out[WORKER_FDS_MAX]);
