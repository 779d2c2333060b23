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
static const char *const function_states[_FUNCTION_STATE_MAX] = { "active", "inactive" };
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

const char *function_state_to_string(enum function_state s) {
        return (unsigned) s < _FUNCTION_STATE_MAX ? function_states[s] : "unknown";
}

enum function_state function_state_from_string(const char *s) {
        unsigned i = 0;

        while (i < _FUNCTION_STATE_MAX && strcmp(function_states[i], s) != 0)
                i++;
        return (enum function_state) i;
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

static const char *const names[] = { "mac",   "vlan",       "min_tx_mbps", "max_tx_mbps", "spoof_check",
                                     "trust", "link_state", "rss_query",   "max_io_eqs",  "function_state" };

const char *attribute_name(uint32_t bit) {
        for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
                if (bit == 1U << i)
                        return names[i];
        return "unknown";
}

uint32_t attribute_from_name(const char *name) {
        for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
                if (strcmp(names[i], name) == 0)
                        return 1U << i;
        return 0;
}

const char *attributes_names(uint32_t set, char buf[ATTRIBUTES_STR_MAX]) {
        size_t n = 0;

        buf[0] = '\0';
        for (unsigned i = 0; i < ARRAY_SIZE(names) && n < ATTRIBUTES_STR_MAX; i++)
                if (set & 1U << i)
                        n += (size_t) snprintf(buf + n, ATTRIBUTES_STR_MAX - n, "%s%s", n > 0 ? ", " : "",
                                               names[i]);
        return buf;
}

static bool vlan_differs(const struct vf_attributes *a, const struct vf_attributes *b) {
        return a->vlan != b->vlan ||
               (a->vlan && (a->vlan_qos != b->vlan_qos || a->vlan_protocol != b->vlan_protocol));
}

uint32_t attributes_difference(const struct vf_attributes *want, const struct vf_attributes *now) {
        uint32_t d = want->set & ~now->set;

        d |= mac_to_number(want->mac) != mac_to_number(now->mac) ? ATTR_MAC : 0;
        d |= vlan_differs(want, now) ? ATTR_VLAN : 0;
        d |= want->min_tx_mbps != now->min_tx_mbps ? ATTR_MIN_TX : 0;
        d |= want->max_tx_mbps != now->max_tx_mbps ? ATTR_MAX_TX : 0;
        d |= want->spoof_check != now->spoof_check ? ATTR_SPOOF_CHECK : 0;
        d |= want->trust != now->trust ? ATTR_TRUST : 0;
        d |= want->link_state != now->link_state ? ATTR_LINK_STATE : 0;
        d |= want->rss_query != now->rss_query ? ATTR_RSS_QUERY : 0;
        d |= want->max_io_eqs != now->max_io_eqs ? ATTR_MAX_IO_EQS : 0;
        d |= want->function_state != now->function_state ? ATTR_FUNCTION_STATE : 0;
        return d & want->set;
}

uint32_t attributes_harmless(const struct vf_attributes *a) {
        uint32_t h = 0;

        h |= a->vlan == 0 ? ATTR_VLAN : 0;
        h |= a->min_tx_mbps == 0 ? ATTR_MIN_TX : 0;
        h |= a->max_tx_mbps == 0 ? ATTR_MAX_TX : 0;
        h |= !a->trust ? ATTR_TRUST : 0;
        h |= a->link_state == LINK_STATE_AUTO ? ATTR_LINK_STATE : 0;
        h |= !a->rss_query ? ATTR_RSS_QUERY : 0;
        h |= a->max_io_eqs == 0 ? ATTR_MAX_IO_EQS : 0;
        h |= a->function_state == FUNCTION_STATE_ACTIVE ? ATTR_FUNCTION_STATE : 0;
        return h & a->set;
}

struct vf_attributes attributes_overlay(const struct vf_attributes *base, const struct vf_attributes *over) {
        struct vf_attributes r = *base;

        r.set |= over->set;
        if (over->set & ATTR_MAC)
                r.mac = over->mac;
        if (over->set & ATTR_VLAN) {
                r.vlan = over->vlan;
                r.vlan_qos = over->vlan_qos;
                r.vlan_protocol = over->vlan_protocol;
        }
        if (over->set & ATTR_MIN_TX)
                r.min_tx_mbps = over->min_tx_mbps;
        if (over->set & ATTR_MAX_TX)
                r.max_tx_mbps = over->max_tx_mbps;
        if (over->set & ATTR_SPOOF_CHECK)
                r.spoof_check = over->spoof_check;
        if (over->set & ATTR_TRUST)
                r.trust = over->trust;
        if (over->set & ATTR_LINK_STATE)
                r.link_state = over->link_state;
        if (over->set & ATTR_RSS_QUERY)
                r.rss_query = over->rss_query;
        if (over->set & ATTR_MAX_IO_EQS)
                r.max_io_eqs = over->max_io_eqs;
        if (over->set & ATTR_FUNCTION_STATE)
                r.function_state = over->function_state;
        return r;
}
