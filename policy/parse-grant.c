/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Grants of a policy file: what a tenant may have of a pool, and what it inherits. */

#include "policy/parse.h"
#include "policy/value.h"

#include <stdlib.h>
#include <string.h>

#define GIVEN(key) (1U << GRANT_##key)

static bool parse_vlan(const json_t *v, struct vlan_range *ret) {
        const char *s = text_is_plain(v, 9, "") ? json_string_value(v) : NULL, *end;
        uint64_t first, last;

        if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= VLAN_ID_MAX)
                first = last = (uint64_t) json_integer_value(v);
        else if (!s || !text_number(s, VLAN_ID_MAX, &first, &end) || *end != '-' ||
                 !text_number(end + 1, VLAN_ID_MAX, &last, &end) || *end || first > last)
                return false;
        *ret = (struct vlan_range){ (uint16_t) first, (uint16_t) last };
        return true;
}

/* The first id of a range that an earlier one of the list has too, -1: none; notes the range. */
static int vlan_taken(bool taken[VLAN_ID_MAX + 1], const struct vlan_range *r) {
        int twice = -1;

        for (unsigned id = r->first; id <= r->last; id++) {
                if (taken[id] && twice < 0)
                        twice = (int) id;
                taken[id] = true;
        }
        return twice;
}

static void parse_vlans(struct context *c, const char *grant_path, json_t *grant, struct grant *g) {
        json_t *v = json_object_get(grant, "vlans"), *i;
        char path[PATH_MAX_LEN], item[PATH_MAX_LEN];
        bool taken[VLAN_ID_MAX + 1] = { false };
        size_t n;

        if (!v)
                return;
        free(TAKE_PTR(g->vlans));
        g->n_vlans = 0;
        path_join(path, grant_path, "vlans");
        if (!json_is_array(v)) {
                error_at(c, path, false, "found %s; expected an array of VLAN ids and ranges", FOUND(v));
                return;
        }
        g->vlans = calloc(json_array_size(v) + 1, sizeof(*g->vlans));
        if (!g->vlans) {
                c->no_memory = true;
                return;
        }
        json_array_foreach(v, n, i) {
                struct vlan_range *r = &g->vlans[g->n_vlans];

                path_index(item, path, n);
                if (!parse_vlan(i, r)) {
                        error_at(c, item, false,
                                 "found %s; expected a VLAN id from 0 to %u, or a range like \"100-199\"",
                                 FOUND(i), VLAN_ID_MAX);
                        continue;
                }
                g->n_vlans++;
                int twice = vlan_taken(taken, r);
                if (twice >= 0)
                        error_at(c, item, false,
                                 "found %s, but VLAN %d is in the list already; expected each VLAN once",
                                 FOUND(i), twice);
        }
}

/* NULL: good; else the end of the message. */
static const char *parse_mac_range(const json_t *v, struct mac_range *ret) {
        static const char form[] = "; expected a MAC address, or a range like \"02:52:44:00:00:00/32\"";
        const char *s = text_is_plain(v, MAC_STR_MAX + 2, "") ? json_string_value(v) : "", *end;
        const char *slash = strchr(s, '/');
        char whole[MAC_STR_MAX + 3];
        uint64_t prefix = 48;
        struct mac mac;

        snprintf(whole, sizeof(whole), "%.*s", slash ? (int) (slash - s) : (int) strlen(s), s);
        if (mac_parse(whole, &mac) < 0)
                return form;
        if (slash && (!text_number(slash + 1, 48, &prefix, &end) || *end || prefix < MAC_PREFIX_MIN))
                return "; expected 8 to 48 bits behind the '/'";
        if (!mac_is_unicast(mac))
                return ", which no interface can have; expected an address that is neither a group's nor all zero";
        *ret = (struct mac_range){ mac_to_number(mac), (uint8_t) prefix };
        if (ret->base & ((1ULL << (48 - prefix)) - 1))
                return ", which has bits set behind its prefix; expected zeros there";
        return NULL;
}

static void parse_mac_item(struct context *c, struct draft *d, const char *path, const json_t *v,
                           struct mac_place place, struct grant *g) {
        const char *wrong = parse_mac_range(v, &place.range);

        if (wrong) {
                error_at(c, path, false, "found %s%s", FOUND(v), wrong);
                return;
        }
        g->macs[g->n_macs++] = place.range;
        draft_add_mac(c, d, &place);
}

