/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the drivers of network PFs can tell their VFs. A table, because the kernel says it only by refusing.
 */

#include "common/attributes.h"

/* Those of a->set that this driver is known to refuse, ATTR_…; 0 for a driver that the table does not have.
 * Only what it refuses on every card: what depends on card, firmware or link is found out by trying. What
 * only ports have, rtnetlink cannot tell for any driver. */
uint32_t net_driver_refuses(const char *driver, const struct vf_attributes *a);

/* What only a VF's port of a switch can be told (devlink). */
#define NET_PORT_ONLY (ATTR_MAX_IO_EQS | ATTR_FUNCTION_STATE)

/* What it can be told at all. VLAN, spoof check, trust, link state and RSS query are the switch's. */
#define NET_PORT_ATTRIBUTES (ATTR_MAC | ATTR_MIN_TX | ATTR_MAX_TX | NET_PORT_ONLY)

/* Those of a->set that no port of this driver can be told; "": of any. */
uint32_t net_port_refuses(const char *driver, const struct vf_attributes *a);

/* Its PFs have network interfaces. */
bool net_driver_is_known(const char *driver);

/* Whether it counts its VFs' packets; a driver that the table does not have may. */
bool net_driver_has_statistics(const char *driver);
