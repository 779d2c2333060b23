/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One function on the way to the root complex, as its configuration space shows it. Pure but for the reader.
 */

#include "common/model.h"

#include <stddef.h>

/* Reads n bytes, 1, 2 or 4, of a configuration space: 0 and all of them, or -errno. */
typedef int (*config_reader)(void *userdata, size_t at, void *buf, size_t n);

/* Fills in all but h->address. HOP_READABLE only if everything that counts was read and is consistent: a
 * capability that is hidden, or a device that goes away between two reads, must not look like one without ACS
 * or with every bit on. Else nothing is filled in. */
void hop_read(config_reader read, void *userdata, struct path_hop *h);
