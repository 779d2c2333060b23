/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attributes of VFs by rtnetlink. The kernel applies those of one message one after another and stops at the
 * first error without undoing (net/core/rtnetlink.c:do_setvfinfo), so what counts is what is read back. */

#include "sriov/netvf.h"
#include "common/macro.h"
#include "common/root.h"

#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define PAUSE_NSEC 50000000L
#define TRIES_MAX  40U /* 2 s: i40e answers EAGAIN while a VF is being reset */

DEFINE_CLEANUP(struct nl_sock *, nl_socket_free)
DEFINE_CLEANUP(struct nl_msg *, nlmsg_free)

int netvf_find(int root_fd, struct address pf, unsigned index, struct netvf *ret) {
        _cleanup_closedir_ DIR *d = root_opendir(root_fd, "sys/bus/pci/devices/%s/net", ADDRESS_STR(pf));
        struct dirent *e;
        uint64_t ifindex;

        if (!root_is_host(root_fd))
                return -ENODEV;
        while (d && (e = readdir(d)))
                if (e->d_name[0] != '.' && root_read_u64(dirfd(d), &ifindex, "%s/ifindex", e->d_name) >= 0 &&
                    ifindex <= INT32_MAX) {
                        *ret = (struct netvf){ .ifindex = (int) ifindex, .index = index };
                        return 0;
                }
        return -ENODEV;
}

/* What comes back of one request: the kernel's errno, which libnl would translate, or a link. */
struct answer {
        const struct netvf *vf;
        struct vf_attributes *attributes;
        int error;
        bool found;
};

static int on_valid(struct nl_msg *msg, void *userdata) {
        struct nlmsghdr *h = nlmsg_hdr(msg);
        struct answer *a = userdata;

        if (h->nlmsg_type == RTM_NEWLINK && a->attributes) {
                a->error = netvf_parse(nlmsg_data(h), (size_t) nlmsg_datalen(h), a->vf->index, a->attributes);
                a->found = true;
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
        nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_valid, a);
        nl_socket_modify_cb(sock, NL_CB_ACK, NL_CB_CUSTOM, on_ack, a);
        nl_socket_modify_err_cb(sock, NL_CB_CUSTOM, on_error, a);
        if (nl_send_auto(sock, msg) < 0 || (nl_recvmsgs_default(sock) < 0 && a->error == 0))
                return -EIO;
        return a->error;
}

static struct nl_msg *request(const struct netvf *v, int type, int flags) {
        struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = v->ifindex };
        struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

        if (msg && nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) < 0) {
                nlmsg_free(msg);
                return NULL;
        }
        return msg;
}

int netvf_read(const struct netvf *v, struct vf_attributes *ret) {
        _cleanup_(nlmsg_freep) struct nl_msg *msg = request(v, RTM_GETLINK, NLM_F_REQUEST);
        struct answer a = { .vf = v, .attributes = ret };

        /* without statistics, which would fill the list at 221 VFs; libnl's own request cannot leave them out
         */
        if (!msg || nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS) < 0)
                return -ENOMEM;
        int r = ask(msg, &a);
        return r < 0 ? r : a.found ? 0 : -ENODEV;
}

static int put_vlan(struct nl_msg *msg, const struct netvf *v, const struct vf_attributes *a) {
        struct ifla_vf_vlan plain = { .vf = v->index, .vlan = a->vlan, .qos = a->vlan_qos };
        struct ifla_vf_vlan_info info = {
                .vf = v->index, .vlan = a->vlan, .qos = a->vlan_qos, .vlan_proto = __builtin_bswap16(0x88a8)
        };

        if (a->vlan_protocol != VLAN_8021AD)
                return nla_put(msg, IFLA_VF_VLAN, sizeof(plain), &plain);
        struct nlattr *list = nla_nest_start(msg, IFLA_VF_VLAN_LIST);
        if (!list || nla_put(msg, IFLA_VF_VLAN_INFO, sizeof(info), &info) < 0)
                return -NLE_NOMEM;
        return nla_nest_end(msg, list);
}