/* One range, or an array of them. */
static void parse_macs(struct context *c, struct draft *d, const char *grant_path, json_t *grant,
                       const char *pool, struct grant *g) {
        struct mac_place place = { .tenant = d->policy->n_tenants - 1, .pool = pool, .item = ITEM_ALONE };
        json_t *v = json_object_get(grant, "macs"), *i;
        char path[PATH_MAX_LEN], item[PATH_MAX_LEN];

        if (!v)
                return;
        path_join(path, grant_path, "macs");
        if (!json_is_array(v) && !json_is_string(v)) {
                error_at(c, path, false,
                         "found %s; expected a MAC address, a range, an array of them, or \"derived\"",
                         FOUND(v));
                return;
        }
        if (json_is_string(v) && strcmp(json_string_value(v), "derived") == 0) {
                g->macs_derived = true;
                return;
        }
        g->macs = calloc(json_array_size(v) + 1, sizeof(*g->macs));
        if (!g->macs) {
                c->no_memory = true;
                return;
        }
        if (json_is_string(v))
                parse_mac_item(c, d, path, v, place, g);
        json_array_foreach(v, place.item, i) {
                path_index(item, path, place.item);
                parse_mac_item(c, d, item, i, place, g);
        }
}

static void parse_rate(struct context *c, const char *path, json_t *v, const char *key, uint32_t attribute,
                       uint32_t *set, uint32_t *ret) {
        int64_t rate;

        if (!json_object_get(v, key))
                return;
        *set &= ~attribute; /* a wrong value is not made up for by an inherited one */
        if (value_int(c, path, v, key, 1, UINT32_MAX, &rate)) {
                *ret = (uint32_t) rate;
                *set |= attribute;
        }
}

static void parse_attributes(struct context *c, const char *path, json_t *v, struct vf_attributes *a) {
        static const char *const protocols[_VLAN_PROTOCOL_MAX] = { "802.1Q", "802.1ad" };
        static const char *const states[_LINK_STATE_MAX] = { "auto", "enable", "disable" };
        int64_t qos;

        if (value_int(c, path, v, "vlan_qos", 0, VLAN_QOS_MAX, &qos))
                a->vlan_qos = (uint8_t) qos;
        int protocol = value_word(c, path, v, "vlan_protocol", protocols, ARRAY_SIZE(protocols));
        if (protocol >= 0)
                a->vlan_protocol = (uint8_t) protocol;
        parse_rate(c, path, v, "min_tx_mbps", ATTR_MIN_TX, &a->set, &a->min_tx_mbps);
        parse_rate(c, path, v, "max_tx_mbps", ATTR_MAX_TX, &a->set, &a->max_tx_mbps);
        if (value_bool(c, path, v, "spoof_check", &a->spoof_check))
                a->set |= ATTR_SPOOF_CHECK;
        if (value_bool(c, path, v, "trust", &a->trust))
                a->set |= ATTR_TRUST;
        if (value_bool(c, path, v, "rss_query", &a->rss_query))
                a->set |= ATTR_RSS_QUERY;
        int link = value_word(c, path, v, "link_state", states, ARRAY_SIZE(states));
        if (link >= 0) {
                a->link_state = (uint8_t) link;
                a->set |= ATTR_LINK_STATE;
        }
}

/* Where a VLAN or a MAC is not enforced, tenants meet: these are never only wishes. */
#define WISHES (ATTR_MIN_TX | ATTR_MAX_TX | ATTR_SPOOF_CHECK | ATTR_TRUST | ATTR_LINK_STATE | ATTR_RSS_QUERY)

