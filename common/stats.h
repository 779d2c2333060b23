/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a VF of a network function has received and sent: the counters of IFLA_VF_STATS (<linux/if_link.h>),
 * as its PF's driver counts them. */

#include <stdint.h>

#define VF_COUNTERS(X)                                                                                       \
        X(RX_PACKETS, "rx_packets")                                                                          \
        X(TX_PACKETS, "tx_packets")                                                                          \
        X(RX_BYTES, "rx_bytes")                                                                              \
        X(TX_BYTES, "tx_bytes")                                                                              \
        X(BROADCAST, "broadcast")                                                                            \
        X(MULTICAST, "multicast")                                                                            \
        X(RX_DROPPED, "rx_dropped")                                                                          \
        X(TX_DROPPED, "tx_dropped")

enum vf_counter {
#define X(code, name) COUNTER_##code,
        VF_COUNTERS(X)
#undef X
                        _COUNTER_MAX,
};

struct vf_counters {
        uint64_t value[_COUNTER_MAX];
};

/* Of the VF with this index of some PF. */
struct vf_statistics {
        uint32_t index; /* N of virtfnN */
        uint32_t unused;
        struct vf_counters counters;
};

static inline const char *vf_counter_name(enum vf_counter c) {
        static const char *const names[] = {
#define X(code, name) name,
                VF_COUNTERS(X)
#undef X
        };
        return c < _COUNTER_MAX ? names[c] : "unknown";
}
