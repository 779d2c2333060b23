/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages are told apart by their headers alone, so they are not given to libnl's parsers. */

#include "sriov/linkwatch.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <sys/socket.h>

#define RECEIVE_BUFFER (1 << 20)

struct linkwatch {
        struct nl_sock *sock;
        _Alignas(struct nlmsghdr) char data[64 * 1024];
        struct nlmsghdr *next; /* in data */
        size_t left;
};

int linkwatch_new(struct linkwatch **ret) {
        struct linkwatch *w = calloc(1, sizeof(*w));

        if (!w || !(w->sock = nl_socket_alloc())) {
                free(w);
                return -ENOMEM;
        }
        if (nl_connect(w->sock, NETLINK_ROUTE) < 0 || nl_socket_add_membership(w->sock, RTNLGRP_LINK) < 0 ||
            nl_socket_set_nonblocking(w->sock) < 0) {
                linkwatch_free(w);
                return -EIO;
        }
        nl_socket_set_buffer_size(w->sock, RECEIVE_BUFFER, 0); /* as much as is allowed */
        *ret = w;
        return 0;
}

struct linkwatch *linkwatch_free(struct linkwatch *w) {
        if (w)
                nl_socket_free(w->sock);
        free(w);
        return NULL;
}

int linkwatch_fd(const struct linkwatch *w) {
        return nl_socket_get_fd(w->sock);
}

/* 1: there are messages in data; 0: none. */
static int receive(struct linkwatch *w) {
        struct sockaddr_nl from = { 0 };
        socklen_t size = sizeof(from);
        ssize_t n = recvfrom(nl_socket_get_fd(w->sock), w->data, sizeof(w->data), MSG_DONTWAIT,
                             (struct sockaddr *) &from, &size);

        if (n < 0)
                return errno == EAGAIN ? 0 : -errno;
        w->next = (struct nlmsghdr *) (void *) w->data;
        w->left = from.nl_pid == 0 ? (size_t) n
                                   : 0; /* what another process sends is no news of the kernel's */
        return 1;
}

int linkwatch_next(struct linkwatch *w, int *ret_ifindex) {
        for (;;) {
                while (w->left >= sizeof(*w->next) && NLMSG_OK(w->next, w->left)) {
                        const struct nlmsghdr *h = w->next;
                        const struct ifinfomsg *info = NLMSG_DATA(h);
                        size_t size = NLMSG_ALIGN(h->nlmsg_len);

                        w->left -= MIN(size, w->left);
                        w->next = (struct nlmsghdr *) (void *) ((char *) w->next + size);
                        if ((h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK) ||
                            h->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
                                continue;
                        *ret_ifindex = info->ifi_index;
                        return 1;
                }
                w->left = 0;
                int r = receive(w);
                if (r == -EINTR)
                        continue;
                if (r <= 0)
                        return r;
        }
}
