/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Whether a function may start DMA at all: the Bus Master bit of its command register. For the worker, root.
 */

#include "common/address.h"

/* Switches it off and reads it back; nothing else of the function changes. 0; -EPERM if the kernel is locked
 * down (drivers/pci/pci-sysfs.c:pci_write_config); -EIO if it stayed on; -errno. Whoever has the function
 * open may switch it on again. */
int busmaster_off(int root_fd, struct address a, const char **step);
