/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a VF was told, as its entry of IFLA_VFINFO_LIST shows it. */

#include "sriov/netvf-list.h"
#include "sriov/netvf.h"

#include <errno.h>
#include <linux/if_link.h>
#include <netlink/attr.h>
#include <string.h>

/* A payload of at least size bytes, or NULL. */
static const void *payload(struct nlattr *a, size_t size) {
        return a && nla_len(a) >= (int) size ? nla_data(a) : NULL;
}

static void take_vlan(struct nlattr *list, struct nlattr *plain, struct vf_attributes *ret) {
        struct nlattr *first = list && nla_len(list) >= NLA_HDRLEN ? nla_data(list) : NULL;
        const struct ifla_vf_vlan_info *info =
                        first && nla_ok(first, nla_len(list)) && nla_type(first) == IFLA_VF_VLAN_INFO
                                        ? payload(first, sizeof(*info))
                                        : NULL;
        const struct ifla_vf_vlan *vlan = payload(plain, sizeof(*vlan));

        if (!info && !vlan)
                return;
        uint32_t id = info ? info->vlan : vlan->vlan, qos = info ? info->qos : vlan->qos;
        if (id > VLAN_ID_MAX + 1 || qos > VLAN_QOS_MAX)
                return;
        ret->set |= ATTR_VLAN;
        ret->vlan = (uint16_t) id;
        ret->vlan_qos = (uint8_t) qos;
        /* ETH_P_8021AD, big endian */
        ret->vlan_protocol = info && info->vlan && info->vlan_proto == __builtin_bswap16(0x88a8) ? VLAN_8021AD
                                                                                                 : VLAN_8021Q;
}

/* A value that no VF can have is as good as none: one driver that shows such must not cost the others theirs.
 */
static void take(struct nlattr *tb[], struct vf_attributes *ret) {
        const struct ifla_vf_mac *mac = payload(tb[IFLA_VF_MAC], sizeof(*mac));
        const struct ifla_vf_rate *rate = payload(tb[IFLA_VF_RATE], sizeof(*rate));
        const struct ifla_vf_spoofchk *spoof = payload(tb[IFLA_VF_SPOOFCHK], sizeof(*spoof));
        const struct ifla_vf_trust *trust = payload(tb[IFLA_VF_TRUST], sizeof(*trust));
        const struct ifla_vf_link_state *link = payload(tb[IFLA_VF_LINK_STATE], sizeof(*link));
        const struct ifla_vf_rss_query_en *rss = payload(tb[IFLA_VF_RSS_QUERY_EN], sizeof(*rss));

        *ret = (struct vf_attributes){ 0 };
        if (!(mac->mac[0] & 1)) {
                ret->set |= ATTR_MAC;
                memcpy(ret->mac.byte, mac->mac, sizeof(ret->mac.byte));
        }
        take_vlan(tb[IFLA_VF_VLAN_LIST], tb[IFLA_VF_VLAN], ret);
        if (rate) {
                ret->set |= ATTR_MIN_TX | ATTR_MAX_TX;
                ret->min_tx_mbps = rate->min_tx_rate;
                ret->max_tx_mbps = rate->max_tx_rate;
        }
        if (spoof && spoof->setting <= 1) { /* -1: the driver does not report it */
                ret->set |= ATTR_SPOOF_CHECK;
                ret->spoof_check = spoof->setting;
        }
        if (trust && trust->setting <= 1) {
                ret->set |= ATTR_TRUST;
                ret->trust = trust->setting;
        }
        if (link && link->link_state < _LINK_STATE_MAX) {
                ret->set |= ATTR_LINK_STATE;
                ret->link_state = (uint8_t) link->link_state;
        }
        if (rss && rss->setting <= 1) {
                ret->set |= ATTR_RSS_QUERY;
                ret->rss_query = rss->setting;
        }
}

int netvf_parse(const void *data, size_t size, struct vf_attributes *ret, size_t n) {
        struct nlattr *tb[IFLA_VF_MAX + 1];
        struct netvf_list list;
        unsigned i;
        int r = netvf_list_open(data, size, &list);

        memset(ret, 0, n * sizeof(*ret));
        if (r < 0)
                return r;
        while (netvf_list_next(&list, &i, tb))
                if (i < n)
                        take(tb, &ret[i]);
        return 0;
}
