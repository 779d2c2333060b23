/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The way from a function to the root complex, as configuration space shows it (libpci). Beyond the first 64
 * bytes configuration space is for root only (drivers/pci/pci-sysfs.c:pci_read_config), so this is the
 * worker's. */

#include "common/model.h"

#include <stddef.h>

/* hops[0] is the function, then its PF if it is a VF, then every bridge upwards, the root port last. Whatever
 * cannot be read, reads all ones or has no valid capability list is there without HOP_READABLE. 0; -ENODEV if
 * there is no such function; -E2BIG if the way is longer than PATH_HOPS_MAX. Not for several threads. */
int path_read(int root_fd, struct address a, struct path_hop hops[PATH_HOPS_MAX], size_t *n);
