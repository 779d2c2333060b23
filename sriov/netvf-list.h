/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The VFs in an RTM_NEWLINK message, also where the length of their list has wrapped. Pure. */

#include <linux/if_link.h>
#include <stdbool.h>
#include <stddef.h>

struct nlattr;

struct netvf_list {
        unsigned num; /* VFs that the PF has: IFLA_NUM_VF */
        unsigned n;   /* of them are in the message; drivers leave out what they cannot tell just now */

        struct nlattr *next; /* netvf_list_next() */
        int left;
        unsigned taken;
};

/* Finds the list in the payload of a message (from struct ifinfomsg on) and makes sure where it ends.
 * -EBADMSG if it does not tell how many VFs there are, -EMSGSIZE if where the list ends cannot be shown: then
 * nothing of it may be believed. The message must outlive *ret. */
int netvf_list_open(const void *payload, size_t size, struct netvf_list *ret);

/* The next VF: its index, greater than the one before and less than num, and its attributes, of which
 * IFLA_VF_MAC is there. False after the last. */
bool netvf_list_next(struct netvf_list *l, unsigned *ret_index, struct nlattr *ret_tb[IFLA_VF_MAX + 1]);
