/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reset and read-back. */

#include "iommu/scrub.h"
#include "common/macro.h"
#include "common/root.h"
#include "iommu/fence.h"
#include "iommu/leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>

static int check_silent(int root_fd, const struct vf *vf, const char **step) {
        uint8_t command[2];

        *step = "reading the command register back";
        _cleanup_close_ int fd = root_openf(root_fd, O_RDONLY, "sys/bus/pci/devices/%s/config",
                                            ADDRESS_STR(vf->address));
        if (fd < 0)
                return fd;
        ssize_t n = pread(fd, command, sizeof(command), PCI_COMMAND);
        if (n != sizeof(command))
                return n < 0 ? -errno : -EIO;
        *step = "the function does not answer after the reset";
        if (command[0] == 0xff && command[1] == 0xff)
                return -EIO;
        *step = "Bus Master is still on after the reset";
        return command[0] & PCI_COMMAND_MASTER ? -EIO : 0;
}

int scrub_vf(int root_fd, const struct vf *vf, enum backend backend, int fence_fd, enum reason *reason,
             const char **step) {
        const struct fence_backend *b = fence_backend_of(backend);
        _cleanup_close_ int hold = -1;

        *reason = REASON_NONE;
        *step = "the descriptor is not the fence of this VF";
        int r = fence_check(root_fd, vf, backend, fence_fd);
        if (r < 0 || !b)
                return r < 0 ? r : -EBADF;
        *reason = REASON_RESET_FAILED;
        r = b->reset(vf, fence_fd, &hold, step);
        if (r >= 0)
                r = check_silent(root_fd, vf, step);
        if (r >= 0)
                r = leftover_clear(root_fd, vf, hold >= 0 ? hold : fence_fd, step);
        if (r >= 0)
                *reason = REASON_NONE;
        return r;
}
