/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The messages: reading the attributes of all VFs of a PF, and telling its driver new ones. */

#include "sriov/netvf.h"
#include "common/macro.h"
#include "common/net-driver.h"
#include "common/root.h"
#include "sriov/netdev.h"
#include "sriov/netvf-apply.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <time.h>

#define PAUSE_NSEC 50000000L
#define PAUSES_MAX 60U /* 3 s for the whole change set */

DEFINE_CLEANUP(struct nl_sock *, nl_socket_free)
DEFINE_CLEANUP(struct nl_msg *, nlmsg_free)

struct link {
        int ifindex;
        unsigned pauses;
        bool down; /* at one of the looks */
};

int netvf_find(int root_fd, struct address pf, int *ret_ifindex) {
        struct netdev netdev;

        if (!root_is_host(root_fd))
                return -ENODEV;
        _cleanup_close_ int fd =
                        root_openf(root_fd, O_PATH | O_DIRECTORY, "sys/bus/pci/devices/%s", ADDRESS_STR(pf));
        int r = fd < 0 ? -ENODEV : netdev_find(fd, true, &netdev);
        if (r >= 0)
                *ret_ifindex = netdev.ifindex;
        return r;
}

/* What comes back of one request: the kernel's errno, which libnl would translate, or a link. */
struct answer {
        struct vf_attributes *attributes; /* of n VFs; NULL: none are expected */
        size_t n;
        int error;
        bool found, carrier;
};

static int on_valid(struct nl_msg *msg, void *userdata) {
        struct nlmsghdr *h = nlmsg_hdr(msg);
        struct answer *a = userdata;

        if (h->nlmsg_type == RTM_NEWLINK && a->attributes) {
                a->error = netvf_parse(nlmsg_data(h), (size_t) nlmsg_datalen(h), a->attributes, a->n);
                a->found = true;
                if (a->error == 0) /* then there is a struct ifinfomsg */
                        a->carrier = ((const struct ifinfomsg *) nlmsg_data(h))->ifi_flags & IFF_LOWER_UP;
        }
        return NL_OK;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *userdata) {
        struct answer *a = userdata;

        a->error = e->error;
        return NL_STOP;
}

static int on_ack(struct nl_msg *msg, void *userdata) {
        return NL_STOP;
}

static int ask(struct nl_msg *msg, struct answer *a) {
        _cleanup_(nl_socket_freep) struct nl_sock *sock = nl_socket_alloc();

        if (!sock)
                return -ENOMEM;
        if (nl_connect(sock, NETLINK_ROUTE) < 0)
                return -EIO;
        nl_socket_enable_msg_peek(sock); /* an answer of any size */
        if (a->attributes) /* it does not fit libnl's receive buffer with another message before it */
                nl_socket_disable_auto_ack(sock);
        nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_valid, a);
        nl_socket_modify_cb(sock, NL_CB_ACK, NL_CB_CUSTOM, on_ack, a);
        nl_socket_modify_err_cb(sock, NL_CB_CUSTOM, on_error, a);
        if (nl_send_auto(sock, msg) < 0 || (nl_recvmsgs_default(sock) < 0 && a->error == 0))
                return -EIO;
        return a->error;
}

static struct nl_msg *request(const struct link *l, int type, int flags) {
        struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = l->ifindex };
        struct nl_msg *msg = nlmsg_alloc_size(64 * 1024); /* it does not grow */

        if (msg && (!nlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, flags) ||
                    nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) < 0)) {
                nlmsg_free(msg);
                return NULL;
        }
        return msg;
}

static int read_all(void *userdata, struct vf_attributes *ret, size_t n) {
        struct link *l = userdata;
        _cleanup_(nlmsg_freep) struct nl_msg *msg = request(l, RTM_GETLINK, NLM_F_REQUEST);
        struct answer a = { .attributes = ret, .n = n };

        /* without statistics, which would fill the list at 221 VFs; libnl's own request cannot leave them out
         */
        if (!msg || nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS) < 0)
                return -ENOMEM;
        int r = ask(msg, &a);
        if (r < 0 || !a.found)
                return r < 0 ? r : -ENODEV;
        l->down = l->down || !a.carrier;
        return 0;
}

static bool link_down(void *userdata) {
        const struct link *l = userdata;

        return l->down;
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

static int send_all(void *userdata, const struct vf_change *changes, size_t n) {
        const struct link *l = userdata;
        _cleanup_(nlmsg_freep) struct nl_msg *msg = request(l, RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK);
        struct answer answer = { 0 };
        struct nlattr *list = msg ? nla_nest_start(msg, IFLA_VFINFO_LIST) : NULL, *info;

        if (!list)
                return -ENOMEM;
        FOREACH_ARRAY(c, changes, n) {
                if (c->attributes.set & NET_PORT_ONLY) /* no port, and no attribute of rtnetlink */
                        return -EOPNOTSUPP;
                info = nla_nest_start(msg, IFLA_VF_INFO);
                if (!info || put_attributes(msg, c->index, &c->attributes) < 0)
                        return -ENOMEM;
                nla_nest_end(msg, info);
        }
        nla_nest_end(msg, list);
        return ask(msg, &answer);
}

static bool pause_once(void *userdata) {
        const struct timespec pause = { .tv_nsec = PAUSE_NSEC };
        struct link *l = userdata;

        if (l->pauses >= PAUSES_MAX)
                return false;
        l->pauses++;
        nanosleep(&pause, NULL);
        return true;
}

int netvf_apply(int ifindex, struct vf_change *changes, size_t n, const char **step) {
        struct link l = { .ifindex = ifindex };
        const struct netvf_kernel kernel = { read_all, send_all, pause_once, link_down, &l };

        return netvf_apply_to(&kernel, changes, n, step);
}
