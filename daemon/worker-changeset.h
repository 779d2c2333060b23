/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A change set as it travels between daemon and worker: n struct vf_change in a sealed memfd, of which
 * neither side trusts the other's. What the kernel said beside its number when it refused one of them is the
 * detail of a reply without an error. */

#include "common/attributes.h"

/* A descriptor for worker_op.fds or a reply, the caller's; -errno. */
int changeset_write(const struct vf_change *changes, size_t n);

/* Exactly n changes, each of a known mode and with attributes that a VF can have, of different VFs in
 * ascending order below n_vfs. The caller's: free(). -EINVAL if it is anything else; -ENOMEM. */
int changeset_read(int fd, size_t n, unsigned n_vfs, struct vf_change **ret);
