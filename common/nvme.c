/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NVMe controllers as plain data. */

#include "common/nvme.h"
#include "common/macro.h"

#include <stdlib.h>

void nvme_state_done(struct nvme_state *s) {
        free(s->secondaries);
        free(s->namespaces);
        free(s->attachments);
        *s = (struct nvme_state){ 0 };
}

unsigned nvme_even_share(const struct nvme_resources *r, unsigned n_vfs) {
        if (n_vfs == 0 || r->flexible <= r->primary)
                return 0;
        unsigned share = MIN((r->flexible - r->primary) / n_vfs, r->secondary_max);
        if (r->granularity > 0 && share > r->granularity)
                share -= share % r->granularity; /* a preference only: less than one step is still a share */
        return share;
}

const char *nvme_erase_to_string(enum nvme_erase e) {
        static const char *const names[_NVME_ERASE_MAX] = {
                [NVME_ERASE_DELETE] = "delete",
                [NVME_ERASE_FORMAT] = "format",
                [NVME_ERASE_CRYPTO] = "crypto",
        };

        return (unsigned) e < _NVME_ERASE_MAX ? names[e] : "unknown";
}
