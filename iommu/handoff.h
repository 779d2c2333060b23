/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Handing an unfenced VF to its owner. Effects: for the worker only, root. *step says in a few words what
 * failed; a static text. */

#include "common/model.h"

#include <sys/types.h>

/* A fresh iommufd whose locked memory counts for the process that maps, and the device node; both unbound.
 * The caller's. An opened device node holds up every unbind until it is closed everywhere. */
int handoff_open(int root_fd, const struct vf *vf, int *ret_iommufd, int *ret_device, enum reason *reason,
                 const char **step);

/* The group node to uid:gid, mode 0600, read back. -EINVAL for (uid_t) -1 or (gid_t) -1. */
int handoff_grant(int root_fd, const struct vf *vf, uid_t uid, gid_t gid, enum reason *reason,
                  const char **step);

/* The group node back to root. 0 too if this kernel or this VF has none: nobody can open what is not there.
 */
int handoff_revoke(int root_fd, const struct vf *vf, enum reason *reason, const char **step);
