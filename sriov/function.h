/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Whether the host itself needs a function, so that it must not be taken from it as a whole. Reading only.
 * For the worker, root: it opens block devices to see whether they are claimed. */

#include "common/address.h"

#include <stddef.h>
#include <stdint.h>

/* 1 if the host needs it, with the reason in why: VFs, the primary display, a block device that is mounted,
 * swap or claimed by anything else in the kernel (a path to one by NVMe multipath included), a network
 * interface that a default route goes through, be it by way of a bridge, bond or VLAN. 0 if not. -errno if
 * that cannot be known: then it must be left alone as well. */
int function_in_use(int root_fd, struct address a, char *why, size_t size);

/* The same, of its block devices alone; of one namespace of an NVMe controller, or with nsid 0 of all. */
int function_disk_in_use(int root_fd, struct address a, uint32_t nsid, char *why, size_t size);
