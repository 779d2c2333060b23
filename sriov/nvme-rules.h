/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What must hold before an NVMe controller is asked to do something: wrong amounts and owners are found here,
 * not by the device. Pure. */

#include "common/nvme.h"
#include "common/reason.h"

#include <stddef.h>

/* The secondary controller of a VF, by its number from 1; NULL: the controller has none for it. */
const struct nvme_secondary *nvme_secondary_of(const struct nvme_state *s, unsigned vf);
const struct nvme_namespace *nvme_namespace_of(const struct nvme_state *s, uint64_t nsid); /* NULL: none */
bool nvme_is_attached(const struct nvme_state *s, uint64_t nsid, uint16_t controller);
/* Another controller than `but` has it; -1: any controller counts. */
bool nvme_others_have(const struct nvme_state *s, uint64_t nsid, int but);

/* Each: 0, or -errno with the reason and a sentence in detail. */
int nvme_may_online(const struct nvme_state *s, const struct nvme_secondary *c, uint64_t queues,
                    uint64_t interrupts, enum reason *reason, char *detail, size_t size);
int nvme_may_keep(const struct nvme_state *s, uint64_t queues, uint64_t interrupts, enum reason *reason,
                  char *detail, size_t size);
int nvme_may_create(const struct nvme_state *s, uint64_t bytes, enum reason *reason, char *detail,
                    size_t size);
int nvme_may_attach(const struct nvme_state *s, const struct nvme_secondary *c, uint64_t nsid, bool exclusive,
                    enum reason *reason, char *detail, size_t size);
/* c: the secondary that may have it, or NULL. -ENOENT with REASON_NO_NAMESPACE, which nothing else ends with:
 * it is not among all those that there are, so its data are gone. */
int nvme_may_erase(const struct nvme_state *s, const struct nvme_secondary *c, uint64_t nsid,
                   enum nvme_erase how, enum reason *reason, char *detail, size_t size);
