/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The device nodes of a VF, never trusted by name: a node is used only if it is the character device whose
 * number sysfs shows. All return an fd or -errno; -ENXIO if something else stands in its place. */

#include "common/model.h"

#include <stdbool.h>
#include <sys/types.h>

/* Device number of the group node or of the cdev, from sysfs. 0 or -errno. */
int node_group_number(int root_fd, const struct vf *vf, dev_t *ret);
int node_cdev_number(int root_fd, const struct vf *vf, dev_t *ret);

/* The node itself (O_PATH), or opened read-write. */
int node_group_path(int root_fd, const struct vf *vf);
int node_group_open(int root_fd, const struct vf *vf);
int node_cdev_open(int root_fd, const struct vf *vf);

/* True if fd is an open file of that device number. */
bool node_is(int fd, dev_t number);
