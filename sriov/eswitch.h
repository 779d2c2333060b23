/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The switch between the VFs of a PF: its mode, and the interfaces that stand for the VFs. For the worker:
 * asking takes CAP_NET_ADMIN and waits for the lock of the device; finding interfaces waits for that of all
 * network interfaces. Errors are -errno with *step; text has room for what the kernel said about it, and
 * *step may point there. */

#include "common/address.h"
#include "common/eswitch.h"
#include "common/limits.h"

#include <stddef.h>

#define ESWITCH_TEXT_MAX 160

/* ESWITCH_NONE where the kernel, the device or its driver has no such thing. Never ESWITCH_UNKNOWN. */
int eswitch_read(int root_fd, struct address pf, enum eswitch_mode *ret, char text[ESWITCH_TEXT_MAX],
                 const char **step);

/* ESWITCH_LEGACY or ESWITCH_SWITCHDEV; read back. -EOPNOTSUPP: there is nothing to set. */
int eswitch_write(int root_fd, struct address pf, enum eswitch_mode mode, char text[ESWITCH_TEXT_MAX],
                  const char **step);

/* names[N] of VF N, "" for one without. All are without if no interface of the PF
 * belongs to a switch, or two stand for the same VF. */
int eswitch_representors(int root_fd, struct address pf, char (*names)[IFNAME_MAX], size_t n,
                         const char **step);
