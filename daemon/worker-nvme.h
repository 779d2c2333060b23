/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The state of an NVMe controller in replies, at both ends of the worker link: a sealed memfd, which is
 * fd[0], with struct nvme_primary and behind it its n_secondaries, n_namespaces and n_attachments. */

#include "common/nvme.h"
#include "daemon/worker-protocol.h"

/* The worker, and the simulated one. -errno. */
int worker_nvme_seal(const struct nvme_state *state, int *ret_fd);

/* The daemon: checks all of it (limits, order, NUL-terminated strings, VF numbers up to VFS_PER_PF_MAX, NSIDs
 * not 0). -EPROTO if it is not as above; then the worker may not be believed. fd stays open. */
int worker_nvme_take(const struct worker_reply *reply, int fd, struct nvme_state *ret);
