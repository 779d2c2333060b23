/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The states of a VF and what leads from one to the other: a table, nothing else.
 * tests/unit/golden/vf-states.txt shows it. */

#include "daemon/vf.h"

#define NEVER _VF_STATE_MAX

/* Indexed by event, then by state, in the order of VF_STATES:
 * absent, unmanaged, unbound, bound, ready, leasing, leased, reclaiming, quarantined, stuck */
static const enum vf_state next[_VF_EVENT_MAX][_VF_STATE_MAX] = {
        [VF_EVENT_SEEN] = { VF_UNBOUND, VF_UNBOUND, VF_UNBOUND, VF_UNBOUND, VF_UNBOUND, NEVER, NEVER, NEVER,
                            NEVER, NEVER },
        [VF_EVENT_SEEN_BOUND] = { VF_BOUND, VF_BOUND, VF_BOUND, VF_BOUND, VF_BOUND, NEVER, NEVER, NEVER,
                                  NEVER, NEVER },
        [VF_EVENT_IGNORED] = { VF_UNMANAGED, VF_UNMANAGED, VF_UNMANAGED, VF_UNMANAGED, VF_UNMANAGED, NEVER,
                               NEVER, NEVER, NEVER, NEVER },
        [VF_EVENT_FENCED] = { VF_READY, NEVER, NEVER, VF_READY, VF_READY, NEVER, NEVER, VF_READY, NEVER,
                              NEVER },
        [VF_EVENT_UNFIT] = { NEVER, NEVER, NEVER, VF_BOUND, VF_BOUND, NEVER, NEVER, VF_BOUND, NEVER, NEVER },
        [VF_EVENT_CHOSEN] = { NEVER, NEVER, NEVER, NEVER, VF_LEASING, NEVER, NEVER, NEVER, NEVER, NEVER },
        [VF_EVENT_HANDED] = { VF_LEASED, NEVER, NEVER, NEVER, NEVER, VF_LEASED, NEVER, NEVER, NEVER, NEVER },
        [VF_EVENT_ENDED] = { VF_RECLAIMING, VF_RECLAIMING, NEVER, NEVER, NEVER, VF_RECLAIMING, VF_RECLAIMING,
                             VF_RECLAIMING, NEVER, NEVER },
        [VF_EVENT_FAILED] = { VF_QUARANTINED, NEVER, VF_QUARANTINED, VF_QUARANTINED, VF_QUARANTINED, NEVER,
                              NEVER, VF_QUARANTINED, VF_QUARANTINED, VF_QUARANTINED },
        [VF_EVENT_HUNG] = { NEVER, NEVER, VF_STUCK, VF_STUCK, VF_STUCK, VF_STUCK, NEVER, VF_STUCK, VF_STUCK,
                            VF_STUCK },
        [VF_EVENT_RETURNED] = { NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER,
                                VF_RECLAIMING },
        [VF_EVENT_CLEARED] = { NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, VF_RECLAIMING, NEVER },
        [VF_EVENT_LOST] = { VF_ABSENT, VF_ABSENT, VF_ABSENT, VF_ABSENT, VF_ABSENT, VF_ABSENT, VF_ABSENT,
                            VF_ABSENT, VF_ABSENT, VF_ABSENT },
};

static const char *const names[_VF_EVENT_MAX] = {
#define X(code, name) [VF_EVENT_##code] = name,
        VF_EVENTS(X)
#undef X
};

enum vf_state vf_next(enum vf_state now, enum vf_event e) {
        return next[e][now];
}

const char *vf_event_to_string(enum vf_event e) {
        return (unsigned) e < _VF_EVENT_MAX ? names[e] : "unknown";
}
