/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IFLA_VFINFO_LIST of an RTM_NEWLINK message. The kernel closes the list with a length of 16 bits and no
 * check (net/core/rtnetlink.c:rtnl_fill_vf), so the length of a long one is what is left of it modulo 65,536,
 * while the list itself is whole. */

#include "common/macro.h"
#include "sriov/netvf.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/types.h>

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
        ret->set |= ATTR_VLAN;
        ret->vlan = (uint16_t) (info ? info->vlan : vlan->vlan);
        ret->vlan_qos = (uint8_t) (info ? info->qos : vlan->qos);
        /* ETH_P_8021AD, big endian */
        ret->vlan_protocol = info && info->vlan && info->vlan_proto == __builtin_bswap16(0x88a8) ? VLAN_8021AD
                                                                                                 : VLAN_8021Q;
}

static void take(struct nlattr *tb[], struct vf_attributes *ret) {
        const struct ifla_vf_mac *mac = payload(tb[IFLA_VF_MAC], sizeof(*mac));
        const struct ifla_vf_rate *rate = payload(tb[IFLA_VF_RATE], sizeof(*rate));
        const struct ifla_vf_spoofchk *spoof = payload(tb[IFLA_VF_SPOOFCHK], sizeof(*spoof));
        const struct ifla_vf_trust *trust = payload(tb[IFLA_VF_TRUST], sizeof(*trust));
        const struct ifla_vf_link_state *link = payload(tb[IFLA_VF_LINK_STATE], sizeof(*link));
        const struct ifla_vf_rss_query_en *rss = payload(tb[IFLA_VF_RSS_QUERY_EN], sizeof(*rss));

        *ret = (struct vf_attributes){ .set = ATTR_MAC };
        memcpy(ret->mac.byte, mac->mac, sizeof(ret->mac.byte));
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

/* Walks the VFs from the first byte of the list on, as far as they go: each is of one type that nothing after
 * the list has (IFLA_VF_INFO is 1, as IFLA_ADDRESS, which comes before it), in ascending order and within the
 * message. The bytes walked, or -EBADMSG. */
static ssize_t walk(const char *p, size_t left, unsigned n_vfs, struct vf_attributes *ret, size_t n) {
        struct nlattr *tb[IFLA_VF_MAX + 1];
        const char *begin = p;
        int64_t last = -1;

        while (left >= NLA_HDRLEN) {
                struct nlattr *i = (struct nlattr *) (void *) (uintptr_t) p;
                size_t size = NLA_ALIGN((size_t) i->nla_len);

                if (i->nla_len < NLA_HDRLEN || i->nla_len > left || nla_type(i) != IFLA_VF_INFO)
                        break;
                if (nla_parse_nested(tb, IFLA_VF_MAX, i, NULL) < 0)
                        return -EBADMSG;
                const struct ifla_vf_mac *mac = payload(tb[IFLA_VF_MAC], sizeof(*mac));
                if (!mac || mac->vf <= last || mac->vf >= n_vfs)
                        return -EBADMSG;
                last = mac->vf;
                if (mac->vf < n)
                        take(tb, &ret[mac->vf]);
                p += MIN(size, left);
                left -= MIN(size, left);
        }
        return p - begin;
}

int netvf_parse(const void *data, size_t size, struct vf_attributes *ret, size_t n) {
        const size_t head = NLMSG_ALIGN(sizeof(struct ifinfomsg));

        memset(ret, 0, n * sizeof(*ret));
        if (size < head || size > INT32_MAX)
                return -EBADMSG;
        const char *end = (const char *) data + size;
        struct nlattr *attrs = (struct nlattr *) (void *) ((char *) (uintptr_t) data + head);
        struct nlattr *num = nla_find(attrs, (int) (size - head), IFLA_NUM_VF), *i = attrs;
        if (!num || nla_len(num) < (int) sizeof(uint32_t))
                return -EBADMSG;
        /* not by nla_find(), which asks for a list that ends within the message and is not shorter than its
         * own header: a wrapped one may be */
        int left = (int) (size - head);
        while (nla_ok(i, left) && nla_type(i) != IFLA_VFINFO_LIST)
                i = nla_next(i, &left);
        if (left < (int) NLA_HDRLEN || nla_type(i) != IFLA_VFINFO_LIST)
                return nla_get_u32(num) == 0 ? 0 : -EMSGSIZE;
        const char *first = (const char *) i + NLA_HDRLEN;
        ssize_t walked = walk(first, (size_t) (end - first), nla_get_u32(num), ret, n);
        if (walked >= 0 && ((size_t) walked + NLA_HDRLEN) % 65536 == i->nla_len)
                return 0;
        memset(ret, 0, n * sizeof(*ret));
        return -EMSGSIZE;
}
