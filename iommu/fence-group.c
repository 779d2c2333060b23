/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fence by VFIO group and container. */

#include "common/macro.h"
#include "common/root.h"
#include "iommu/fence.h"
#include "iommu/node.h"
#include "iommu/uapi.h"

#include <errno.h>
#include <fcntl.h>

/* drivers/vfio/group.c: a group is viable if no host driver owns any device of it. */
static int check_viable(int group, enum reason *reason, const char **step) {
        struct vfio_group_status status = { .argsz = sizeof(status) };

        *step = "VFIO_GROUP_GET_STATUS";
        if (ioctl(group, VFIO_GROUP_GET_STATUS, &status) < 0)
                return -errno;
        *step = "a host driver owns a device of the group";
        *reason = REASON_SHARED_GROUP;
        if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
                return -EPERM;
        *reason = REASON_FENCE_FAILED;
        return 0;
}

static int attach(int group, int container, enum reason *reason, const char **step) {
        *step = "VFIO_GROUP_SET_CONTAINER";
        if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0)
                return -errno;
        *step = "VFIO_SET_IOMMU";
        if (ioctl(container, VFIO_SET_IOMMU, (unsigned long) VFIO_TYPE1v2_IOMMU) >= 0)
                return 0;
        if (errno == EINVAL || errno == ENODEV || errno == ENOTTY)
                if (ioctl(container, VFIO_SET_IOMMU, (unsigned long) VFIO_TYPE1_IOMMU) >= 0)
                        return 0;
        int r = -errno;
        if (r == -EPERM) /* drivers/vfio/vfio_iommu_type1.c: no interrupt remapping */
                *reason = REASON_NO_MSI_ISOLATION;
        return r;
}

static int group_take(int root_fd, const struct vf *vf, int *ret_fd, enum reason *reason, const char **step) {
        *step = "opening the group node";
        _cleanup_close_ int group = node_group_open(root_fd, vf);
        if (group == -EBUSY)
                *reason = REASON_HELD;
        if (group < 0)
                return group;
        int r = check_viable(group, reason, step);
        if (r < 0)
                return r;
        *step = "opening /dev/vfio/vfio";
        _cleanup_close_ int container = root_openf(root_fd, O_RDWR | O_NOFOLLOW, "dev/vfio/vfio");
        if (container < 0)
                return container;
        r = attach(group, container, reason, step);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(group);
        return 0;
}

static int group_check(int root_fd, const struct vf *vf, int fd) {
        dev_t number;
        int r = node_group_number(root_fd, vf, &number);

        if (r < 0)
                return r;
        return node_is(fd, number) ? 0 : -EBADF;
}

/* The open itself resets the function, and fails with EAGAIN if the lock is taken
 * (drivers/vfio/pci/vfio_pci_core.c: vfio_pci_core_enable). FLAGS_RESET is set only if that reset worked, and
 * VFIO_DEVICE_RESET would be refused without it. */
static int group_reset(const struct vf *vf, int fd, int *ret_hold, const char **step) {
        struct vfio_device_info info = { .argsz = sizeof(info) };
        unsigned tries = 0;
        int device;

        *step = "VFIO_GROUP_GET_DEVICE_FD";
        do
                device = ioctl(fd, VFIO_GROUP_GET_DEVICE_FD, ADDRESS_STR(vf->address));
        while (device < 0 && errno == EAGAIN && fence_pause(&tries));
        if (device < 0)
                return -errno;
        *ret_hold = device;
        *step = "VFIO_DEVICE_GET_INFO";
        if (ioctl(device, VFIO_DEVICE_GET_INFO, &info) < 0)
                return -errno;
        *step = "the kernel could not reset the function when it was opened";
        return info.flags & VFIO_DEVICE_FLAGS_RESET ? 0 : -EIO;
}

const struct fence_backend fence_by_group = { .take = group_take,
                                              .check = group_check,
                                              .reset = group_reset };
