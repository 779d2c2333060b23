/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The isolation verdict. */

#include "iommu/verdict.h"

#include <string.h>

/* Default domains in which a function that nobody owns reaches nothing: an empty page table, or none at all.
 */
static bool translates(const char *type) {
        return strcmp(type, "DMA") == 0 || strcmp(type, "DMA-FQ") == 0 || strcmp(type, "blocked") == 0;
}

enum reason verdict_of(const struct vf *vf, const struct iommu_host *host) {
        if (vf->group < 0)
                return REASON_NO_IOMMU;
        if (vf->noiommu)
                return REASON_NOIOMMU_GROUP;
        if (vf->group_devices != 1)
                return REASON_SHARED_GROUP;
        if (strcmp(vf->group_type, "identity") == 0)
                return REASON_IDENTITY_DOMAIN;
        if (!translates(vf->group_type))
                return REASON_NOT_ISOLATED;
        if (host->unsafe_interrupts)
                return REASON_UNSAFE_INTERRUPTS;
        if (!vf->resettable)
                return REASON_NO_RESET;
        return REASON_NONE;
}
