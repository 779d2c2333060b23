/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking a PF out of placement, for maintenance. Its leases go on; idle VFs stay fenced. */

#include "common/text.h"
#include "daemon/events.h"
#include "daemon/store.h"
#include "daemon/waiting.h"

void pf_drain(struct managed_pf *p, const char *reason) {
        bool news = !p->pf.drained;

        p->pf.drained = true;
        text_copy(p->drain_reason, sizeof(p->drain_reason), reason);
        store_drained(p);
        if (!news)
                return;
        log_with(LOG_NOTICE, (&(struct log_fields){ .address = &p->pf.address }),
                 "drained, no new leases%s%s", reason[0] ? ": " : "", reason);
        events_pf(p->manager, &p->pf, "drained");
}

void pf_undrain(struct managed_pf *p) {
        if (!p->pf.drained)
                return;
        p->pf.drained = false;
        p->drain_reason[0] = '\0';
        store_drained(p);
        log_with(LOG_NOTICE, (&(struct log_fields){ .address = &p->pf.address }), "not drained any more");
        events_pf(p->manager, &p->pf, "undrained");
        waiting_soon(p->manager);
}
