/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the drivers of network PFs can tell their VFs. A table, because the kernel says it only by refusing.
 */

#include "common/attributes.h"

/* Those of a->set that this driver is known to refuse, ATTR_…; 0 for a driver that the table does not have.
 * Only what it refuses on every card: what depends on card, firmware or link is found out by trying. */
uint32_t net_driver_refuses(const char *driver, const struct vf_attributes *a);

/* What a VF's port of a switch can be told (devlink). VLAN, spoof check, trust, link state and RSS query are
 * the switch's. */
#define NET_PORT_ATTRIBUTES (ATTR_MAC | ATTR_MIN_TX | ATTR_MAX_TX)

/* Those of a->set that no port can be told. */
uint32_t net_port_refuses(const struct vf_attributes *a);

/* Its PFs have network interfaces. */
bool net_driver_is_known(const char *driver);

/* Whether it counts its VFs' packets; a driver that the table does not have may. */
bool net_driver_has_statistics(const char *driver);
