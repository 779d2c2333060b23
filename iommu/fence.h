/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The fence: one descriptor that keeps a VF attached to an empty I/O address space, and everybody else out.
 * Closing it takes the fence down. Effects: for the worker only, root. *step says in a few words what failed;
 * a static text. */

#include "common/model.h"

/* *ret_fd: the group fd (it pins its container: drivers/vfio/container.c) or the cdev fd (it pins its
 * iommufd: drivers/iommu/iommufd/device.c:iommufd_device_bind). -errno, with *reason REASON_HELD if somebody
 * has the VF, or what isolation is missing, or REASON_FENCE_FAILED. */
int fence_take(int root_fd, const struct vf *vf, enum backend backend, int *ret_fd, enum reason *reason,
               const char **step);

/* 0 if fd is an open file of the node that a fence of this VF would be; -EBADF if not. */
int fence_check(int root_fd, const struct vf *vf, enum backend backend, int fd);

/* True if a fence that was taken long ago still keeps others out. Asks the kernel, needs no privilege. */
bool fence_holds(const struct vf *vf, enum backend backend, int fd);

/* Only for fences of BACKEND_IOMMUFD, which the kernel waits for when the function is unplugged or unbound:
 * from now on it signals this eventfd when it wants the fence to be dropped, and again every 10 s. A group
 * fence is not waited for. drivers/vfio/vfio_main.c:vfio_unregister_group_dev. -EBADF if fence_fd is not the
 * fence of this VF. */
int fence_listen(int root_fd, const struct vf *vf, int fence_fd, int eventfd, const char **step);

struct fence_backend {
        int (*take)(int root_fd, const struct vf *vf, int *ret_fd, enum reason *reason, const char **step);
        int (*check)(int root_fd, const struct vf *vf, int fd);
        /* Resets the fenced function; 0 only if the kernel says that the reset worked. Leaves *ret_hold, -1
         * or an fd to be closed after the result was read back. */
        int (*reset)(const struct vf *vf, int fd, int *ret_hold, const char **step);
};

extern const struct fence_backend fence_by_group, fence_by_iommufd;
const struct fence_backend *fence_backend_of(enum backend backend); /* NULL for BACKEND_NONE */

/* A device that somebody looks at just now answers EAGAIN or EBUSY to what needs its lock: pauses, false
 * after 1 s in all. */
bool fence_pause(unsigned *tries);
