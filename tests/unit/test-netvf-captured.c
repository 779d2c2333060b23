/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/netvf-message, netvf-parse and netvf-stats against what iproute2 sent, what real kernels answered,
 * and what iproute2 made of that. */

#include "common/json.h"
#include "common/macro.h"
#include "common/net-driver.h"
#include "sriov/netvf-message.h"
#include "sriov/netvf-stats.h"
#include "sriov/netvf.h"
#include "tests/unit/test.h"

#include <linux/if_link.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VFS 3U
#define ALL (ATTR_ALL & ~NET_PORT_ONLY) /* of rtnetlink */

DEFINE_CLEANUP(struct nl_msg *, nlmsg_free)

struct captured {
        const char *command;
        const char *sent, *received; /* messages, in hex; the second NULL if it is only an acknowledgement */
        const char *shown;           /* "vfinfo_list" of the command's JSON */
};

#include "tests/unit/captured-igb.h"
#include "tests/unit/captured-netdevsim.h"

/* Each command that sets something, and the change that is the same. */
static const struct told {
        const char *options;
        struct vf_change change;
} told[] = {
        { "vf 0 mac 02:52:44:00:00:01 vlan 100 qos 3 min_tx_rate 10 max_tx_rate 1000 spoofchk on state enable "
          "query_rss on trust on",
          { .index = 0,
            .attributes = { .set = ALL,
                            .mac = { { 0x02, 0x52, 0x44, 0, 0, 1 } },
                            .vlan = 100,
                            .vlan_qos = 3,
                            .min_tx_mbps = 10,
                            .max_tx_mbps = 1000,
                            .spoof_check = true,
                            .trust = true,
                            .link_state = LINK_STATE_ENABLE,
                            .rss_query = true } } },
        { "vf 1 mac 02:52:44:00:00:02 vlan 4094 qos 7 proto 802.1ad spoofchk off state disable query_rss off trust off",
          { .index = 1,
            .attributes = { .set = ALL & ~(ATTR_MIN_TX | ATTR_MAX_TX),
                            .mac = { { 0x02, 0x52, 0x44, 0, 0, 2 } },
                            .vlan = 4094,
                            .vlan_qos = 7,
                            .vlan_protocol = VLAN_8021AD,
                            .link_state = LINK_STATE_DISABLE } } },
        { "vf 2 vlan 0 qos 0", { .index = 2, .attributes = { .set = ATTR_VLAN } } },
        { "vf 2 vlan 5 qos 0", { .index = 2, .attributes = { .set = ATTR_VLAN, .vlan = 5 } } },
        { "vf 2 min_tx_rate 0 max_tx_rate 70000",
          { .index = 2, .attributes = { .set = ATTR_MAX_TX, .max_tx_mbps = 70000 } } },
        { "vf 2 state auto", { .index = 2, .attributes = { .set = ATTR_LINK_STATE } } },
        { "vf 0 mac 02:52:44:00:00:01",
          { .index = 0, .attributes = { .set = ATTR_MAC, .mac = { { 0x02, 0x52, 0x44, 0, 0, 1 } } } } },
        { "vf 0 vlan 100 qos 3",
          { .index = 0, .attributes = { .set = ATTR_VLAN, .vlan = 100, .vlan_qos = 3 } } },
        { "vf 0 min_tx_rate 0 max_tx_rate 100",
          { .index = 0, .attributes = { .set = ATTR_MAX_TX, .max_tx_mbps = 100 } } },
        { "vf 1 spoofchk off", { .index = 1, .attributes = { .set = ATTR_SPOOF_CHECK } } },
        { "vf 1 trust on", { .index = 1, .attributes = { .set = ATTR_TRUST, .trust = true } } },
};

/* The message of a string of hex: free(). */
static struct nlmsghdr *message_of(const char *hex) {
        size_t size = strlen(hex) / 2;
        uint8_t *data = malloc(size);
        struct nlmsghdr *h = (void *) data;
        unsigned byte;

        assert_non_null(data);
        for (size_t i = 0; i < size; i++) {
                assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
                data[i] = (uint8_t) byte;
        }
        assert_true(size >= NLMSG_LENGTH(sizeof(struct ifinfomsg)) && h->nlmsg_len == size);
        return h;
}

