/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What only rtnetlink tells about network interfaces (libnl). Of the running system's network namespace: ask
 * root_is_host() first. These wait for the lock of all network interfaces. */

#include "common/attributes.h"

#include <stddef.h>
#include <stdint.h>

/* The address that the card was made with, whatever it has now. -ENODATA if its driver does not tell. */
int netlink_permanent_address(int ifindex, struct mac *ret);

/* Interfaces that a default route of any table goes through, next hops beyond the first included. The
 * caller's: free(). */
int netlink_default_routes(int **ret, size_t *ret_n);

/* What the kernel tells of an interface, beyond the usual what mask (RTEXT_FILTER_…) names: the payload of
 * its RTM_NEWLINK message, from struct ifinfomsg on. take's -errno is returned. */
int netlink_link(int ifindex, uint32_t mask, int (*take)(const void *payload, size_t size, void *userdata),
                 void *userdata);
