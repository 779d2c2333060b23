/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the PF's driver is told of its VFs by rtnetlink: MAC, VLAN, rates, spoof check, trust, link state, RSS
 * query. Effects: for the worker only, CAP_NET_ADMIN, in the network namespace of the PF's interface. These
 * wait for the lock of all network interfaces. */

#include "common/attributes.h"
#include "common/model.h"

/* The interface of the PF. -ENODEV if it has none here, or if this root is not the running system. */
int netvf_find(int root_fd, struct address pf, int *ret_ifindex);

/* Carries out a change set: all VFs of it in one message where that works, then one look at what became of
 * them. Where the message fails or does less than it says, each VF is told alone, so that one does not spoil
 * the others; a VF that could not be set as a whole is set back. The work does not grow with the VFs of the
 * PF but by the one list that the kernel answers with. A VF that the driver says nothing of just now, because
 * it resets it, is waited for. Rates that were refused while the PF's link was down are -ENETDOWN.
 *
 * 0 if every change was tried (.error says how each went); -errno if nothing was: *step says what failed, a
 * static text. */
int netvf_apply(int ifindex, struct vf_change *changes, size_t n, const char **step);

/* Pure: the VFs of the payload of an RTM_NEWLINK message (from struct ifinfomsg on) into ret[index], n of
 * them at most; those that are not listed get .set = 0. 0, or as netvf_list_open(). */
int netvf_parse(const void *payload, size_t size, struct vf_attributes *ret, size_t n);