/* The attributes of a->set; rates go together. */
static int put_attributes(struct nl_msg *msg, const struct netvf *v, const struct vf_attributes *a) {
        struct ifla_vf_mac mac = { .vf = v->index };
        struct ifla_vf_rate rate = { v->index, a->min_tx_mbps, a->max_tx_mbps };
        struct ifla_vf_spoofchk spoof = { v->index, a->spoof_check };
        struct ifla_vf_trust trust = { v->index, a->trust };
        struct ifla_vf_link_state link = { v->index, a->link_state };
        int r = 0;

        memcpy(mac.mac, a->mac.byte, sizeof(a->mac.byte));
        if (a->set & ATTR_MAC)
                r = nla_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
        if (r >= 0 && a->set & ATTR_VLAN)
                r = put_vlan(msg, v, a);
        if (r >= 0 && a->set & (ATTR_MIN_TX | ATTR_MAX_TX))
                r = nla_put(msg, IFLA_VF_RATE, sizeof(rate), &rate);
        if (r >= 0 && a->set & ATTR_SPOOF_CHECK)
                r = nla_put(msg, IFLA_VF_SPOOFCHK, sizeof(spoof), &spoof);
        if (r >= 0 && a->set & ATTR_LINK_STATE)
                r = nla_put(msg, IFLA_VF_LINK_STATE, sizeof(link), &link);
        if (r >= 0 && a->set & ATTR_TRUST)
                r = nla_put(msg, IFLA_VF_TRUST, sizeof(trust), &trust);
        return r;
}

static int send_attributes(const struct netvf *v, const struct vf_attributes *a) {
        _cleanup_(nlmsg_freep) struct nl_msg *msg = request(v, RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK);
        struct answer answer = { .vf = v };
        struct nlattr *list, *info;

        if (!msg || !(list = nla_nest_start(msg, IFLA_VFINFO_LIST)) ||
            !(info = nla_nest_start(msg, IFLA_VF_INFO)) || put_attributes(msg, v, a) < 0)
                return -ENOMEM;
        nla_nest_end(msg, info);
        nla_nest_end(msg, list);
        return ask(msg, &answer);
}

/* A driver that is busy with the VF says EAGAIN. */
static int send_patiently(const struct netvf *v, const struct vf_attributes *a) {
        struct timespec pause = { .tv_nsec = PAUSE_NSEC };
        int r = send_attributes(v, a);

        for (unsigned tries = 0; (r == -EAGAIN || r == -EBUSY) && tries < TRIES_MAX; tries++) {
                nanosleep(&pause, NULL);
                r = send_attributes(v, a);
        }
        return r;
}

/* Which of want's are not as wanted. What the driver does not report counts as different. */
static uint32_t difference(const struct vf_attributes *want, const struct vf_attributes *now) {
        uint32_t d = want->set & ~now->set;

        if (mac_to_number(want->mac) != mac_to_number(now->mac))
                d |= ATTR_MAC;
        if (want->vlan != now->vlan ||
            (want->vlan && (want->vlan_qos != now->vlan_qos || want->vlan_protocol != now->vlan_protocol)))
                d |= ATTR_VLAN;
        if (want->min_tx_mbps != now->min_tx_mbps)
                d |= ATTR_MIN_TX;
        if (want->max_tx_mbps != now->max_tx_mbps)
                d |= ATTR_MAX_TX;
        if (want->spoof_check != now->spoof_check)
                d |= ATTR_SPOOF_CHECK;
        if (want->trust != now->trust)
                d |= ATTR_TRUST;
        if (want->link_state != now->link_state)
                d |= ATTR_LINK_STATE;
        return d & want->set;
}

