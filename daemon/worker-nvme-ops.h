/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The worker's NVMe operations: requests to sequences (sriov/nvme-admin.h), and their answers. */

#include "daemon/worker-ops.h"

static inline bool worker_is_nvme(uint32_t op) {
        return op >= WORKER_NVME_STATE && op <= WORKER_NVME_ERASE;
}

/* 0 or -errno with the reason; what failed is in detail, which has size bytes. */
int worker_nvme_operate(int root_fd, const struct worker_request *q, const struct worker_subject *s,
                        struct worker_reply *p, int *ret_fd, enum reason *reason, char *detail, size_t size);

/* Right before an NVMe PF gets VFs. 0: nothing speaks against it, or it is no such PF; -EBUSY with
 * REASON_HOST_DISK: the host uses a disk of it; -errno with the same: that cannot be known. */
int worker_nvme_check_host(int root_fd, struct address pf, enum reason *reason, char *detail, size_t size);
