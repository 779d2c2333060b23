/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fence by VFIO device node and iommufd. */

#include "common/macro.h"
#include "common/root.h"
#include "iommu/fence.h"
#include "iommu/node.h"
#include "iommu/uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* drivers/vfio/device_cdev.c, drivers/iommu/iommufd/device.c:iommufd_device_bind. The first open resets the
 * function and answers EAGAIN while somebody else has its lock. */
static int bind_device(const struct vf *vf, int device, int iommufd, enum reason *reason, const char **step) {
        struct uapi_vfio_bind bind = { .argsz = sizeof(bind), .iommufd = iommufd };
        unsigned tries = 0;
        int r;

        *step = "VFIO_DEVICE_BIND_IOMMUFD";
        do
                r = ioctl(device, UAPI_VFIO_BIND_IOMMUFD, &bind) < 0 ? -errno : 0;
        while (r == -EAGAIN && fence_pause(&tries));
        if (r == -EBUSY || r == -EINVAL)
                *reason = REASON_HELD;
        else if (r ==
                 -EPERM) /* a host driver in the group, or interrupts: only the first needs a second device */
                *reason = vf->group_devices > 1 ? REASON_SHARED_GROUP : REASON_NO_MSI_ISOLATION;
        return r;
}

static int attach_empty(int device, int iommufd, const char **step) {
        struct uapi_ioas_alloc ioas = { .size = sizeof(ioas) };
        unsigned tries = 0;
        int r;

        *step = "IOMMU_IOAS_ALLOC";
        if (ioctl(iommufd, UAPI_IOMMU_IOAS_ALLOC, &ioas) < 0)
                return -errno;
        *step = "VFIO_DEVICE_ATTACH_IOMMUFD_PT";
        do {
                struct uapi_vfio_attach attach = { .argsz = sizeof(attach), .pt_id = ioas.out_ioas_id };

                r = ioctl(device, UAPI_VFIO_ATTACH_IOMMUFD, &attach) < 0 ? -errno : 0;
        } while ((r == -EBUSY || r == -EAGAIN) && fence_pause(&tries)); /* EBUSY: a reset is under way */
        return r;
}

static int iommufd_take(int root_fd, const struct vf *vf, int *ret_fd, enum reason *reason,
                        const char **step) {
        *step = "opening the device node";
        _cleanup_close_ int device = node_cdev_open(root_fd, vf);
        if (device < 0)
                return device;
        *step = "opening /dev/iommu";
        _cleanup_close_ int iommufd = root_openf(root_fd, O_RDWR | O_NOFOLLOW, "dev/iommu");
        if (iommufd < 0)
                return iommufd;
        int r = bind_device(vf, device, iommufd, reason, step);
        if (r >= 0)
                r = attach_empty(device, iommufd, step);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(device);
        return 0;
}

static int iommufd_check(int root_fd, const struct vf *vf, int fd) {
        dev_t number;
        int r = node_cdev_number(root_fd, vf, &number);

        if (r < 0)
                return r;
        return node_is(fd, number) ? 0 : -EBADF;
}

int fence_listen(int root_fd, const struct vf *vf, int fence_fd, int eventfd, const char **step) {
        _Alignas(struct vfio_irq_set) char buf[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
        struct vfio_irq_set *set = (struct vfio_irq_set *) buf;

        *set = (struct vfio_irq_set){ .argsz = sizeof(buf),
                                      .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
                                      .index = VFIO_PCI_REQ_IRQ_INDEX,
                                      .count = 1 };
        memcpy(buf + sizeof(*set), &(int32_t){ eventfd }, sizeof(int32_t));
        *step = "the descriptor is not the fence of this VF";
        int r = iommufd_check(root_fd, vf, fence_fd);
        if (r < 0)
                return r;
        *step = "VFIO_DEVICE_SET_IRQS for the request to release";
        return ioctl(fence_fd, VFIO_DEVICE_SET_IRQS, set) < 0 ? -errno : 0;
}

static int iommufd_reset(const struct vf *vf, int fd, int *ret_hold, const char **step) {
        unsigned tries = 0;
        int r;

        *step = "VFIO_DEVICE_RESET";
        do
                r = ioctl(fd, VFIO_DEVICE_RESET) < 0 ? -errno : 0;
        while (r == -EAGAIN && fence_pause(&tries));
        return r;
}

const struct fence_backend fence_by_iommufd = { .take = iommufd_take,
                                                .check = iommufd_check,
                                                .reset = iommufd_reset };
