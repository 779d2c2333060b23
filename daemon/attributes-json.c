/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attributes of a VF to JSON and back. */

#include "daemon/attributes-json.h"
#include "common/macro.h"

#include <errno.h>
#include <string.h>

static json_t *if_set(const struct vf_attributes *a, uint32_t bit, json_t *value_taken) {
        if (a->set & bit)
                return value_taken;
        json_decref(value_taken);
        return json_null();
}

json_t *attributes_json(const struct vf_attributes *a) {
        return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "mac",
                         if_set(a, ATTR_MAC, json_string(MAC_STR(a->mac))), "vlan",
                         if_set(a, ATTR_VLAN, json_integer(a->vlan)), "vlan_qos",
                         if_set(a, ATTR_VLAN, json_integer(a->vlan_qos)), "vlan_protocol",
                         if_set(a, ATTR_VLAN,
                                json_string(vlan_protocol_to_string((enum vlan_protocol) a->vlan_protocol))),
                         "min_tx_mbps", if_set(a, ATTR_MIN_TX, json_integer(a->min_tx_mbps)), "max_tx_mbps",
                         if_set(a, ATTR_MAX_TX, json_integer(a->max_tx_mbps)), "spoof_check",
                         if_set(a, ATTR_SPOOF_CHECK, json_boolean(a->spoof_check)), "trust",
                         if_set(a, ATTR_TRUST, json_boolean(a->trust)), "link_state",
                         if_set(a, ATTR_LINK_STATE,
                                json_string(link_state_to_string((enum link_state) a->link_state))),
                         "rss_query", if_set(a, ATTR_RSS_QUERY, json_boolean(a->rss_query)), "max_io_eqs",
                         if_set(a, ATTR_MAX_IO_EQS, json_integer(a->max_io_eqs)), "function_state",
                         if_set(a, ATTR_FUNCTION_STATE,
                                json_string(function_state_to_string(
                                                (enum function_state) a->function_state))));
}

/* A number from 0 to max; false if it is there and is none. */
static bool take_number(const json_t *j, const char *key, json_int_t max, uint32_t bit, uint32_t *ret,
                        struct vf_attributes *a) {
        const json_t *v = json_object_get(j, key);

        if (!v || json_is_null(v))
                return true;
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > max)
                return false;
        *ret = (uint32_t) json_integer_value(v);
        a->set |= bit;
        return true;
}

static bool take_bool(const json_t *j, const char *key, uint32_t bit, bool *ret, struct vf_attributes *a) {
        const json_t *v = json_object_get(j, key);

        if (!v || json_is_null(v))
                return true;
        *ret = json_is_true(v);
        a->set |= bit;
        return json_is_boolean(v);
}

static const char *text_of(const json_t *j, const char *key) {
        return json_string_value(json_object_get(j, key));
}

int attributes_from_json(const json_t *j, struct vf_attributes *ret, const char **bad) {
        struct vf_attributes a = { 0 };
        uint32_t vlan = 0, qos = 0;
        const char *text;

        *bad = !take_number(j, "vlan", VLAN_ID_MAX, ATTR_VLAN, &vlan, &a)                      ? "vlan"
               : !take_number(j, "vlan_qos", VLAN_QOS_MAX, 0, &qos, &a)                        ? "vlan_qos"
               : !take_number(j, "min_tx_mbps", UINT32_MAX, ATTR_MIN_TX, &a.min_tx_mbps, &a)   ? "min_tx_mbps"
               : !take_number(j, "max_tx_mbps", UINT32_MAX, ATTR_MAX_TX, &a.max_tx_mbps, &a)   ? "max_tx_mbps"
               : !take_number(j, "max_io_eqs", UINT32_MAX, ATTR_MAX_IO_EQS, &a.max_io_eqs, &a) ? "max_io_eqs"
               : !take_bool(j, "spoof_check", ATTR_SPOOF_CHECK, &a.spoof_check, &a)            ? "spoof_check"
               : !take_bool(j, "trust", ATTR_TRUST, &a.trust, &a)                              ? "trust"
               : !take_bool(j, "rss_query", ATTR_RSS_QUERY, &a.rss_query, &a)                  ? "rss_query"
                                                                                               : NULL;
        if ((text = text_of(j, "mac"))) {
                a.set |= ATTR_MAC;
                if (mac_parse(text, &a.mac) < 0 || (a.mac.byte[0] & 1))
                        *bad = "mac";
        }
        if ((text = text_of(j, "vlan_protocol"))) {
                a.vlan_protocol = (uint8_t) vlan_protocol_from_string(text);
                if (a.vlan_protocol == _VLAN_PROTOCOL_MAX)
                        *bad = "vlan_protocol";
        }
        if ((text = text_of(j, "link_state"))) {
                a.set |= ATTR_LINK_STATE;
                a.link_state = (uint8_t) link_state_from_string(text);
                if (a.link_state == _LINK_STATE_MAX)
                        *bad = "link_state";
        }
        if ((text = text_of(j, "function_state"))) {
                a.set |= ATTR_FUNCTION_STATE;
                a.function_state = (uint8_t) function_state_from_string(text);
                if (a.function_state == _FUNCTION_STATE_MAX)
                        *bad = "function_state";
        }
        a.vlan = (uint16_t) vlan;
        a.vlan_qos = (uint8_t) qos;
        if (*bad)
                return -EINVAL;
        *ret = a;
        return 0;
}
