/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Statuses of NVMe commands by name. Pure. */

#include <stdbool.h>

#define NVME_STATUS_INVALID_FIELD     0x002U
#define NVME_STATUS_INVALID_NAMESPACE 0x00bU
#define NVME_STATUS_NO_CAPACITY       0x115U
#define NVME_STATUS_NO_NSID           0x116U
#define NVME_STATUS_RESOURCES         0x121U
#define NVME_STATUS_CAPACITY          0x126U

/* Type and code, without "do not retry", "more" and the delay: what the kernel returns has them (bits 11 to
 * 14 of the status field, figure 92). */
static inline unsigned nvme_status_code(int status) {
        return (unsigned) status & 0x7ffU;
}

/* The command did not get there, or its answer did not come back. The kernel says so of what it holds when a
 * card goes (include/linux/nvme.h: NVME_SC_HOST_PATH_ERROR, NVME_SC_HOST_ABORTED_CMD). */
static inline bool nvme_is_path_error(int status) {
        return status > 0 && nvme_status_code(status) >> 8 == 3;
}

/* There is no space, or no number, for another namespace. */
static inline bool nvme_is_no_room(int status) {
        unsigned code = status > 0 ? nvme_status_code(status) : 0;

        return code == NVME_STATUS_NO_CAPACITY || code == NVME_STATUS_NO_NSID || code == NVME_STATUS_CAPACITY;
}

/* "Invalid Number of Controller Resources"; never NULL. */
const char *nvme_status_name(int status);
