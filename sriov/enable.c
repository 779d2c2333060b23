/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov_drivers_autoprobe and sriov_numvfs. */

#include "sriov/enable.h"
#include "common/root.h"

#include <errno.h>

#define DEVICE "sys/bus/pci/devices/%s/"

int enable_autoprobe(int root_fd, struct address pf, bool on, const char **step) {
        uint64_t now;

        *step = "writing sriov_drivers_autoprobe";
        int r = root_write(root_fd, on ? "1" : "0", DEVICE "sriov_drivers_autoprobe", ADDRESS_STR(pf));
        if (r < 0)
                return r;
        *step = "reading sriov_drivers_autoprobe back";
        r = root_read_u64(root_fd, &now, DEVICE "sriov_drivers_autoprobe", ADDRESS_STR(pf));
        if (r < 0)
                return r;
        return (now != 0) == on ? 0 : -EIO;
}

/* drivers/pci/iov.c:sriov_numvfs_store, sriov_enable */
static enum reason reason_of(int error) {
        switch (-error) {
        case EBUSY:
                return REASON_NUMVFS_BUSY;
        case ENOMEM:
                return REASON_NUMVFS_NO_ROOM;
        case ENOENT:
                return REASON_NUMVFS_NO_DRIVER;
        case ERANGE:
                return REASON_NUMVFS_RANGE;
        default:
                return REASON_NUMVFS_FAILED;
        }
}

int enable_numvfs(int root_fd, struct address pf, unsigned count, unsigned *ret_count, enum reason *reason,
                  const char **step) {
        char text[16];
        uint64_t now = 0;

        snprintf(text, sizeof(text), "%u", count);
        *reason = REASON_NONE;
        *ret_count = 0;
        int r = root_write(root_fd, text, DEVICE "sriov_numvfs", ADDRESS_STR(pf));
        int e = root_read_u64(root_fd, &now, DEVICE "sriov_numvfs", ADDRESS_STR(pf));
        if (e >= 0)
                *ret_count = (unsigned) now;
        *step = r < 0 ? "writing sriov_numvfs" : "reading sriov_numvfs back";
        if (r >= 0)
                r = e;
        if (r < 0)
                *reason = reason_of(r);
        return r;
}
