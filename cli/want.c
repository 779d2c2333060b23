/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parses what a request wants of one pool. */

#include "cli/want.h"
#include "common/macro.h"
#include "common/text.h"

#include <errno.h>
#include <string.h>

/* The daemon has the last word on every value; here is refused what no policy could allow, so that a typing
 * error is told before anything is asked. */

#define PROBLEM(...) (snprintf(problem, WANT_PROBLEM_MAX, __VA_ARGS__), -EINVAL)

static int set_vlan(struct pool_want *w, const char *value, char problem[WANT_PROBLEM_MAX]) {
        uint64_t n;

        if (parse_u64(value, 10, &n) < 0 || n > VLAN_ID_MAX)
                return PROBLEM("'%.40s' is no VLAN (0 to %u)", value, VLAN_ID_MAX);
        w->chosen.vlan = (uint16_t) n;
        return 0;
}

static int set_mac(struct pool_want *w, const char *value, char problem[WANT_PROBLEM_MAX]) {
        if (mac_parse(value, &w->chosen.mac) < 0)
                return PROBLEM("'%.40s' is no MAC address such as 02:52:44:00:00:01", value);
        if (!mac_is_unicast(w->chosen.mac))
                return PROBLEM("'%.40s' is not the address of one interface", value);
        return 0;
}

static int parse_rate(const char *value, uint32_t *ret, char problem[WANT_PROBLEM_MAX]) {
        uint64_t n;

        if (parse_u64(value, 10, &n) < 0 || n > UINT32_MAX)
                return PROBLEM("'%.40s' is no rate in Mbit/s", value);
        *ret = (uint32_t) n;
        return 0;
}

static int set_min_tx(struct pool_want *w, const char *value, char problem[WANT_PROBLEM_MAX]) {
        return parse_rate(value, &w->chosen.min_tx_mbps, problem);
}

static int set_max_tx(struct pool_want *w, const char *value, char problem[WANT_PROBLEM_MAX]) {
        return parse_rate(value, &w->chosen.max_tx_mbps, problem);
}

int want_set(struct pool_want *w, const char *key, const char *value, char problem[WANT_PROBLEM_MAX]) {
        static const struct {
                const char *key;
                uint32_t bit;
                int (*set)(struct pool_want *w, const char *value, char problem[WANT_PROBLEM_MAX]);
        } keys[] = {
                { "vlan", ATTR_VLAN, set_vlan },
                { "mac", ATTR_MAC, set_mac },
                { "min-tx", ATTR_MIN_TX, set_min_tx },
                { "max-tx", ATTR_MAX_TX, set_max_tx },
        };

        FOREACH_ARRAY(k, keys, ARRAY_SIZE(keys)) {
                if (strcmp(k->key, key) != 0)
                        continue;
                if (w->chosen.set & k->bit)
                        return PROBLEM("%s is given twice", key);
                w->chosen.set |= k->bit;
                return k->set(w, value, problem);
        }
        return PROBLEM("there is no '%.40s', only vlan, mac, min-tx and max-tx", key);
}

int want_check(const struct pool_want *w, char problem[WANT_PROBLEM_MAX]) {
        const struct vf_attributes *a = &w->chosen;

        if ((a->set & ATTR_MAC) && w->count > 1)
                return PROBLEM("one MAC address is for one VF, not for %u", w->count);
        if ((a->set & ATTR_MIN_TX) && (a->set & ATTR_MAX_TX) && a->max_tx_mbps > 0 &&
            a->min_tx_mbps > a->max_tx_mbps)
                return PROBLEM("the least rate, %u Mbit/s, is above the greatest, %u", a->min_tx_mbps,
                               a->max_tx_mbps);
        return 0;
}

/* POOL[:COUNT], changed in place. */
static int parse_head(char *head, struct pool_want *w, char problem[WANT_PROBLEM_MAX]) {
        char *count = strchr(head, ':');
        uint64_t n = 0;

        if (count)
                *count++ = '\0';
        if (!name_is_valid(head))
                return PROBLEM("'%.64s' is no name (1 to %d letters, digits, '.', '_', '-')", head,
                               NAME_MAX_LEN);
        if (count && (parse_u64(count, 10, &n) < 0 || n < 1 || n > ACQUIRE_COUNT_MAX))
                return PROBLEM("'%.40s' is no number of VFs (1 to %u)", count, ACQUIRE_COUNT_MAX);
        text_copy(w->pool, sizeof(w->pool), head);
        w->count = (unsigned) n;
        return 0;
}

int want_parse(const char *text, struct pool_want *ret, char problem[WANT_PROBLEM_MAX]) {
        struct pool_want w = { 0 };
        char copy[512], *rest = copy;

        if (!text_copy(copy, sizeof(copy), text))
                return PROBLEM("is too long");
        int r = parse_head(strsep(&rest, ","), &w, problem);
        while (r == 0 && rest) {
                char *key = strsep(&rest, ","), *value = strchr(key, '=');

                if (!value)
                        return PROBLEM("'%.40s' should be KEY=VALUE", key);
                *value++ = '\0';
                r = want_set(&w, key, value, problem);
        }
        if (r == 0)
                r = want_check(&w, problem);
        if (r == 0)
                *ret = w;
        return r;
}
