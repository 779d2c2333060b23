/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The host's network interfaces that stand for VFs of a PF in switchdev mode. Found by the switch they belong
 * to and their name there, never by interface name or parent device, which differ between drivers
 * (Documentation/networking/representors.rst). Reading only; waits for the lock of all network interfaces
 * (net/core/net-sysfs.c:phys_switch_id_show), so for the worker, never for the daemon. */

#include "common/model.h"

#define SWITCH_ID_MAX 80 /* 32 bytes in hex (MAX_PHYS_ITEM_ID_LEN) and the end of the line */

enum port_kind { PORT_PHYSICAL, PORT_PF, PORT_VF, PORT_SF };

struct port_name {
        enum port_kind kind;
        bool external; /* of another host's controller */
        uint32_t controller, pf;
        uint32_t number; /* of the physical port, the VF or the SF */
        int32_t split;   /* of a physical port; -1: whole */
};

/* Pure. "p1", "p1s2", "pf0", "pf0vf3", "pf0sf88", with "c1" before those of another controller
 * (net/devlink/port.c:__devlink_port_phys_port_name_get). 0 or -EINVAL. */
int port_name_parse(const char *s, struct port_name *ret);

/* The switch that an interface belongs to. -EOPNOTSUPP if to none. */
int representor_switch_id(int root_fd, const char *netdev, char ret[SWITCH_ID_MAX]);

/* All VFs of one PF in one walk: names[N] of VF N, "" for one without. controller < 0: the own host's.
 * -EEXIST if two say that they are the same. */
int representor_find(int root_fd, const char *switch_id, int64_t controller, uint32_t pf,
                     char (*names)[IFNAME_MAX], size_t n);