static struct nlattr *attributes_of(struct nlmsghdr *h, int *left) {
        *left = nlmsg_attrlen(h, sizeof(struct ifinfomsg));
        return nlmsg_attrdata(h, sizeof(struct ifinfomsg));
}

/* The attributes of a message from inside one that has others: IFLA_VFINFO_LIST, in it IFLA_VF_INFO, in that
 * one IFLA_VF_VLAN_LIST. */
static bool has_others(const struct nlattr *a, unsigned depth) {
        static const int nests[] = { IFLA_VFINFO_LIST, IFLA_VF_INFO, IFLA_VF_VLAN_LIST };

        return depth < ARRAY_SIZE(nests) && nla_type(a) == nests[depth];
}

/* The same attributes with the same bytes, one after another; those of a VF in any order, since the kernel
 * takes each by its type. Only libnl says by a flag that an attribute has others; the kernel does not care
 * (include/net/netlink.h:nla_type(), NL_VALIDATE_LIBERAL). */
static void require_same(struct nlattr *a, int left, struct nlattr *b, int b_size, unsigned depth) {
        struct nlattr *const all = b;
        int b_left = b_size;

        assert_int_equal(left, b_size);
        for (; nla_ok(a, left); a = nla_next(a, &left)) {
                if (depth == 2)
                        b = nla_find(all, b_size, nla_type(a));
                assert_true(b && (depth == 2 || nla_ok(b, b_left)));
                assert_int_equal(nla_type(a), nla_type(b));
                assert_int_equal(nla_len(a), nla_len(b));
                if (has_others(a, depth))
                        require_same(nla_data(a), nla_len(a), nla_data(b), nla_len(b), depth + 1);
                else
                        assert_memory_equal(nla_data(a), nla_data(b), (size_t) nla_len(a));
                if (depth != 2)
                        b = nla_next(b, &b_left);
        }
        assert_int_equal(left, 0);
}

static const struct told *told_by(const struct captured *c) {
        const char *options = strstr(c->command, " vf ");

        FOREACH_ARRAY(t, told, ARRAY_SIZE(told))
                if (options && strcmp(options + 1, t->options) == 0)
                        return t;
        return NULL;
}

/* One change says what the command said. libnl sends RTM_SETLINK, which makes no interface (rtnetlink(7));
 * iproute2 RTM_NEWLINK, to which an interface that is there is the same (net/core/rtnetlink.c:do_setlink()).
 */
static void require_told(const struct captured *c, const struct told *t) {
        _cleanup_free_ struct nlmsghdr *theirs = message_of(c->sent);
        const struct ifinfomsg *info = nlmsg_data(theirs);
        _cleanup_(nlmsg_freep) struct nl_msg *msg = netvf_message_set(info->ifi_index, &t->change, 1);
        int left, their_left;

        assert_non_null(msg);
        struct nlmsghdr *ours = nlmsg_hdr(msg);
        assert_int_equal(theirs->nlmsg_type, RTM_NEWLINK);
        assert_int_equal(ours->nlmsg_type, RTM_SETLINK);
        assert_int_equal(ours->nlmsg_flags, theirs->nlmsg_flags);
        assert_memory_equal(nlmsg_data(ours), info, sizeof(*info));
        struct nlattr *a = attributes_of(ours, &left), *b = attributes_of(theirs, &their_left);
        require_same(a, left, b, their_left, 0);
}

static unsigned require_all_told(const struct captured *list, size_t n) {
        unsigned found = 0;

        FOREACH_ARRAY(c, list, n)
                if (!c->shown) {
                        const struct told *t = told_by(c);

                        assert_non_null(t);
                        require_told(c, t);
                        found++;
                }
        return found;
}

static void test_told_as_iproute2_does(void **state) {
        unsigned found = require_all_told(captured_netdevsim, ARRAY_SIZE(captured_netdevsim));

        found += require_all_told(captured_igb, ARRAY_SIZE(captured_igb));
        assert_int_equal(found, ARRAY_SIZE(told));
}

