/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Statistics of the VFs of a PF by rtnetlink. */

#include "common/address.h"
#include "common/stats.h"

#include <stdbool.h>
#include <stddef.h>

/* What the kernel reports of all VFs of a PF, sorted by index; VFs that it does not tell about are left out.
 * The list is the caller's: free(). Needs no privilege, but waits for the lock of all network interfaces.
 * -ENODEV if the PF has no interface, -EMSGSIZE if the kernel's answer cannot be believed (netvf-list.h). */
int netvf_stats_read(int root_fd, struct address pf, struct vf_statistics **ret, size_t *ret_n,
                     const char **step);

/* The same of an interface; -ENODEV if it is gone. */
int netvf_stats_read_link(int ifindex, struct vf_statistics **ret, size_t *ret_n, const char **step);

/* Pure: the same from the payload of an RTM_NEWLINK message (from struct ifinfomsg on). */
int netvf_stats_parse(const void *payload, size_t size, struct vf_statistics **ret, size_t *ret_n);
