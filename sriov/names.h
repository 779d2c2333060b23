/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Names of device models from the PCI ID database (libpci), read at the first question. */

#include <stddef.h>
#include <stdint.h>

/* "Intel Corporation 82576 Gigabit Network Connection" into buf, cut to size; "" if the database does not
 * know it or is not installed. Returns buf. Not for several threads. */
const char *names_device(uint16_t vendor, uint16_t device, char *buf, size_t size);