/* Many VFs in one message: one list, in it what iproute2 has in the list of each message. */
static void test_all_in_one_list(void **state) {
        struct vf_change changes[ARRAY_SIZE(captured_netdevsim)];
        size_t n = 0;
        int left, their_left;

        for (; n < ARRAY_SIZE(captured_netdevsim) && !captured_netdevsim[n].shown; n++)
                changes[n] = told_by(&captured_netdevsim[n])->change;
        assert_true(n > VFS);
        _cleanup_(nlmsg_freep) struct nl_msg *msg = netvf_message_set(7, changes, n);
        assert_non_null(msg);
        struct nlattr *list = attributes_of(nlmsg_hdr(msg), &left);
        assert_int_equal(nla_type(list), IFLA_VFINFO_LIST);
        assert_int_equal(nla_total_size(nla_len(list)), left);
        struct nlattr *vf = nla_data(list);
        left = nla_len(list);
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ struct nlmsghdr *theirs = message_of(captured_netdevsim[i].sent);
                struct nlattr *their_list = attributes_of(theirs, &their_left);

                assert_true(nla_ok(vf, left));
                require_same(vf, nla_total_size(nla_len(vf)), nla_data(their_list), nla_len(their_list), 1);
                vf = nla_next(vf, &left);
        }
        assert_int_equal(left, 0);
}

/* As many as are ever told at once fit (netvf-apply.c: MESSAGE_VFS); more than a list can say is refused, not
 * cut. */
static void test_as_many_as_fit(void **state) {
        static struct vf_change changes[1000];

        for (uint32_t i = 0; i < ARRAY_SIZE(changes); i++)
                changes[i] = (struct vf_change){ .index = i,
                                                 .attributes = { .set = ALL, .vlan_protocol = VLAN_8021AD } };
        _cleanup_(nlmsg_freep) struct nl_msg *msg = netvf_message_set(7, changes, 256);
        assert_non_null(msg);
        assert_null(netvf_message_set(7, changes, 1000));
        for (size_t n = 400; n < 500; n++) {
                _cleanup_(nlmsg_freep) struct nl_msg *more = netvf_message_set(7, changes, n);
                int left;

                if (!more)
                        continue;
                struct nlattr *list = attributes_of(nlmsg_hdr(more), &left);
                assert_int_equal(nla_total_size(nla_len(list)), left);
        }
}

/* One of our requests asks for the same as the command did: that one's mask. */
static uint32_t require_asked(const struct captured *c) {
        _cleanup_free_ struct nlmsghdr *theirs = message_of(c->sent);
        struct nlattr *their_mask = nlmsg_find_attr(theirs, sizeof(struct ifinfomsg), IFLA_EXT_MASK);
        int left;

        assert_non_null(their_mask);
        uint32_t mask = nla_get_u32(their_mask) == NETVF_MASK_TOLD ? NETVF_MASK_TOLD : NETVF_MASK_STATISTICS;
        _cleanup_(nlmsg_freep) struct nl_msg *msg = netvf_message_get(7, mask);
        assert_non_null(msg);
        struct nlmsghdr *ours = nlmsg_hdr(msg);
        assert_int_equal(ours->nlmsg_type, theirs->nlmsg_type);
        assert_int_equal(ours->nlmsg_flags, theirs->nlmsg_flags);
        assert_int_equal(((const struct ifinfomsg *) nlmsg_data(ours))->ifi_index, 7); /* iproute2: by name */
        struct nlattr *a = attributes_of(ours, &left);
        require_same(a, left, their_mask, nla_total_size(nla_len(their_mask)), 0);
        return mask;
}

static int64_t number(const json_t *o, const char *key) {
        const json_t *value = json_object_get(o, key);

        assert_true(json_is_integer(value));
        return json_integer_value(value);
}

/* What iproute2 does not show, the driver does not report. */
static void require_bool(const struct vf_attributes *a, uint32_t bit, bool value, const json_t *shown) {
        assert_int_equal(a->set & bit, shown ? bit : 0);
        if (shown)
                assert_int_equal(value, json_is_true(shown));
}

