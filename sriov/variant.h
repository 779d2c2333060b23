/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which VFIO driver suits a function best: vfio-pci, or a vendor's variant of it, which can migrate (kernel:
 * drivers/vfio/pci/). A variant says so by an alias of its module that looks like the device's own, with
 * "vfio_pci:" for "pci:" (scripts/mod/file2alias.c:do_pci_entry). */

#include "common/address.h"
#include "common/limits.h"

/* The module with the most specific alias, that with the fewest wildcards, or "vfio_pci" if none matches.
 * aliases is the text of a modules.alias file, modalias that of the device. Pure. */
void variant_pick(const char *aliases, const char *modalias, char module[DRIVER_MAX]);

/* The best driver, as it is called below /sys/bus/pci/drivers. -EAGAIN if its module is not loaded, whose
 * name then is in driver; -ENODEV if the function is gone. */
int variant_best(int root_fd, struct address a, char driver[DRIVER_MAX]);
