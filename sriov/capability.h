/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Capabilities in the bytes of a configuration space. Pure but for the reading, which beyond the first 64
 * bytes is for root (drivers/pci/pci-sysfs.c:pci_read_config). */

#include "common/address.h"

#include <stddef.h>
#include <stdint.h>

#define CONFIG_SPACE_SIZE 4096U

/* Reads as much of it as there is, at most max bytes. Returns how many, or -errno. */
int capability_read_config(int root_fd, struct address a, uint8_t *config, size_t max);

/* Where the capability begins; 0 if there is none, or the list is broken. */
size_t capability_find(const uint8_t *config, size_t n, uint8_t id);
size_t capability_find_extended(const uint8_t *config, size_t n, uint16_t id);

/* Vectors of the MSI-X table, 0 if the function has none. */
unsigned capability_msix_vectors(const uint8_t *config, size_t n);

/* Device Serial Number as lspci prints it, "" if there is none, or only zeroes or ones. */
void capability_serial_number(const uint8_t *config, size_t n, char text[24]);
