/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Changing a PF. Effects: for the worker only, root, and they block (kernel-facts: the PF device lock, and
 * with numvfs the hotplug lock of the whole host). *step says in a few words what failed; a static text. */

#include "common/address.h"
#include "common/reason.h"

#include <stdbool.h>

/* sriov_drivers_autoprobe. 0 brings a PF under management: from then on no host driver gets at its new VFs.
 */
int enable_autoprobe(int root_fd, struct address pf, bool on, const char **step);

/* sriov_numvfs. *ret_count is what the kernel shows afterwards (a driver may enable fewer and call it
 * success), also after an error if it can be read. -errno of the kernel, with *reason one of REASON_NUMVFS_*.
 */
int enable_numvfs(int root_fd, struct address pf, unsigned count, unsigned *ret_count, enum reason *reason,
                  const char **step);
