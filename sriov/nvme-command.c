/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The controller's node, and ioctls on it. */

#include "sriov/nvme-command.h"
#include "common/macro.h"
#include "common/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define CONTROLLERS     "sys/bus/pci/devices/%s/nvme"
#define RESET_LOOK_USEC 10000U
#define RESET_LOOKS     3000U /* 30 s, as long as a controller may take to get ready in most cases (CAP.TO) */

/* "nvme0"; a PCI function is one controller. */
static int find_name(int root_fd, struct address pf, char name[32]) {
        _cleanup_closedir_ DIR *d = root_opendir(root_fd, CONTROLLERS, ADDRESS_STR(pf));
        struct dirent *e;

        if (!d)
                return errno == ENOENT ? -ENODEV : -errno;
        while ((e = readdir(d)))
                if (strncmp(e->d_name, "nvme", 4) == 0 && strlen(e->d_name) < 32) {
                        memcpy(name, e->d_name, strlen(e->d_name) + 1);
                        return 0;
                }
        return -ENODEV;
}

int nvme_open(int root_fd, struct address pf) {
        char name[32], dev[32];
        unsigned major, minor;
        struct stat st;

        int r = find_name(root_fd, pf, name);
        if (r >= 0)
                r = root_read(root_fd, dev, sizeof(dev), CONTROLLERS "/%s/dev", ADDRESS_STR(pf), name);
        if (r < 0)
                return r == -ENOENT ? -ENODEV : r;
        _cleanup_close_ int fd = root_openf(root_fd, O_RDWR, "dev/%s", name);
        if (fd < 0) /* its node goes before its directory does, and says nothing of namespaces */
                return fd == -ENOENT || fd == -ENXIO ? -ENODEV : fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        /* Names are reused: what was opened must be what sysfs shows below the PF */
        if (sscanf(dev, "%u:%u", &major, &minor) != 2 || !S_ISCHR(st.st_mode) ||
            st.st_rdev != makedev(major, minor))
                return -ENODEV;
        return TAKE_FD(fd);
}

bool nvme_is_leaving(int root_fd, struct address pf) {
        char name[32], state[32];

        if (find_name(root_fd, pf, name) < 0)
                return true;
        /* drivers/nvme/host/sysfs.c:nvme_sysfs_show_state */
        int r = root_read(root_fd, state, sizeof(state), CONTROLLERS "/%s/state", ADDRESS_STR(pf), name);
        return r >= 0 && (strncmp(state, "deleting", 8) == 0 || strcmp(state, "dead") == 0);
}

int nvme_submit(int fd, struct nvme_command *c) {
        struct nvme_admin_cmd cmd = {
                .opcode = c->opcode,
                .nsid = c->nsid,
                .addr = (uint64_t) (uintptr_t) c->data,
                .data_len = c->data ? c->size : 0,
                .cdw10 = c->cdw10,
                .cdw11 = c->cdw11,
                .timeout_ms = c->timeout_ms,
        };

        int r = ioctl(fd, NVME_IOCTL_ADMIN_CMD, &cmd);
        if (r < 0)
                return -errno;
        c->result = cmd.result;
        return r;
}

int nvme_reset(int fd) {
        return ioctl(fd, NVME_IOCTL_RESET) < 0 ? -errno : 0;
}

/* The driver initializes the controller anew after the write has returned
 * (drivers/nvme/host/pci.c:nvme_reset_done). */
int nvme_reset_function(int root_fd, struct address pf) {
        char name[32], state[32] = "";

        int r = find_name(root_fd, pf, name);
        if (r >= 0)
                r = root_write(root_fd, "1", "sys/bus/pci/devices/%s/reset", ADDRESS_STR(pf));
        for (unsigned i = 0; r >= 0 && strcmp(state, "live") != 0; i++) {
                if (i == RESET_LOOKS)
                        return -ETIMEDOUT;
                usleep(RESET_LOOK_USEC);
                r = root_read(root_fd, state, sizeof(state), CONTROLLERS "/%s/state", ADDRESS_STR(pf), name);
        }
        return r;
}
