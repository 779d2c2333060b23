/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Who a PCI function is, beyond what everybody may read: serial numbers, permanent MAC address, and what
 * takes a lock to read. For the worker, root; nothing is changed.
 *
 * Time: the VPD is read by 16 bytes, which the kernel gives up on after 0.5 s (125 ms for each 4 bytes,
 * drivers/pci/vpd.c:pci_vpd_wait), until a second has passed or 4 KiB are read; most cards say their serial
 * number within the first 200 bytes. Before the first read of all the kernel itself looks for the end of the
 * VPD (pci_vpd_size), and everything else is one lock away that somebody may hold long: that is for the
 * caller's deadline.
 */

#include "common/address.h"
#include "common/attributes.h"
#include "common/limits.h"

#include <stdint.h>

struct identity { /* as in struct pf; "" or 0 for what it does not have */
        char serial[SERIAL_MAX];
        char dsn[24];
        struct mac mac;
        uint32_t link_mbps;
        unsigned vf_total_msix;
};

/* 0; -ENODEV if there is no such function; -errno if its configuration space cannot be read. */
int identity_read(int root_fd, struct address a, struct identity *ret, const char **step);
