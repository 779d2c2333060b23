/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Choosing the backend of a fence. */

#include "iommu/fence.h"
#include "iommu/uapi.h"

#include <errno.h>
#include <time.h>

#define PAUSE_NSEC 20000000L
#define TRIES_MAX  50U

bool fence_pause(unsigned *tries) {
        struct timespec t = { .tv_nsec = PAUSE_NSEC };

        if (++*tries >= TRIES_MAX)
                return false;
        nanosleep(&t, NULL);
        return true;
}

const struct fence_backend *fence_backend_of(enum backend backend) {
        switch (backend) {
        case BACKEND_GROUP:
                return &fence_by_group;
        case BACKEND_IOMMUFD:
                return &fence_by_iommufd;
        case BACKEND_NONE:
        case _BACKEND_MAX:
                break;
        }
        return NULL;
}

int fence_take(int root_fd, const struct vf *vf, enum backend backend, int *ret_fd, enum reason *reason,
               const char **step) {
        const struct fence_backend *b = fence_backend_of(backend);

        *ret_fd = -1;
        *reason = REASON_NONE;
        *step = "no such backend";
        if (!b)
                return -EINVAL;
        *reason = REASON_NO_IOMMU;
        *step = "the VF has no IOMMU group";
        if (vf->group < 0)
                return -EPERM;
        *reason = REASON_NOIOMMU_GROUP;
        *step = "the group is a vfio-noiommu group";
        if (vf->noiommu)
                return -EPERM;
        *reason = REASON_FENCE_FAILED;
        int r = b->take(root_fd, vf, ret_fd, reason, step);
        if (r >= 0) {
                *reason = REASON_NONE;
                *step = "";
        }
        return r;
}

/* A device that is bound or unbound again leaves its group, and with it the container. An iommufd fence
 * blocks both. */
bool fence_holds(const struct vf *vf, enum backend backend, int fd) {
        struct vfio_group_status status = { .argsz = sizeof(status) };

        if (backend != BACKEND_GROUP)
                return true;
        if (ioctl(fd, VFIO_GROUP_GET_STATUS, &status) < 0)
                return errno !=
                       ENODEV; /* the group's last device left it; other errors: no group of the kernel's */
        return status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET;
}

int fence_check(int root_fd, const struct vf *vf, enum backend backend, int fd) {
        const struct fence_backend *b = fence_backend_of(backend);

        return b && fd >= 0 ? b->check(root_fd, vf, fd) : -EBADF;
}
