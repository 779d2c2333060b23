/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statistics of a VF, read strictly, and as lines for people. */

#include "cli/statistics.h"
#include "cli/table.h"
#include "cli/verb.h"

#include <errno.h>
#include <string.h>

static int read_counters(json_t *v, struct vf_counters *ret) {
        struct counters_record c = { 0 };
        int r = record_counters(v, &c);

        for (unsigned i = 0; r >= 0 && i < _COUNTER_MAX; i++) {
                if (c.value[i] < 0)
                        return -EPROTO;
                ret->value[i] = (uint64_t) c.value[i];
        }
        return r;
}

int statistics_read(json_t *v, struct sample *ret) {
        struct statistics_record s = { 0 };
        int r = record_statistics(v, &s);

        if (r < 0)
                return r;
        *ret = (struct sample){
                .address = s.address,
                .pf = s.pf,
                .lease = s.lease,
                .tenant = s.tenant,
                .vm = s.vm,
                .unknown = strcmp(s.known, "unknown") == 0,
                .counted = s.counters != NULL && s.read > 0,
                .read = s.read > 0 ? (uint64_t) s.read : 0,
        };
        return ret->counted ? read_counters(s.counters, &ret->counters) : 0;
}

int print_statistics(json_t *v) {
        struct sample s;

        if (statistics_read(v, &s) < 0)
                return EXIT_FAILED;
        const uint64_t *c = s.counters.value;
        if (!s.counted) {
                printf("  traffic:   %s\n", s.unknown ? "unknown" : "-");
                return 0;
        }
#define N(counter) ((unsigned long long) c[COUNTER_##counter])
        printf("  received:  %llu packets, %llu bytes, %llu multicast, %llu broadcast, %llu dropped\n",
               N(RX_PACKETS), N(RX_BYTES), N(MULTICAST), N(BROADCAST), N(RX_DROPPED));
        printf("  sent:      %llu packets, %llu bytes, %llu dropped\n", N(TX_PACKETS), N(TX_BYTES),
               N(TX_DROPPED));
#undef N
        return 0;
}
