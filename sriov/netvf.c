/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the attributes of all VFs of a PF, and telling its driver new ones: sending and waiting. What is
 * sent is made in netvf-message.c, what comes is read in netvf-parse.c. */

#include "sriov/netvf.h"
#include "common/macro.h"
#include "common/net-driver.h"
#include "common/root.h"
#include "sriov/netdev.h"
#include "sriov/netvf-apply.h"
#include "sriov/netvf-message.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
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

static int read_all(void *userdata, struct vf_attributes *ret, size_t n) {
        struct link *l = userdata;
        _cleanup_(nlmsg_freep) struct nl_msg *msg = netvf_message_get(l->ifindex, NETVF_MASK_TOLD);
        struct answer a = { .attributes = ret, .n = n };

        if (!msg)
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

static int send_all(void *userdata, const struct vf_change *changes, size_t n) {
        const struct link *l = userdata;
        struct answer answer = { 0 };

        FOREACH_ARRAY(c, changes, n)
                if (c->attributes.set & NET_PORT_ONLY) /* no port, and no attribute of rtnetlink */
                        return -EOPNOTSUPP;
        _cleanup_(nlmsg_freep) struct nl_msg *msg = netvf_message_set(l->ifindex, changes, n);
        return msg ? ask(msg, &answer) : -ENOMEM;
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
