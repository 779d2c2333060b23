/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which network interface is a function's own. Those that stand for its VFs in switchdev mode hang below the
 * same device with some drivers (mlx5), and their names may sort before it. Reading only. */

#include "common/limits.h"

#include <stdbool.h>

struct netdev {
        char name[IFNAME_MAX]; /* "" if none */
        int ifindex;           /* 0 if none */
};

/* The interface that came first: drivers make a function's own before all others, and the kernel counts up
 * (net/core/dev.c:dev_index_reserve). With may_wait, what says of itself that it is the port of another
 * function is left out even if it came first, because the own one was elsewhere for a while: this waits for
 * the lock of all network interfaces (net/core/net-sysfs.c:phys_port_name_show), so for the worker only.
 * -ENODEV if there is none in this network namespace. */
int netdev_find(int device_fd, bool may_wait, struct netdev *ret);
