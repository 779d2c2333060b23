/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /sys/kernel/iommu_groups and vfio-dev/ of a VF. */

#include "iommu/group.h"
#include "common/macro.h"
#include "common/root.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* The next entry of a directory; NULL at its end, or with errno set: a list that breaks off must not look
 * like a short one. */
static struct dirent *next_entry(DIR *d) {
        errno = 0;
        return readdir(d);
}

static int count_devices(int group_fd, unsigned *ret) {
        _cleanup_closedir_ DIR *d = root_opendir(group_fd, "devices");
        struct dirent *e;

        *ret = 0;
        if (!d)
                return -errno;
        while ((e = next_entry(d)))
                if (e->d_name[0] != '.')
                        ++*ret;
        return -errno;
}

/* vfio-dev/vfioX is there on kernels without device nodes too; only with them it has a number
 * (drivers/vfio/vfio_main.c). */
static void read_cdev(int device_fd, struct vf *vf) {
        _cleanup_closedir_ DIR *d = root_opendir(device_fd, "vfio-dev");
        struct dirent *e;
        uint64_t x;

        while (d && (e = readdir(d)))
                if (strncmp(e->d_name, "vfio", 4) == 0 && parse_u64(e->d_name + 4, 10, &x) >= 0 &&
                    x <= INT32_MAX && root_exists(device_fd, "vfio-dev/vfio%u/dev", (unsigned) x))
                        vf->cdev = (int) x;
}

/* Lines like "0x00000000fee00000 0x00000000feefffff msi". What the platform needs mapped one to one for good
 * is "direct"; "direct-relaxable" ends when somebody else takes the device over. drivers/iommu/iommu.c */
static enum tristate read_regions(int group_fd) {
        _cleanup_free_ char *text = NULL;
        char *rest = NULL;

        if (root_read_all(group_fd, "reserved_regions", 65536, &text, NULL) < 0)
                return TRI_UNKNOWN;
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                char *blank = strrchr(line, ' ');

                if (blank && strcmp(blank + 1, "direct") == 0)
                        return TRI_YES;
        }
        return TRI_NO;
}

/* No link: it has no group, unless it is the device that is not there any more. */
static int read_no_group(int root_fd, struct vf *vf) {
        if (!root_exists(root_fd, "sys/bus/pci/devices/%s", ADDRESS_STR(vf->address)))
                return -ENODEV;
        vf->group = GROUP_NONE;
        return 0;
}

static int read_noiommu(int group_fd, bool *ret) {
        char name[32];
        int r = root_read(group_fd, name, sizeof(name), "name"); /* only groups that have one */

        *ret = r >= 0 && strcmp(name, "vfio-noiommu") == 0;
        return r == -ENOENT || r == -EFBIG ? 0 : r;
}

static int read_group(int root_fd, int device_fd, struct vf *vf) {
        char name[32];
        uint64_t number;

        int r = root_link_name(device_fd, name, sizeof(name), "iommu_group");
        if (r == -ENOENT)
                return read_no_group(root_fd, vf);
        if (r >= 0)
                r = parse_u64(name, 10, &number);
        if (r >= 0 && number > INT32_MAX)
                r = -ERANGE;
        if (r < 0)
                return r;
        _cleanup_close_ int group_fd =
                        root_openf(root_fd, O_PATH | O_DIRECTORY, "sys/kernel/iommu_groups/%s", name);
        if (group_fd < 0)
                return group_fd;
        r = count_devices(group_fd, &vf->group_devices);
        if (r >= 0)
                r = read_noiommu(group_fd, &vf->noiommu);
        if (r < 0)
                return r;
        root_read(group_fd, vf->group_type, sizeof(vf->group_type), "type"); /* "" if unreadable */
        vf->direct_region = read_regions(group_fd);
        vf->group = (int) number;
        return 0;
}

int group_read(int root_fd, struct vf *vf) {
        _cleanup_close_ int fd = root_openf(root_fd, O_PATH | O_DIRECTORY, "sys/bus/pci/devices/%s",
                                            ADDRESS_STR(vf->address));

        vf->group = GROUP_UNREADABLE;
        vf->group_devices = 0;
        vf->group_type[0] = '\0';
        vf->noiommu = false;
        vf->direct_region = TRI_UNKNOWN;
        vf->cdev = -1;
        if (fd < 0)
                return fd == -ENOENT ? -ENODEV : fd;
        read_cdev(fd, vf);
        int r = read_group(root_fd, fd, vf);
        return r == -ENOENT ? -ENODEV : r;
}

int group_members(int root_fd, int group, void (*each)(struct address a, void *userdata), void *userdata) {
        _cleanup_closedir_ DIR *d = root_opendir(root_fd, "sys/kernel/iommu_groups/%d/devices", group);
        struct address a;
        struct dirent *e;

        if (!d)
                return -errno;
        while ((e = next_entry(d)))
                if (address_parse(e->d_name, &a) >= 0)
                        each(a, userdata);
        return -errno;
}
