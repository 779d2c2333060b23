/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The messages to rtnetlink about an interface and its VFs, before anybody sends them. Pure. */

#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

/* What to ask for: all VFs with what they were told, or with their counters too, which fill a list at 221
 * VFs. */
#define NETVF_MASK_TOLD       (RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS)
#define NETVF_MASK_STATISTICS RTEXT_FILTER_VF

struct nl_msg;
struct vf_change;

/* RTM_GETLINK: what the kernel tells of the interface, beyond the usual what mask (RTEXT_FILTER_…) names. The
 * message is the caller's: nlmsg_free(). NULL without memory. */
struct nl_msg *netvf_message_get(int ifindex, uint32_t mask);

/* RTM_SETLINK: the attributes of .set of each change, all in one list, to be acknowledged. The kernel knows
 * the two rates as one attribute, so both are told. The caller's: nlmsg_free(). NULL without memory, or if
 * they are more than one list can hold: its length has 16 bits. */
struct nl_msg *netvf_message_set(int ifindex, const struct vf_change *changes, size_t n);
