/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions to rtnetlink. libnl's own objects know neither IFLA_PERM_ADDRESS nor need they be kept, so
 * the messages are read as they are. */

#include "sriov/netlink.h"
#include "common/macro.h"
#include "sriov/netvf-message.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>

DEFINE_CLEANUP(struct nl_sock *, nl_socket_free)
DEFINE_CLEANUP(struct nl_msg *, nlmsg_free)

struct address_answer {
        struct mac mac;
        bool found;
};

struct routes_answer {
        int *list;
        size_t n;
        bool failed;
};

/* libnl has error numbers of its own, and has lost the kernel's. */
static int error_of(int nl_error) {
        switch (-nl_error) {
        case NLE_NOMEM:
                return -ENOMEM;
        case NLE_NODEV:
        case NLE_OBJ_NOTFOUND:
                return -ENODEV;
        case NLE_PERM:
        case NLE_NOACCESS:
                return -EPERM;
        case NLE_DUMP_INTR:
                return -EAGAIN;
        default:
                return -EIO;
        }
}

static int ask(struct nl_msg *msg, nl_recvmsg_msg_cb_t answer, void *userdata) {
        _cleanup_(nl_socket_freep) struct nl_sock *sock = nl_socket_alloc();

        if (!sock)
                return -ENOMEM;
        nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, answer, userdata);
        int r = nl_connect(sock, NETLINK_ROUTE);
        if (r >= 0) {
                nl_socket_enable_msg_peek(sock); /* an answer of any size */
                nl_socket_disable_auto_ack(sock);
                r = nl_send_auto(sock, msg);
        }
        if (r >= 0)
                r = nl_recvmsgs_default(sock);
        return r < 0 ? error_of(r) : 0;
}

static int on_address(struct nl_msg *msg, void *userdata) {
        struct address_answer *a = userdata;
        struct nlattr *attr = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(struct ifinfomsg), IFLA_PERM_ADDRESS);

        if (attr && nla_len(attr) == (int) sizeof(a->mac.byte)) { /* InfiniBand's has 20 bytes */
                memcpy(a->mac.byte, nla_data(attr), sizeof(a->mac.byte));
                a->found = true;
        }
        return NL_OK;
}

/* A question about one interface. */
static int ask_link(int ifindex, uint32_t mask, nl_recvmsg_msg_cb_t answer, void *userdata) {
        _cleanup_(nlmsg_freep) struct nl_msg *msg = netvf_message_get(ifindex, mask);

        return msg ? ask(msg, answer, userdata) : -ENOMEM;
}

int netlink_permanent_address(int ifindex, struct mac *ret) {
        struct address_answer a = { 0 };
        int r = ask_link(ifindex, RTEXT_FILTER_SKIP_STATS, on_address, &a);

        if (r < 0)
                return r;
        *ret = a.mac;
        return a.found ? 0 : -ENODATA;
}

struct link_answer {
        int (*take)(const void *payload, size_t size, void *userdata);
        void *userdata;
        int error;
};

static int on_link(struct nl_msg *msg, void *userdata) {
        struct nlmsghdr *h = nlmsg_hdr(msg);
        struct link_answer *a = userdata;

        if (h->nlmsg_type == RTM_NEWLINK && a->error >= 0)
                a->error = a->take(nlmsg_data(h), (size_t) nlmsg_datalen(h), a->userdata);
        return NL_OK;
}

int netlink_link(int ifindex, uint32_t mask, int (*take)(const void *payload, size_t size, void *userdata),
                 void *userdata) {
        struct link_answer a = { .take = take, .userdata = userdata };
        int r = ask_link(ifindex, mask, on_link, &a);

        return r < 0 ? r : a.error;
}

static void add_interface(struct routes_answer *a, int ifindex) {
        int *more = reallocarray(a->list, a->n + 1, sizeof(*more));

        if (!more) {
                a->failed = true;
                return;
        }
        a->list = more;
        a->list[a->n++] = ifindex;
}

static int on_route(struct nl_msg *msg, void *userdata) {
        const struct rtmsg *route = nlmsg_data(nlmsg_hdr(msg));
        struct routes_answer *a = userdata;

        if (nlmsg_hdr(msg)->nlmsg_type != RTM_NEWROUTE ||
            nlmsg_datalen(nlmsg_hdr(msg)) < (int) sizeof(*route) || route->rtm_dst_len > 0 ||
            route->rtm_type != RTN_UNICAST)
                return NL_OK;
        struct nlattr *oif = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(*route), RTA_OIF);
        struct nlattr *hops = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(*route), RTA_MULTIPATH);
        if (oif && nla_len(oif) == (int) sizeof(uint32_t))
                add_interface(a, (int) nla_get_u32(oif));
        if (!hops)
                return NL_OK;
        int left = nla_len(hops); /* RTNH_NEXT by hand: clang finds it misaligned */
        for (struct rtnexthop *h = nla_data(hops); left >= (int) sizeof(*h) && RTNH_OK(h, left);
             left -= (int) RTNH_ALIGN(h->rtnh_len), h = (void *) ((char *) h + RTNH_ALIGN(h->rtnh_len)))
                add_interface(a, h->rtnh_ifindex);
        return NL_OK;
}

static int ask_routes(uint8_t family, struct routes_answer *a) {
        struct rtmsg route = { .rtm_family = family };
        _cleanup_(nlmsg_freep) struct nl_msg *msg =
                        nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP);

        if (!msg || nlmsg_append(msg, &route, sizeof(route), NLMSG_ALIGNTO) < 0)
                return -ENOMEM;
        return ask(msg, on_route, a);
}

int netlink_default_routes(int **ret, size_t *ret_n) {
        struct routes_answer a = { 0 };
        int r = ask_routes(AF_INET, &a);

        if (r >= 0)
                r = ask_routes(AF_INET6, &a);
        if (r >= 0 && a.failed)
                r = -ENOMEM;
        if (r < 0) {
                free(a.list);
                return r;
        }
        *ret = a.list;
        *ret_n = a.n;
        return 0;
}
