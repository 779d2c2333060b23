/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The default domain of a VF's group. Effects: for the worker only; needs CAP_SYS_ADMIN and CAP_SYS_RAWIO. */

#include "common/model.h"

/* Makes it "DMA" if it is "identity", and reads it back. 0 if it translates already. -errno with
 * REASON_IDENTITY_DOMAIN if the kernel refuses: a host driver or an owner is present
 * (drivers/iommu/iommu.c:iommu_group_store_type). */
int grouptype_set_dma(int root_fd, const struct vf *vf, enum reason *reason, const char **step);
