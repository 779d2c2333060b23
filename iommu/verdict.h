/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The isolation verdict, design.md section 4. Pure. */

#include "common/model.h"
#include "iommu/host.h"

/* REASON_NONE if the facts show that the VF is isolated, else the most fundamental reason why not. What
 * cannot be shown is not isolated. MSI isolation is not here: only taking the fence shows it. */
enum reason verdict_of(const struct vf *vf, const struct iommu_host *host);