static void require_vf_shown(const struct vf_attributes *a, const json_t *vf) {
        const json_t *vlan = json_array_get(json_object_get(vf, "vlan_list"), 0);
        const json_t *protocol = json_object_get(vlan, "protocol"), *rate = json_object_get(vf, "rate");
        const char *link = json_string_value(json_object_get(vf, "link_state"));

        assert_string_equal(MAC_STR(a->mac), json_string_value(json_object_get(vf, "address")));
        assert_int_equal(a->vlan, json_integer_value(json_object_get(vlan, "vlan"))); /* 0: not there */
        assert_int_equal(a->vlan_qos, json_integer_value(json_object_get(vlan, "qos")));
        assert_string_equal(vlan_protocol_to_string(a->vlan_protocol),
                            protocol ? json_string_value(protocol) : "802.1Q");
        assert_int_equal(a->min_tx_mbps, number(rate, "min_tx"));
        assert_int_equal(a->max_tx_mbps, number(rate, "max_tx"));
        assert_string_equal(link_state_to_string(a->link_state), link);
        assert_int_equal(a->set | ATTR_SPOOF_CHECK | ATTR_TRUST | ATTR_RSS_QUERY, ALL);
        require_bool(a, ATTR_SPOOF_CHECK, a->spoof_check, json_object_get(vf, "spoofchk"));
        require_bool(a, ATTR_TRUST, a->trust, json_object_get(vf, "trust"));
        require_bool(a, ATTR_RSS_QUERY, a->rss_query, json_object_get(vf, "query_rss_en"));
}

static void require_counters_shown(const struct vf_counters *c, const json_t *stats) {
        static const struct {
                enum vf_counter counter;
                const char *side, *name;
        } names[_COUNTER_MAX] = {
                { COUNTER_RX_PACKETS, "rx", "packets" },  { COUNTER_TX_PACKETS, "tx", "tx_packets" },
                { COUNTER_RX_BYTES, "rx", "bytes" },      { COUNTER_TX_BYTES, "tx", "tx_bytes" },
                { COUNTER_BROADCAST, "rx", "broadcast" }, { COUNTER_MULTICAST, "rx", "multicast" },
                { COUNTER_RX_DROPPED, "rx", "dropped" },  { COUNTER_TX_DROPPED, "tx", "dropped" },
        };

        FOREACH_ARRAY(n, names, ARRAY_SIZE(names))
                assert_int_equal(c->value[n->counter], number(json_object_get(stats, n->side), n->name));
}

/* The mask of the request. */
static uint32_t require_shown(const struct captured *c) {
        _cleanup_free_ struct nlmsghdr *h = message_of(c->received);
        _cleanup_free_ struct vf_statistics *counters = NULL;
        _cleanup_json_ json_t *vfs = NULL;
        struct vf_attributes now[VFS + 1];
        struct json_problem problem;
        size_t n, size = (size_t) nlmsg_datalen(h);

        assert_int_equal(h->nlmsg_type, RTM_NEWLINK);
        assert_int_equal(json_parse(c->shown, strlen(c->shown), 16, &vfs, &problem), 0);
        assert_int_equal(json_array_size(vfs), VFS);
        assert_int_equal(netvf_parse(nlmsg_data(h), size, now, VFS + 1), 0);
        assert_int_equal(netvf_stats_parse(nlmsg_data(h), size, &counters, &n), 0);
        assert_int_equal(now[VFS].set, 0);
        uint32_t mask = require_asked(c);
        assert_int_equal(n, mask == NETVF_MASK_STATISTICS ? VFS : 0);
        for (size_t i = 0; i < VFS; i++) {
                const json_t *vf = json_array_get(vfs, i);

                assert_int_equal(number(vf, "vf"), i);
                require_vf_shown(&now[i], vf);
                if (mask != NETVF_MASK_STATISTICS)
                        continue;
                assert_int_equal(counters[i].index, i);
                require_counters_shown(&counters[i].counters, json_object_get(vf, "stats"));
        }
        return mask;
}

/* Each of our questions is among them. */
static void require_all_shown(const struct captured *list, size_t n) {
        unsigned told_only = 0, statistics = 0;

        FOREACH_ARRAY(c, list, n)
                if (c->shown)
                        *(require_shown(c) == NETVF_MASK_TOLD ? &told_only : &statistics) += 1;
        assert_int_equal(told_only, 1);
        assert_int_equal(statistics, 1);
}

static void test_shown_as_iproute2_does(void **state) {
        require_all_shown(captured_netdevsim, ARRAY_SIZE(captured_netdevsim));
        require_all_shown(captured_igb, ARRAY_SIZE(captured_igb));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_told_as_iproute2_does),
                cmocka_unit_test(test_all_in_one_list),
                cmocka_unit_test(test_as_many_as_fit),
                cmocka_unit_test(test_shown_as_iproute2_does),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
