/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* In switchdev mode: what VFs are told by the ports that stand for them. MAC, rates, event queues and that
 * they are active; the rest belongs to whoever sets up the switch. For the worker only, as sriov/netvf.h. */

#include "common/net-driver.h"
#include "sriov/devlink.h"
#include "sriov/netvf-apply.h"

/* As netvf_apply(), of the VFs of PF number pf behind h. A change that wants more than a port can be told,
 * and not as a wish, is -EOPNOTSUPP before its VF is touched; one whose VF has no port is -ENODEV. *detail:
 * what the kernel said when it refused one of them last, or to be read. */
int devlink_vf_apply(const struct devlink_handle *h, uint16_t pf, struct vf_change *changes, size_t n,
                     struct devlink_detail *detail, const char **step);

/* The same against any kernel whose VFs are ports. */
int devlink_vf_apply_to(const struct netvf_kernel *kernel, struct vf_change *changes, size_t n,
                        const char **step);

/* Pure: the port of VF vf of PF number pf on this host. -ENODEV if there is none; -EEXIST if several say that
 * they are. */
int devlink_vf_find(const struct devlink_port *ports, size_t n, uint16_t pf, uint32_t vf,
                    const struct devlink_port **ret);
