/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which keys the objects of a policy file have. One table for the parser and for the test that compares it
 * with the schema, so that neither can know a key that the other does not. */

#include <stddef.h>

enum object_kind {
        OBJECT_FILE,
        OBJECT_POOL,
        OBJECT_DISK,
        OBJECT_SELECTOR,
        OBJECT_DEFAULTS,
        OBJECT_TENANT,
        OBJECT_DEFAULT_GRANT,
        OBJECT_GRANT,
        OBJECT_FAULTS,
        OBJECT_FAULT_RULE,
        _OBJECT_MAX,
};

/* The keys of a grant by number, so that a set of them is a bit mask. */
#define GRANT_KEYS(X)                                                                                        \
        X(QUOTA, "quota")                                                                                    \
        X(PF_SHARE, "pf_share")                                                                              \
        X(VLANS, "vlans")                                                                                    \
        X(VLAN_QOS, "vlan_qos")                                                                              \
        X(VLAN_PROTOCOL, "vlan_protocol")                                                                    \
        X(MIN_TX, "min_tx_mbps")                                                                             \
        X(MAX_TX, "max_tx_mbps")                                                                             \
        X(SPOOF_CHECK, "spoof_check")                                                                        \
        X(TRUST, "trust")                                                                                    \
        X(LINK_STATE, "link_state")                                                                          \
        X(RSS_QUERY, "rss_query")                                                                            \
        X(WISH, "wish")                                                                                      \
        X(MACS, "macs") /* last: "defaults" have all but this */

enum grant_key {
#define X(code, name) GRANT_##code,
        GRANT_KEYS(X)
#undef X
                        _GRANT_KEY_MAX,
};

struct object_keys {
        const char *name; /* of its definition in the schema */
        const char *const *keys;
        size_t n_keys;
        /* Keys that are known and refused: "<key>" and why. */
        const char *const *refused;
        size_t n_refused;
        const char *why;
};

extern const struct object_keys object_keys[_OBJECT_MAX];
