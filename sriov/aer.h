/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Advanced Error Reporting: the kernel's counts of a function's PCIe errors. Reading only, no privilege. They
 * are counted before the kernel limits its messages (drivers/pci/pcie/aer.c:pci_dev_aer_stats_incr), so they
 * are what can be relied on; the link partner may have counted instead. */

#include "common/address.h"

#include <stdint.h>

struct aer_counts {
        uint64_t correctable, nonfatal, fatal;
};

/* -ENOENT if the function has no AER, or is gone. */
int aer_read(int root_fd, struct address a, struct aer_counts *ret);
