/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What is said to devlink, apart from sending it. Pure: each fills an empty message with all but its port and
 * sequence number, which the socket knows. family: the number that the kernel gave the family "devlink".
 * 0 or -ENOMEM. */

#include "sriov/devlink.h"

#include <netlink/msg.h>

int devlink_ask_eswitch(struct nl_msg *msg, int family, const struct devlink_handle *h);
int devlink_tell_eswitch(struct nl_msg *msg, int family, const struct devlink_handle *h,
                         enum eswitch_mode mode);

int devlink_ask_ports(struct nl_msg *msg, int family, const struct devlink_handle *h); /* all, as a dump */
int devlink_ask_port(struct nl_msg *msg, int family, const struct devlink_handle *h, uint32_t port);

/* Address, state, event queues: those in f->set; -EINVAL for others, or for none. */
int devlink_tell_function(struct nl_msg *msg, int family, const struct devlink_handle *h, uint32_t port,
                          const struct devlink_function *f);

int devlink_ask_rate(struct nl_msg *msg, int family, const struct devlink_handle *h, uint32_t port);
int devlink_tell_rate(struct nl_msg *msg, int family, const struct devlink_handle *h, uint32_t port,
                      const struct devlink_rate *rate);
