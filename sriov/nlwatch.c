/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages are told apart by their headers alone, so they are not given to libnl's parsers. */

#include "sriov/nlwatch.h"
#include "common/macro.h"

#include <errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#define RECEIVE_BUFFER (1 << 20)

int nlwatch_join(struct nlwatch *w, int group) {
        if (nl_socket_add_membership(w->sock, group) < 0 || nl_socket_set_nonblocking(w->sock) < 0)
                return -EIO;
        nl_socket_set_buffer_size(w->sock, RECEIVE_BUFFER, 0); /* as much as is allowed */
        return 0;
}

/* 1: there are messages in data; 0: none. */
static int receive(struct nlwatch *w) {
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

int nlwatch_next(struct nlwatch *w, const struct nlmsghdr **ret) {
        for (;;) {
                if (w->left >= sizeof(*w->next) && NLMSG_OK(w->next, w->left)) {
                        size_t size = NLMSG_ALIGN(w->next->nlmsg_len);

                        *ret = w->next;
                        w->left -= MIN(size, w->left);
                        w->next = (struct nlmsghdr *) (void *) ((char *) w->next + size);
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
