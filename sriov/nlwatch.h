/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the kernel tells a multicast group of netlink, message by message, for the monitors of this folder. */

#include <linux/netlink.h>
#include <stddef.h>

struct nl_sock;

struct nlwatch {
        struct nl_sock *sock;
        _Alignas(struct nlmsghdr) char data[64 * 1024];
        struct nlmsghdr *next; /* in data */
        size_t left;
};

/* Of a connected socket: joins the group and waits for nothing from here on. -EIO. */
int nlwatch_join(struct nlwatch *w, int group);

/* 1: *ret is a message, good until the next call; 0: none left; -ENOBUFS: messages were lost; another -errno.
 */
int nlwatch_next(struct nlwatch *w, const struct nlmsghdr **ret);
