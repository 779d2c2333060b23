/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which devices' switches changed (generic netlink family "devlink", group "config"): the device itself, its
 * ports and their rates. A change of the eswitch mode has no message of its own; it is seen by the ports that
 * come or go. Of the running system's network namespace: ask root_is_host() first. */

#include "common/macro.h"
#include "sriov/devlink.h"

struct devlinkwatch;

/* 0 or -errno; -EOPNOTSUPP: the kernel has no devlink. */
int devlinkwatch_new(struct devlinkwatch **ret);
struct devlinkwatch *devlinkwatch_free(struct devlinkwatch *w);
DEFINE_CLEANUP(struct devlinkwatch *, devlinkwatch_free)

int devlinkwatch_fd(const struct devlinkwatch *w); /* poll for EPOLLIN */

/* 1: *ret changed; 0: none left; -ENOBUFS: changes were lost, any may have changed; another -errno. */
int devlinkwatch_next(struct devlinkwatch *w, struct devlink_handle *ret);
