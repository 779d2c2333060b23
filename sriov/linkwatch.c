/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sriov/linkwatch.h"
#include "sriov/nlwatch.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdlib.h>

struct linkwatch {
        struct nlwatch watch;
};

int linkwatch_new(struct linkwatch **ret) {
        struct linkwatch *w = calloc(1, sizeof(*w));

        if (!w || !(w->watch.sock = nl_socket_alloc())) {
                free(w);
                return -ENOMEM;
        }
        if (nl_connect(w->watch.sock, NETLINK_ROUTE) < 0 || nlwatch_join(&w->watch, RTNLGRP_LINK) < 0) {
                linkwatch_free(w);
                return -EIO;
        }
        *ret = w;
        return 0;
}

struct linkwatch *linkwatch_free(struct linkwatch *w) {
        if (w)
                nl_socket_free(w->watch.sock);
        free(w);
        return NULL;
}

int linkwatch_fd(const struct linkwatch *w) {
        return nl_socket_get_fd(w->watch.sock);
}

int linkwatch_next(struct linkwatch *w, int *ret_ifindex) {
        const struct nlmsghdr *h;
        int r;

        while ((r = nlwatch_next(&w->watch, &h)) > 0) {
                const struct ifinfomsg *info = NLMSG_DATA(h);

                if ((h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK) ||
                    h->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
                        continue;
                *ret_ifindex = info->ifi_index;
                return 1;
        }
        return r;
}
