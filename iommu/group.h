/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The IOMMU group of a VF, as sysfs shows it. Reading only, no privilege. */

#include "common/model.h"

/* Fills group, group_devices, group_type, noiommu, direct_region and cdev of vf. Having no group is a fact,
 * not an error: group is GROUP_NONE. -ENODEV if the VF is gone; another -errno if the machine failed; then
 * group is GROUP_UNREADABLE. */
int group_read(int root_fd, struct vf *vf);

/* Calls each for every PCI function of a group, in no order. 0 or -errno. */
int group_members(int root_fd, int group, void (*each)(struct address a, void *userdata), void *userdata);