static void parse_wish(struct context *c, const char *grant_path, json_t *grant, uint32_t *ret) {
        json_t *v = json_object_get(grant, "wish"), *i;
        char path[PATH_MAX_LEN], item[PATH_MAX_LEN];
        size_t n;

        if (!v)
                return;
        *ret = 0;
        path_join(path, grant_path, "wish");
        if (!json_is_array(v)) {
                error_at(c, path, false, "found %s; expected an array of names of attributes", FOUND(v));
                return;
        }
        json_array_foreach(v, n, i) {
                uint32_t bit = json_is_string(i) ? attribute_from_name(json_string_value(i)) : 0;

                path_index(item, path, n);
                if (bit & WISHES)
                        *ret |= bit;
                else
                        error_at(c, item, false,
                                 "found %s; expected \"min_tx_mbps\", \"max_tx_mbps\", \"spoof_check\", \"trust\", "
                                 "\"link_state\" or \"rss_query\"",
                                 FOUND(i));
        }
}

/* Only VFs of network functions can be told anything, and only their PF can tell them. */
static void check_network_keys(struct context *c, const char *path, uint32_t given, const struct pool *pool) {
        char member[PATH_MAX_LEN];

        if (pool->class != POOL_CLASS_STORAGE && pool->assign != ASSIGN_FUNCTION)
                return;
        for (unsigned k = GRANT_VLANS; k < _GRANT_KEY_MAX; k++) {
                const char *key = object_keys[OBJECT_GRANT].keys[k];

                if (!(given & 1U << k))
                        continue;
                path_join(member, path, key);
                error_at(c, member, true,
                         "found \"%s\" for the pool \"%s\" of %s; expected it for VFs of network functions only",
                         key, SHOWN(pool->name),
                         pool->assign == ASSIGN_FUNCTION ? "whole functions" : "class \"storage\"");
        }
}

/* A guarantee above the limit. Told where the value stands that this object has itself. */
static void check_rates(struct context *c, const char *path, uint32_t given, const struct vf_attributes *a) {
        char member[PATH_MAX_LEN];

        if (!(a->set & ATTR_MIN_TX) || !(a->set & ATTR_MAX_TX) || a->min_tx_mbps <= a->max_tx_mbps)
                return;
        if (given & GIVEN(MIN_TX)) {
                path_join(member, path, "min_tx_mbps");
                error_at(c, member, false,
                         "found the number %u; expected at most \"max_tx_mbps\"%s, which is %u",
                         a->min_tx_mbps, given & GIVEN(MAX_TX) ? "" : " of \"defaults\"", a->max_tx_mbps);
        } else if (given & GIVEN(MAX_TX)) {
                path_join(member, path, "max_tx_mbps");
                error_at(c, member, false,
                         "found the number %u; expected at least \"min_tx_mbps\" of \"defaults\", which is %u",
                         a->max_tx_mbps, a->min_tx_mbps);
        }
}

/* The keys of a grant that stand here; the rest stays as it was inherited. Returns which do. */
static uint32_t parse_terms(struct context *c, const char *path, json_t *v, const struct pool *pool,
                            struct grant *g) {
        uint32_t given = 0;
        int64_t quota;

        for (unsigned k = 0; k < _GRANT_KEY_MAX; k++)
                if (json_object_get(v, object_keys[OBJECT_GRANT].keys[k]))
                        given |= 1U << k;
        if (value_int(c, path, v, "quota", 0, INT32_MAX, &quota))
                g->quota = (uint32_t) quota;
        value_percent(c, path, v, "pf_share", &g->pf_share);
        parse_vlans(c, path, v, g);
        parse_attributes(c, path, v, &g->attributes);
        parse_wish(c, path, v, &g->wish);
        check_rates(c, path, given, &g->attributes);
        if (pool)
                check_network_keys(c, path, given, pool);
        return given;
}

void parse_default_grants(struct context *c, struct draft *d, json_t *defaults) {
        json_t *v = json_object_get(defaults, "pools"), *i;
        char path[PATH_MAX_LEN];
        const char *name;

        if (!v)
                return;
        if (!json_is_object(v)) {
                error_at(c, "/defaults/pools", false, "found %s; expected an object of pool names", FOUND(v));
                return;
        }
        if (!d->grants) {
                d->grants = calloc(d->policy->n_pools + 1, sizeof(*d->grants));
                d->n_grants = d->policy->n_pools;
        }
        if (!d->grants) {
                c->no_memory = true;
                return;
        }
        json_object_foreach(v, name, i) {
                struct default_grant nowhere = { 0 }, *g = &nowhere;

                path_join(path, "/defaults/pools", name);
                int pool = draft_find_pool(c, d, path, name);
                if (pool >= 0)
                        g = &d->grants[pool];
                if (value_object(c, path, i, OBJECT_DEFAULT_GRANT))
                        g->given = parse_terms(c, path, i, pool >= 0 ? &d->policy->pools[pool] : NULL,
                                               &g->grant);
                free(nowhere.grant.vlans);
        }
}

