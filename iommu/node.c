/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening /dev/vfio nodes. */

#include "iommu/node.h"
#include "common/macro.h"
#include "common/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* "239:4" */
static int parse_number(const char *text, dev_t *ret) {
        unsigned major, minor;
        char extra;

        if (sscanf(text, "%u:%u%c", &major, &minor, &extra) != 2)
                return -EINVAL;
        *ret = makedev(major, minor);
        return 0;
}

int node_group_number(int root_fd, const struct vf *vf, dev_t *ret) {
        char text[32];

        if (vf->group < 0)
                return -ENODEV;
        int r = root_read(root_fd, text, sizeof(text), "sys/class/vfio/%d/dev", vf->group);
        return r < 0 ? r : parse_number(text, ret);
}

int node_cdev_number(int root_fd, const struct vf *vf, dev_t *ret) {
        char text[32];

        if (vf->cdev < 0)
                return -ENODEV;
        int r = root_read(root_fd, text, sizeof(text), "sys/bus/pci/devices/%s/vfio-dev/vfio%d/dev",
                          ADDRESS_STR(vf->address), vf->cdev);
        return r < 0 ? r : parse_number(text, ret);
}

bool node_is(int fd, dev_t number) {
        struct stat st;

        return fstat(fd, &st) >= 0 && S_ISCHR(st.st_mode) && st.st_rdev == number;
}

/* Looked at before it is opened: opening a device may have effects. */
static int reopen(int path_fd) {
        char path[32];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int node_group_path(int root_fd, const struct vf *vf) {
        dev_t number;
        int r = node_group_number(root_fd, vf, &number);

        if (r < 0)
                return r;
        _cleanup_close_ int fd = root_openf(root_fd, O_PATH | O_NOFOLLOW, "dev/vfio/%d", vf->group);
        if (fd < 0)
                return fd;
        return node_is(fd, number) ? TAKE_FD(fd) : -ENXIO;
}

int node_group_open(int root_fd, const struct vf *vf) {
        _cleanup_close_ int fd = node_group_path(root_fd, vf);

        return fd < 0 ? fd : reopen(fd);
}

int node_cdev_open(int root_fd, const struct vf *vf) {
        dev_t number;
        int r = node_cdev_number(root_fd, vf, &number);

        if (r < 0)
                return r;
        _cleanup_close_ int fd =
                        root_openf(root_fd, O_PATH | O_NOFOLLOW, "dev/vfio/devices/vfio%d", vf->cdev);
        if (fd < 0)
                return fd;
        return node_is(fd, number) ? reopen(fd) : -ENXIO;
}
