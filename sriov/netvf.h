/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the PF's driver is told of a VF by rtnetlink: MAC, VLAN, rates, spoof check, trust, link state.
 * Effects: for the worker only, CAP_NET_ADMIN, in the network namespace of the PF's interface. These wait for
 * the lock of all network interfaces. *step says in a few words what failed; a static text. */

#include "common/attributes.h"
#include "common/model.h"

struct netvf {
        int ifindex;    /* of the PF */
        unsigned index; /* N of virtfnN */
};

/* The interface of the PF. -ENODEV if it has none, or if this root is not the running system. */
int netvf_find(int root_fd, struct address pf, unsigned index, struct netvf *ret);

/* What the kernel reports; .set says which that is. -EMSGSIZE if its answer does not have the VF, or cannot
 * be believed (netvf-list.h), so nothing is known. */
int netvf_read(const struct netvf *v, struct vf_attributes *ret);

/* Sets what differs, reads all of it back, and sets it back if that fails. *reason:
 * REASON_ATTRIBUTE_UNSUPPORTED or REASON_ATTRIBUTES. */
int netvf_set(const struct netvf *v, const struct vf_attributes *want, enum reason *reason,
              const char **step);

/* As a VF that nobody used: no MAC of ours, untagged, no rates, spoof check on, no trust, link state of the
 * PF. One after another, each read back. */
int netvf_baseline(const struct netvf *v, enum reason *reason, const char **step);

/* Pure: finds a VF in the payload of an RTM_NEWLINK message (from struct ifinfomsg on). 0, -ENOENT if the
 * list is whole and has no such VF, -EMSGSIZE if it is not. */
int netvf_parse(const void *payload, size_t size, unsigned index, struct vf_attributes *ret);