static void inherit(struct context *c, const struct default_grant *from, struct grant *g) {
        const struct grant *d = &from->grant;

        *g = *d;
        if (!d->vlans)
                return;
        g->vlans = calloc(d->n_vlans + 1, sizeof(*g->vlans));
        if (g->vlans)
                memcpy(g->vlans, d->vlans, d->n_vlans * sizeof(*g->vlans));
        else {
                g->n_vlans = 0;
                c->no_memory = true;
        }
}

/* A priority or protocol that no VLAN would ever carry. */
static void check_vlan_keys(struct context *c, const char *path, json_t *v, uint32_t given,
                            const struct grant *g) {
        static const enum grant_key keys[] = { GRANT_VLAN_QOS, GRANT_VLAN_PROTOCOL };
        json_t *vlans = json_object_get(v, "vlans");
        char member[PATH_MAX_LEN];

        if (g->n_vlans > 0 || (vlans && !(json_is_array(vlans) && json_array_size(vlans) == 0)))
                return;
        FOREACH_ARRAY(k, keys, ARRAY_SIZE(keys)) {
                const char *key = object_keys[OBJECT_GRANT].keys[*k];

                if (!(given & 1U << *k))
                        continue;
                path_join(member, path, key);
                error_at(c, member, true, "found \"%s\" without VLANs; expected \"vlans\" beside it", key);
        }
}

/* An untagged VF has no priority; a tagged one gets the first VLAN unless another is asked for. */
static void settle_vlan(struct grant *g) {
        struct vf_attributes *a = &g->attributes;

        if (g->n_vlans > 0) {
                a->set |= ATTR_VLAN;
                a->vlan = g->vlans[0].first;
        } else
                a->vlan_qos = a->vlan_protocol = 0;
}

static void parse_grant(struct context *c, struct draft *d, const char *path, const char *pool_name,
                        json_t *v, struct grant *g) {
        int pool = draft_find_pool(c, d, path, pool_name);
        const struct default_grant *inherited = pool >= 0 && d->grants ? &d->grants[pool] : NULL;
        /* of a pool or a file that is not known, the defaults are not known either */
        bool unknown = pool < 0 ? d->defaults || d->incomplete : d->incomplete && !d->defaults;

        if (inherited)
                inherit(c, inherited, g);
        if (!value_object(c, path, v, OBJECT_GRANT))
                return;
        uint32_t given = parse_terms(c, path, v, pool >= 0 ? &d->policy->pools[pool] : NULL, g);
        parse_macs(c, d, path, v, pool_name, g);
        g->pool = (size_t) MAX(pool, 0);
        if (!(given & GIVEN(QUOTA)) && !(inherited && inherited->given & GIVEN(QUOTA)) && !unknown)
                error_at(c, path, false,
                         "\"quota\" is missing; expected a number of VFs, here or in \"defaults\"");
        if (!unknown)
                check_vlan_keys(c, path, v, given, g);
        settle_vlan(g);
}

void parse_grants(struct context *c, struct draft *d, const char *tenant_path, json_t *tenant,
                  struct tenant *t) {
        json_t *v = json_object_get(tenant, "pools"), *g;
        char path[PATH_MAX_LEN], item[PATH_MAX_LEN];
        const char *name;

        if (!v)
                return;
        path_join(path, tenant_path, "pools");
        if (!json_is_object(v)) {
                error_at(c, path, false, "found %s; expected an object of pool names", FOUND(v));
                return;
        }
        t->grants = calloc(json_object_size(v) + 1, sizeof(*t->grants));
        if (!t->grants) {
                c->no_memory = true;
                return;
        }
        json_object_foreach(v, name, g) {
                path_join(item, path, name);
                parse_grant(c, d, item, name, g, &t->grants[t->n_grants++]);
        }
}
