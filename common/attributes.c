/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attributes of network VFs: their names and values as text. */

#include "common/attributes.h"
#include "common/macro.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

uint64_t mac_to_number(struct mac m) {
        uint64_t n = 0;

        for (unsigned i = 0; i < sizeof(m.byte); i++)
                n = n << 8 | m.byte[i];
        return n;
}

struct mac mac_from_number(uint64_t n) {
        struct mac m;

        for (unsigned i = 0; i < sizeof(m.byte); i++)
                m.byte[i] = (uint8_t) (n >> (8 * (sizeof(m.byte) - 1 - i)));
        return m;
}

static int hex_digit(char c) {
        return c >= '0' && c <= '9'   ? c - '0'
               : c >= 'a' && c <= 'f' ? c - 'a' + 10
               : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                      : -1;
}

int mac_parse(const char *s, struct mac *ret) {
        struct mac m;

        if (strlen(s) != MAC_STR_MAX - 1)
                return -EINVAL;
        for (unsigned i = 0; i < sizeof(m.byte); i++) {
                int high = hex_digit(s[3 * i]), low = hex_digit(s[3 * i + 1]);

                if (high < 0 || low < 0 || s[3 * i + 2] != (i == sizeof(m.byte) - 1 ? '\0' : ':'))
                        return -EINVAL;
                m.byte[i] = (uint8_t) (high << 4 | low);
        }
        *ret = m;
        return 0;
}

const char *mac_format(struct mac m, char buf[MAC_STR_MAX]) {
        snprintf(buf, MAC_STR_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", m.byte[0], m.byte[1], m.byte[2],
                 m.byte[3], m.byte[4], m.byte[5]);
        return buf;
}

bool mac_is_unicast(struct mac m) {
        return !(m.byte[0] & 1) && mac_to_number(m) != 0;
}

static const char *const link_states[_LINK_STATE_MAX] = { "auto", "enable", "disable" };
static const char *const vlan_protocols[_VLAN_PROTOCOL_MAX] = { "802.1Q", "802.1ad" };

const char *link_state_to_string(enum link_state s) {
        return (unsigned) s < _LINK_STATE_MAX ? link_states[s] : "unknown";
}

enum link_state link_state_from_string(const char *s) {
        unsigned i = 0;

        while (i < _LINK_STATE_MAX && strcmp(link_states[i], s) != 0)
                i++;
        return (enum link_state) i;
}

const char *vlan_protocol_to_string(enum vlan_protocol p) {
        return (unsigned) p < _VLAN_PROTOCOL_MAX ? vlan_protocols[p] : "unknown";
}

enum vlan_protocol vlan_protocol_from_string(const char *s) {
        unsigned i = 0;

        while (i < _VLAN_PROTOCOL_MAX && strcmp(vlan_protocols[i], s) != 0)
                i++;
        return (enum vlan_protocol) i;
}

const char *attribute_name(uint32_t bit) {
        static const char *const names[] = { "mac",         "vlan",  "min_tx_mbps", "max_tx_mbps",
                                             "spoof_check", "trust", "link_state" };

        for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
                if (bit == 1U << i)
                        return names[i];
        return "unknown";
}
