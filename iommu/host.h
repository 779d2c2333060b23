/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What this kernel offers for keeping VFs apart. Reading only, no privilege; modules come late, so it is read
 * again and again. Needs /proc/devices (no ProcSubset=pid) to tell a kernel with device nodes from one
 * without. */

#include "common/model.h"

#include <stdbool.h>

#define SWITCH_MAX 12 /* "Y", "N", "unreadable"; "" if the module is not loaded or has no such parameter */

struct iommu_host {
        bool group_nodes;       /* /dev/vfio/<group> */
        bool container;         /* /dev/vfio/vfio */
        bool iommufd;           /* /dev/iommu */
        bool cdev;              /* /dev/vfio/devices/vfioX */
        bool unsafe_interrupts; /* allow_unsafe_interrupts is on, or cannot be read */
        bool noiommu_mode;      /* vfio enable_unsafe_noiommu_mode is on */
        bool acs_override;      /* pcie_acs_override is on the kernel command line, or that cannot be read */
        char type1_interrupts[SWITCH_MAX], iommufd_interrupts[SWITCH_MAX]; /* what the switches say */
};

/* 0, or -errno if something is there but cannot be read; *ret then errs to the safe side. */
int host_read(int root_fd, struct iommu_host *ret);

/* Only what can change at any time, the parameters of modules: leaves the rest of *h alone. */
int host_read_switches(int root_fd, struct iommu_host *h);

/* How idle VFs are fenced: by group and container if there are, because that costs no reset and does not hold
 * up an unbind. */
enum backend host_fence_backend(const struct iommu_host *host);
