/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Reads the state of an NVMe controller: some Identify commands, four for each namespace, one log page. For
 * the worker. */

#include "common/nvme.h"

#include <stddef.h>

/* Into *state, which is empty at first and is freed by the caller in any case. 0; -errno; or, positive, the
 * status of the command that *step names. What is only to be shown is left out where the device does not
 * tell. */
int nvme_read_state(int fd, struct nvme_state *state, const char **step);

/* Identify: one page about the namespace, or with NSID 0 or a controller (see the CNS). As above. */
#define NVME_CNS_NAMESPACE           0x00U
#define NVME_CNS_ALLOCATED_NAMESPACE 0x11U
int nvme_read_page(int fd, unsigned cns, uint32_t nsid, uint16_t controller, void *page);
