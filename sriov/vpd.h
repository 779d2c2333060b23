/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The serial number in the Vital Product Data of a PCI function (PCI Local Bus 3.0, appendix I). Pure: the
 * bytes are the card's, and cards get them wrong. */

#include "common/limits.h"

#include <stddef.h>
#include <stdint.h>

enum vpd_result {
        VPD_NONE,  /* it has none that can be trusted, whatever follows */
        VPD_MORE,  /* well-formed so far, but it ends before the answer */
        VPD_FOUND, /* serial is set */
};

/* The field SN of the first n bytes, without blanks around it. It must be printable and fit; *serial is ""
 * unless found. The checksum is not looked at: many cards have a wrong one and a right serial number. */
enum vpd_result vpd_find_serial(const uint8_t *data, size_t n, char serial[SERIAL_MAX]);