/* Only what differs is sent: drivers refuse what they do not know, even if it is as they have it. */
static int change(const struct netvf *v, const struct vf_attributes *want, const struct vf_attributes *now) {
        struct vf_attributes a = *want;

        a.set = difference(want, now);
        if (a.set & (ATTR_MIN_TX | ATTR_MAX_TX)) { /* one attribute of the kernel's: the other half stays */
                a.min_tx_mbps = want->set & ATTR_MIN_TX ? want->min_tx_mbps : now->min_tx_mbps;
                a.max_tx_mbps = want->set & ATTR_MAX_TX ? want->max_tx_mbps : now->max_tx_mbps;
        }
        return a.set ? send_patiently(v, &a) : 0;
}

int netvf_set(const struct netvf *v, const struct vf_attributes *want, enum reason *reason,
              const char **step) {
        struct vf_attributes before = { 0 }, now = { 0 };

        *reason = REASON_ATTRIBUTES;
        *step = "reading the attributes";
        int r = netvf_read(v, &before);
        if (r < 0)
                return r;
        *step = "setting the attributes";
        r = change(v, want, &before);
        if (r == -EOPNOTSUPP || r == -EPROTONOSUPPORT)
                *reason = REASON_ATTRIBUTE_UNSUPPORTED;
        if (r >= 0) {
                *step = "reading the attributes back";
                r = netvf_read(v, &now);
                if (r >= 0 && difference(want, &now))
                        r = -EIO;
        }
        if (r >= 0) {
                *reason = REASON_NONE;
                return 0;
        }
        if (netvf_read(v, &now) >= 0)
                (void) change(v, &before, &now); /* the baseline of the next scrub is what must succeed */
        return r;
}

/* One attribute to its baseline; already there is good. */
static int restore(const struct netvf *v, const struct vf_attributes *base, uint32_t bits, bool optional) {
        struct vf_attributes want = *base, now;
        int r = netvf_read(v, &now);

        want.set = bits & now.set; /* what the driver does not report, nobody has set */
        if (r < 0 || difference(&want, &now) == 0)
                return r;
        r = change(v, &want, &now);
        if (r == -EOPNOTSUPP && optional)
                return 0; /* it cannot be set, so nobody has set it */
        if (r >= 0)
                r = netvf_read(v, &now);
        return r < 0 ? r : difference(&want, &now) ? -EIO : 0;
}

/* Some drivers refuse to take a MAC away: then one that is nobody's, which the next owner does not know
 * either. */
static int restore_mac(const struct netvf *v) {
        struct vf_attributes base = { 0 };
        int r = restore(v, &base, ATTR_MAC, false);

        if (r != -EINVAL && r != -EADDRNOTAVAIL && r != -EIO)
                return r;
        if (getrandom(base.mac.byte, sizeof(base.mac.byte), 0) != sizeof(base.mac.byte))
                return -EIO;
        base.mac.byte[0] = (uint8_t) ((base.mac.byte[0] & 0xfc) | 0x02); /* unicast, locally administered */
        return restore(v, &base, ATTR_MAC, false);
}

int netvf_baseline(const struct netvf *v, enum reason *reason, const char **step) {
        const struct vf_attributes base = { .spoof_check = true, .link_state = LINK_STATE_AUTO };
        static const struct {
                uint32_t bits;
                bool optional;
                const char *step;
        } rows[] = {
                { ATTR_VLAN, false, "taking the VLAN away" },
                { ATTR_MIN_TX | ATTR_MAX_TX, false, "taking the rates away" },
                { ATTR_TRUST, false, "taking the trust away" },
                { ATTR_SPOOF_CHECK, true, "switching the spoof check on" },
                { ATTR_LINK_STATE, true, "giving the link state back to the PF" },
        };

        *reason = REASON_ATTRIBUTES;
        FOREACH_ARRAY(row, rows, ARRAY_SIZE(rows)) {
                *step = row->step;
                int r = restore(v, &base, row->bits, row->optional);
                if (r < 0)
                        return r;
        }
        *step = "taking the MAC away";
        int r = restore_mac(v);
        if (r >= 0)
                *reason = REASON_NONE;
        return r;
}
