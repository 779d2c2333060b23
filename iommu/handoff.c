/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors for the fd hand-off, ownership of the group node for the node hand-off. */

#include "iommu/handoff.h"
#include "common/macro.h"
#include "common/root.h"
#include "iommu/node.h"
#include "iommu/uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* Per process, because two VMs of one user must not share one limit (drivers/iommu/iommufd/pages.c). Only
 * while the iommufd is empty: drivers/iommu/iommufd/ioas.c:iommufd_option_rlimit_mode. */
static int open_iommufd(int root_fd, const char **step) {
        struct uapi_option option = { .size = sizeof(option),
                                      .option_id = UAPI_OPTION_RLIMIT_MODE,
                                      .op = UAPI_OPTION_SET,
                                      .value = 1 };

        *step = "opening /dev/iommu";
        _cleanup_close_ int fd = root_openf(root_fd, O_RDWR | O_NOFOLLOW, "dev/iommu");
        if (fd < 0)
                return fd;
        *step = "IOMMU_OPTION_RLIMIT_MODE";
        if (ioctl(fd, UAPI_IOMMU_OPTION, &option) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int handoff_open(int root_fd, const struct vf *vf, int *ret_iommufd, int *ret_device, enum reason *reason,
                 const char **step) {
        *ret_iommufd = *ret_device = -1;
        *reason = REASON_NO_FD_HANDOFF;
        *step = "the VF has no device node";
        if (vf->cdev < 0)
                return -EOPNOTSUPP;
        *reason = REASON_HANDOFF_FAILED;
        _cleanup_close_ int iommufd = open_iommufd(root_fd, step);
        if (iommufd < 0)
                return iommufd;
        *step = "opening the device node";
        int device = node_cdev_open(root_fd, vf);
        if (device < 0)
                return device;
        *ret_iommufd = TAKE_FD(iommufd);
        *ret_device = device;
        *reason = REASON_NONE;
        return 0;
}

static int check_owner(int fd, uid_t uid, gid_t gid, const char **step) {
        struct stat st;

        *step = "reading the owner of the group node back";
        if (fstat(fd, &st) < 0)
                return -errno;
        return st.st_uid == uid && st.st_gid == gid && (st.st_mode & 07777) == 0600 ? 0 : -EIO;
}

/* The mode first, so that nobody but the owner ever gets more than today. fchmod() refuses O_PATH: by way of
 * /proc. */
static int set_owner(int fd, uid_t uid, gid_t gid, const char **step) {
        char path[32];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        *step = "changing the mode of the group node";
        if (chmod(path, 0600) < 0)
                return -errno;
        *step = "changing the owner of the group node";
        if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
                return -errno;
        return check_owner(fd, uid, gid, step);
}

int handoff_grant(int root_fd, const struct vf *vf, uid_t uid, gid_t gid, enum reason *reason,
                  const char **step) {
        *reason = REASON_NONE;
        *step = "not a user or group";
        if (uid == (uid_t) -1 || gid == (gid_t) -1)
                return -EINVAL;
        *step = "looking for the group node";
        _cleanup_close_ int fd = node_group_path(root_fd, vf);
        if (fd < 0) {
                *reason = fd == -ENOENT ? REASON_NO_NODE_HANDOFF : REASON_HANDOFF_FAILED;
                return fd;
        }
        *reason = REASON_HANDOFF_FAILED;
        int r = set_owner(fd, uid, gid, step);
        if (r >= 0)
                *reason = REASON_NONE;
        return r;
}

int handoff_revoke(int root_fd, const struct vf *vf, enum reason *reason, const char **step) {
        *reason = REASON_NONE;
        *step = "looking for the group node";
        _cleanup_close_ int fd = node_group_path(root_fd, vf);
        if (fd == -ENOENT || fd == -ENODEV)
                return 0;
        if (fd < 0)
                return fd;
        return set_owner(fd, 0, 0, step);
}
