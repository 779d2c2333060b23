/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What is done to an NVMe PF, its secondary controllers and its namespaces. Each of these reads the state
 * first, refuses what cannot be (sriov/nvme-rules.h), does it, and reads back. Any of them may be done again
 * after it was cut off anywhere. For the worker: blocking, root. */

#include "common/address.h"
#include "common/nvme.h"
#include "common/reason.h"

struct nvme_admin {
        int root_fd;
        struct address pf;
        unsigned vf, n_vfs; /* number of the VF that it is about, from 1; how many the PF has */
        int fd;             /* of the controller, -1 at first */
        struct nvme_state state;
        const struct nvme_secondary *secondary; /* of the VF; NULL: the controller does not tell */
        enum reason reason;
        char detail[128]; /* what failed */
};

#define NVME_ADMIN_INIT(root, address)                                                                       \
        { .root_fd = (root), .pf = (address), .fd = -1 }
void nvme_admin_done(struct nvme_admin *a);

/* The parts of them. The state, with the secondary of the VF; what a command ended with as -errno. */
int nvme_admin_read(struct nvme_admin *a);
int nvme_admin_failed(struct nvme_admin *a, int status, enum reason reason, const char *step);

/* All return 0 or -errno, with reason and detail. */
int nvme_admin_state(struct nvme_admin *a); /* reads all of it into a->state */
int nvme_admin_primary(struct nvme_admin *a, uint64_t queues, uint64_t interrupts);
int nvme_admin_offline(struct nvme_admin *a);
/* *queues, *interrupts: 0 an even share; what it has got. */
int nvme_admin_online(struct nvme_admin *a, uint64_t *queues, uint64_t *interrupts);
int nvme_admin_create(struct nvme_admin *a, uint64_t bytes, uint64_t *ret_nsid);
int nvme_admin_attach(struct nvme_admin *a, uint64_t nsid, bool exclusive);
int nvme_admin_detach(struct nvme_admin *a, uint64_t nsid, uint64_t *ret_n); /* nsid 0: all */
int nvme_admin_erase(struct nvme_admin *a, uint64_t nsid, enum nvme_erase how);
