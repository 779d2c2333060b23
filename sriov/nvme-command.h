/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Admin commands to an NVMe controller by way of its driver (drivers/nvme/host/ioctl.c). For the worker:
 * root, and CAP_SYS_ADMIN for all but Identify (nvme_cmd_allowed). */

#include "common/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NVME_OPCODE_LOG_PAGE   0x02U
#define NVME_OPCODE_IDENTIFY   0x06U
#define NVME_OPCODE_NAMESPACE  0x0dU /* Namespace Management */
#define NVME_OPCODE_ATTACHMENT 0x15U /* Namespace Attachment */
#define NVME_OPCODE_VIRTUALIZE 0x1cU /* Virtualization Management */
#define NVME_OPCODE_FORMAT     0x80U

struct nvme_command {
        uint8_t opcode;
        uint32_t nsid;
        uint32_t cdw10, cdw11;
        void *data; /* size bytes, there or back as the opcode says; NULL none */
        uint32_t size;
        uint32_t timeout_ms; /* 0: the driver's own limit, 60 s unless nvme_core.admin_timeout says otherwise.
                              * After it the driver resets the controller, which takes those of all VFs
                              * offline: no limit of ours that is shorter
                              * (drivers/nvme/host/pci.c:nvme_timeout) */
        uint32_t result;     /* DW0 of the completion */
};

/* The controller of a PF that its driver has. -ENODEV: it has none, or another driver. The descriptor is the
 * caller's. */
int nvme_open(int root_fd, struct address pf);

/* The PF has no controller any more, or its driver gives it up. */
bool nvme_is_leaving(int root_fd, struct address pf);

/* 0; -errno; or, positive, the status that it ended with (sriov/nvme-status.h). */
int nvme_submit(int fd, struct nvme_command *c);

/* Controller reset; returns when it is live again. 0 or -errno. */
int nvme_reset(int fd);

/* The same by a reset of the function, which its VFs do not survive. */
int nvme_reset_function(int root_fd, struct address pf);
