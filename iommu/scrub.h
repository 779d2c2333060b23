/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Resetting a VF under its fence, through VFIO: takes the VF's own lock only, so VFs are reset side by side.
 * Never by the sysfs file reset, which works on a VF that a VM owns. Effects: for the worker only, root. */

#include "common/model.h"

/* fence_fd: the fence of vf, taken with backend; stays open. 0: the function was reset and cannot start DMA
 * (Bus Master is off, read back). -EBADF: not its fence. Else -errno with REASON_RESET_FAILED. */
int scrub_vf(int root_fd, const struct vf *vf, enum backend backend, int fence_fd, enum reason *reason,
             const char **step);
