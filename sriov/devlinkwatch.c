/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sriov/devlinkwatch.h"
#include "sriov/devlink-uapi.h"
#include "sriov/nlwatch.h"

#include <errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdlib.h>

struct devlinkwatch {
        struct nlwatch watch;
        int family;
};

static int watch_open(struct devlinkwatch *w) {
        int group;

        w->watch.sock = nl_socket_alloc();
        if (!w->watch.sock)
                return -ENOMEM;
        if (genl_connect(w->watch.sock) < 0)
                return -EIO;
        w->family = genl_ctrl_resolve(w->watch.sock, DEVLINK_GENL_NAME);
        if (w->family < 0)
                return w->family == -NLE_OBJ_NOTFOUND ? -EOPNOTSUPP : -EIO;
        group = genl_ctrl_resolve_grp(w->watch.sock, DEVLINK_GENL_NAME, DEVLINK_GENL_MCGRP_CONFIG_NAME);
        return group < 0 ? -EIO : nlwatch_join(&w->watch, group);
}

int devlinkwatch_new(struct devlinkwatch **ret) {
        struct devlinkwatch *w = calloc(1, sizeof(*w));
        int r = w ? watch_open(w) : -ENOMEM;

        if (r < 0) {
                devlinkwatch_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

struct devlinkwatch *devlinkwatch_free(struct devlinkwatch *w) {
        if (w)
                nl_socket_free(w->watch.sock);
        free(w);
        return NULL;
}

int devlinkwatch_fd(const struct devlinkwatch *w) {
        return nl_socket_get_fd(w->watch.sock);
}

int devlinkwatch_next(struct devlinkwatch *w, struct devlink_handle *ret) {
        const struct nlmsghdr *h;
        int r;

        while ((r = nlwatch_next(&w->watch, &h)) > 0)
                if (h->nlmsg_type == w->family && h->nlmsg_len >= NLMSG_LENGTH(GENL_HDRLEN) &&
                    devlink_parse_news(NLMSG_DATA(h), h->nlmsg_len - NLMSG_HDRLEN, ret) >= 0)
                        return 1;
        return r;
}
