/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which processes have a VFIO descriptor of a VF: its group node, its device node, or a device descriptor
 * made from a group. What /proc does not show, a descriptor in flight in a socket, is not found; and device
 * descriptors without their group are attributed only where fdinfo names the device (Linux 6.18 and later).
 * Needs CAP_SYS_PTRACE to see every process. */

#include "common/model.h"

#include <sys/types.h>

/* Of any of these VFs, in one walk. At most max pids into pids; *ret_n is their number. This process and
 * those in except are left out. 0, or -errno if /proc cannot be read. */
int holders_find_any(int root_fd, const struct vf *const *vfs, size_t n_vfs, const pid_t *except,
                     size_t n_except, pid_t *pids, size_t max, size_t *ret_n);
int holders_find(int root_fd, const struct vf *vf, const pid_t *except, size_t n_except, pid_t *pids,
                 size_t max, size_t *ret_n);
