/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /sys/kernel/iommu_groups/N/type. */

#include "iommu/grouptype.h"
#include "common/root.h"

#include <errno.h>
#include <string.h>

#define TYPE "sys/kernel/iommu_groups/%d/type"

int grouptype_set_dma(int root_fd, const struct vf *vf, enum reason *reason, const char **step) {
        char now[16];

        *reason = REASON_NO_IOMMU;
        *step = "the VF has no IOMMU group";
        if (vf->group < 0)
                return -ENOENT;
        *reason = REASON_IDENTITY_DOMAIN;
        *step = "reading the type of the group";
        int r = root_read(root_fd, now, sizeof(now), TYPE, vf->group);
        if (r < 0)
                return r;
        if (strcmp(now, "identity") != 0) {
                *reason = REASON_NONE;
                return 0;
        }
        *step = "writing the type of the group";
        r = root_write(root_fd, "DMA", TYPE, vf->group);
        if (r < 0)
                return r;
        *step = "reading the type of the group back";
        r = root_read(root_fd, now, sizeof(now), TYPE, vf->group);
        if (r >= 0 && strncmp(now, "DMA", 3) != 0)
                r = -EIO;
        if (r >= 0)
                *reason = REASON_NONE;
        return r;
}
