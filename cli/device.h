/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* VFs as somebody has them, for people. */

#include "cli/records.h"

/* "mac 02:52:44:00:00:01, vlan 100, at most 1000 Mbit/s"; "" if nothing is set. The caller frees. */
char *attributes_text(const struct attributes_record *a);

/* A table of LeasedVF. 0 or an exit code after a message. */
int print_leased_vfs(json_t *devices, bool legend);
