/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* In switchdev mode: what a VF is told by the port that stands for it. MAC and rates; VLAN, spoof check,
 * trust and link state belong to whoever sets up the switch. For the worker only, as sriov/netvf.h. */

#include "common/model.h"
#include "sriov/devlink.h"

struct devlink_vf {
        struct devlink_handle handle;
        uint32_t port;
        struct devlink_detail detail; /* what the kernel said to the last call */
};

/* The port of VF N of the PF that the handle names. -ENODEV if there is none; -EEXIST if several say that
 * they are, as on a switch that serves more than one PF. */
int devlink_vf_find(const struct devlink_handle *h, unsigned index, struct devlink_vf *ret);

/* As netvf_set(). What a port cannot be told is -EOPNOTSUPP before anything is touched. */
int devlink_vf_set(struct devlink_vf *v, const struct vf_attributes *want, enum reason *reason,
                   const char **step);

/* As a VF that nobody used: no rates, no MAC of ours. What the driver does not have, nobody has set. */
int devlink_vf_baseline(struct devlink_vf *v, enum reason *reason, const char **step);
