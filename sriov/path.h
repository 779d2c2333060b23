/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The way from a function to the root complex, as configuration space shows it. Beyond the first 64 bytes
 * that is for root only (drivers/pci/pci-sysfs.c:pci_read_config), so this is the worker's. */

#include "common/model.h"

#include <stddef.h>

/* hops[0] is the function, then its PF if it is a VF, then every bridge upwards, the root port last. Whatever
 * cannot be read in full is there without HOP_READABLE, see hop.h. 0; -ENODEV if there is no such function;
 * -E2BIG if the way is longer than PATH_HOPS_MAX. */
int path_read(int root_fd, struct address a, struct path_hop hops[PATH_HOPS_MAX], size_t *n);
