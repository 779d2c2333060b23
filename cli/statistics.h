/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Statistics of a VF as the daemon tells them, and as lines for people. */

#include "cli/rates.h"
#include "cli/records.h"

/* The strings are the object's. 0 or -EPROTO after a message. */
int statistics_read(json_t *v, struct sample *ret);

/* The lines of 'vfctl show'. 0 or an exit code after a message. */
int print_statistics(json_t *v);
