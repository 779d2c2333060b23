/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sriov/netvf-message.h"
#include "common/attributes.h"
#include "common/macro.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

/* A message does not grow. */
#define SIZE_GET 256
#define SIZE_SET (64 * 1024) /* more than the one list can have */

DEFINE_CLEANUP(struct nl_msg *, nlmsg_free)

static struct nl_msg *begin(int ifindex, int type, int flags, size_t size) {
        struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };
        _cleanup_(nlmsg_freep) struct nl_msg *msg = nlmsg_alloc_size(size);

        if (!msg || !nlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, flags) ||
            nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) < 0)
                return NULL;
        return TAKE_PTR(msg);
}

struct nl_msg *netvf_message_get(int ifindex, uint32_t mask) {
        _cleanup_(nlmsg_freep) struct nl_msg *msg = begin(ifindex, RTM_GETLINK, NLM_F_REQUEST, SIZE_GET);

        if (!msg || nla_put_u32(msg, IFLA_EXT_MASK, mask) < 0)
                return NULL;
        return TAKE_PTR(msg);
}

static int put_vlan(struct nl_msg *msg, uint32_t vf, const struct vf_attributes *a) {
        struct ifla_vf_vlan plain = { .vf = vf, .vlan = a->vlan, .qos = a->vlan_qos };
        struct ifla_vf_vlan_info info = {
                .vf = vf, .vlan = a->vlan, .qos = a->vlan_qos, .vlan_proto = __builtin_bswap16(0x88a8)
        };

        if (a->vlan_protocol != VLAN_8021AD)
                return nla_put(msg, IFLA_VF_VLAN, sizeof(plain), &plain);
        struct nlattr *list = nla_nest_start(msg, IFLA_VF_VLAN_LIST);
        if (!list || nla_put(msg, IFLA_VF_VLAN_INFO, sizeof(info), &info) < 0)
                return -NLE_NOMEM;
        return nla_nest_end(msg, list);
}

/* The attributes of a->set; rates go together. */
static int put_attributes(struct nl_msg *msg, uint32_t vf, const struct vf_attributes *a) {
        struct ifla_vf_mac mac = { .vf = vf };
        struct ifla_vf_rate rate = { vf, a->min_tx_mbps, a->max_tx_mbps };
        struct ifla_vf_spoofchk spoof = { vf, a->spoof_check };
        struct ifla_vf_trust trust = { vf, a->trust };
        struct ifla_vf_link_state link = { vf, a->link_state };
        struct ifla_vf_rss_query_en rss = { vf, a->rss_query };
        int r = 0;

        memcpy(mac.mac, a->mac.byte, sizeof(a->mac.byte));
        if (a->set & ATTR_MAC)
                r = nla_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
        if (r >= 0 && a->set & ATTR_VLAN)
                r = put_vlan(msg, vf, a);
        if (r >= 0 && a->set & (ATTR_MIN_TX | ATTR_MAX_TX))
                r = nla_put(msg, IFLA_VF_RATE, sizeof(rate), &rate);
        if (r >= 0 && a->set & ATTR_SPOOF_CHECK)
                r = nla_put(msg, IFLA_VF_SPOOFCHK, sizeof(spoof), &spoof);
        if (r >= 0 && a->set & ATTR_LINK_STATE)
                r = nla_put(msg, IFLA_VF_LINK_STATE, sizeof(link), &link);
        if (r >= 0 && a->set & ATTR_RSS_QUERY)
                r = nla_put(msg, IFLA_VF_RSS_QUERY_EN, sizeof(rss), &rss);
        if (r >= 0 && a->set & ATTR_TRUST)
                r = nla_put(msg, IFLA_VF_TRUST, sizeof(trust), &trust);
        return r;
}

static int put_vf(struct nl_msg *msg, const struct vf_change *c) {
        struct nlattr *info = nla_nest_start(msg, IFLA_VF_INFO);

        if (!info || put_attributes(msg, c->index, &c->attributes) < 0)
                return -NLE_NOMEM;
        return nla_nest_end(msg, info);
}

struct nl_msg *netvf_message_set(int ifindex, const struct vf_change *changes, size_t n) {
        _cleanup_(nlmsg_freep) struct nl_msg *msg =
                        begin(ifindex, RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, SIZE_SET);
        struct nlattr *list = msg ? nla_nest_start(msg, IFLA_VFINFO_LIST) : NULL;

        if (!list)
                return NULL;
        FOREACH_ARRAY(c, changes, n)
                if (put_vf(msg, c) < 0)
                        return NULL;
        return nla_nest_end(msg, list) < 0 ? NULL : TAKE_PTR(msg);
}
