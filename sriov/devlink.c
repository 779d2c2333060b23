/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions and orders to devlink. The kernel's errno and its text are kept, which libnl would lose. */

#include "sriov/devlink.h"
#include "common/macro.h"
#include "sriov/devlink-message.h"
#include "sriov/devlink-uapi.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>

#define TRIES_MAX 10U /* of a list that changes while it is read */

DEFINE_CLEANUP(struct nl_sock *, nl_socket_free)
DEFINE_CLEANUP(struct nl_msg *, nlmsg_free)

struct request {
        struct nl_sock *sock;
        struct nl_msg *msg;
        int family;
        const struct devlink_handle *handle;
        struct devlink_detail *detail;
        int error; /* the kernel's, or of parsing */
        bool done; /* the kernel has ended its answer */

        /* answers: those of the caller that are not NULL */
        enum eswitch_mode *mode;
        struct devlink_port **ports;
        size_t n_ports;
        struct devlink_rate *rate;
        uint32_t port;
        bool found;
};

static void request_done(struct request *q) {
        nl_socket_freep(&q->sock);
        nlmsg_freep(&q->msg);
}

static int add_port(struct request *q, const void *attributes, size_t size) {
        struct devlink_port p, *more;
        int r = devlink_parse_port(attributes, size, q->handle, &p);

        if (r < 0)
                return r;
        more = reallocarray(*q->ports, q->n_ports + 1, sizeof(*more));
        if (!more)
                return -ENOMEM;
        *q->ports = more;
        more[q->n_ports++] = p;
        return 0;
}

static int on_valid(struct nl_msg *msg, void *userdata) {
        struct nlmsghdr *h = nlmsg_hdr(msg);
        struct request *q = userdata;
        int r;

        if (!genlmsg_valid_hdr(h, 0)) {
                q->error = -EBADMSG;
                return NL_OK;
        }
        const struct genlmsghdr *g = nlmsg_data(h);
        const void *attributes = genlmsg_attrdata(g, 0);
        size_t size = (size_t) genlmsg_attrlen(g, 0);
        if (q->mode)
                r = devlink_parse_eswitch(attributes, size, q->handle, q->mode);
        else if (q->rate)
                r = devlink_parse_rate(attributes, size, q->handle, q->port, q->rate);
        else if (q->ports)
                r = add_port(q, attributes, size);
        else
                return NL_OK;
        if (r >= 0)
                q->found = true;
        else if (r != -ENOENT && q->error == 0) /* kernels before 6.5 list all devices */
                q->error = r;
        return NL_OK;
}

/* What follows the error's number and, unless the kernel was asked to leave it away, the whole request. */
static void keep_detail(struct request *q, const struct nlmsghdr *h, size_t head) {
        if (h->nlmsg_flags & NLM_F_ACK_TLVS && h->nlmsg_len > NLMSG_HDRLEN + head)
                devlink_parse_detail((const char *) h + NLMSG_HDRLEN + head,
                                     h->nlmsg_len - NLMSG_HDRLEN - head, q->detail);
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *userdata) {
        const struct nlmsghdr *h = (const void *) ((const char *) e - NLMSG_HDRLEN);
        struct request *q = userdata;

        q->error = e->error;
        q->done = true;
        keep_detail(q, h, NLMSG_ALIGN(sizeof(*e))); /* capped: NETLINK_CAP_ACK */
        return NL_STOP;
}

static int on_ack(struct nl_msg *msg, void *userdata) {
        struct request *q = userdata;

        q->done = true;
        return NL_STOP;
}

/* A list that failed ends with the error as its last word, which libnl does not look at. */
static int on_finish(struct nl_msg *msg, void *userdata) {
        struct nlmsghdr *h = nlmsg_hdr(msg);
        struct request *q = userdata;
        int error = 0;

        if (nlmsg_datalen(h) >= (int) sizeof(error))
                memcpy(&error, nlmsg_data(h), sizeof(error));
        if (error < 0)
                q->error = error;
        q->done = true;
        keep_detail(q, h, NLMSG_ALIGN(sizeof(error)));
        return NL_STOP;
}

/* The socket, the number of the family, and an empty message. */
static int request_open(struct request *q) {
        const int on = 1;

        q->detail->text[0] = '\0';
        q->sock = nl_socket_alloc();
        q->msg = nlmsg_alloc();
        if (!q->sock || !q->msg)
                return -ENOMEM;
        if (genl_connect(q->sock) < 0)
                return -EIO;
        q->family = genl_ctrl_resolve(q->sock, DEVLINK_GENL_NAME);
        if (q->family < 0)
                return q->family == -NLE_OBJ_NOTFOUND ? -EOPNOTSUPP : -EIO; /* a kernel without it */
        int fd = nl_socket_get_fd(q->sock);
        if (setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) < 0 ||
            setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) < 0)
                return -errno;
        return 0;
}

static int request_send(struct request *q) {
        nl_socket_enable_msg_peek(q->sock); /* an answer of any size */
        nl_socket_modify_cb(q->sock, NL_CB_VALID, NL_CB_CUSTOM, on_valid, q);
        nl_socket_modify_cb(q->sock, NL_CB_ACK, NL_CB_CUSTOM, on_ack, q);
        nl_socket_modify_cb(q->sock, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, q);
        nl_socket_modify_err_cb(q->sock, NL_CB_CUSTOM, on_error, q);
        if (nl_send_auto(q->sock, q->msg) < 0)
                return -EIO;
        while (!q->done) {
                int r = nl_recvmsgs_default(q->sock);
                if (r == -NLE_DUMP_INTR)
                        return -EAGAIN;
                if (r < 0 && !q->done)
                        return -EIO;
        }
        return q->error;
}

int devlink_eswitch_get(const struct devlink_handle *h, enum eswitch_mode *ret,
                        struct devlink_detail *detail) {
        _cleanup_(request_done) struct request q = { .handle = h, .detail = detail, .mode = ret };
        int r = request_open(&q);

        if (r >= 0)
                r = devlink_ask_eswitch(q.msg, q.family, h);
        if (r >= 0)
                r = request_send(&q);
        return r < 0 ? r : q.found ? 0 : -EBADMSG;
}

int devlink_eswitch_set(const struct devlink_handle *h, enum eswitch_mode mode,
                        struct devlink_detail *detail) {
        _cleanup_(request_done) struct request q = { .handle = h, .detail = detail };
        enum eswitch_mode now;
        int r = request_open(&q);

        if (r >= 0)
                r = devlink_tell_eswitch(q.msg, q.family, h, mode);
        if (r >= 0)
                r = request_send(&q);
        if (r >= 0)
                r = devlink_eswitch_get(h, &now, detail);
        return r < 0 ? r : now == mode ? 0 : -EIO;
}

static int ports_once(const struct devlink_handle *h, struct devlink_port **ret, size_t *ret_n,
                      struct devlink_detail *detail) {
        _cleanup_free_ struct devlink_port *list = NULL;
        _cleanup_(request_done) struct request q = { .handle = h, .detail = detail, .ports = &list };
        int r = request_open(&q);

        if (r >= 0)
                r = devlink_ask_ports(q.msg, q.family, h);
        if (r >= 0)
                r = request_send(&q);
        if (r < 0)
                return r;
        *ret_n = q.n_ports;
        *ret = TAKE_PTR(list);
        return 0;
}

int devlink_ports(const struct devlink_handle *h, struct devlink_port **ret, size_t *ret_n,
                  struct devlink_detail *detail) {
        int r = -EAGAIN;

        for (unsigned tries = 0; r == -EAGAIN && tries < TRIES_MAX; tries++)
                r = ports_once(h, ret, ret_n, detail);
        return r;
}

int devlink_port_get(const struct devlink_handle *h, uint32_t port, struct devlink_port *ret,
                     struct devlink_detail *detail) {
        _cleanup_free_ struct devlink_port *list = NULL;
        _cleanup_(request_done) struct request q = { .handle = h, .detail = detail, .ports = &list };
        int r = request_open(&q);

        if (r >= 0)
                r = devlink_ask_port(q.msg, q.family, h, port);
        if (r >= 0)
                r = request_send(&q);
        if (r < 0)
                return r;
        if (!list || q.n_ports != 1 || list[0].index != port)
                return -EBADMSG;
        *ret = list[0];
        return 0;
}

static bool function_is(const struct devlink_function *now, const struct devlink_function *want) {
        if (want->set & ~now->set)
                return false;
        return (!(want->set & FUNCTION_HW_ADDR) ||
                mac_to_number(now->hw_addr) == mac_to_number(want->hw_addr)) &&
               (!(want->set & FUNCTION_STATE) || now->active == want->active) &&
               (!(want->set & FUNCTION_MAX_IO_EQS) || now->max_io_eqs == want->max_io_eqs);
}

int devlink_function_set(const struct devlink_handle *h, uint32_t port, const struct devlink_function *want,
                         struct devlink_detail *detail) {
        _cleanup_(request_done) struct request q = { .handle = h, .detail = detail };
        struct devlink_port now;
        int r = request_open(&q);

        if (r >= 0)
                r = devlink_tell_function(q.msg, q.family, h, port, want);
        if (r >= 0)
                r = request_send(&q);
        if (r >= 0)
                r = devlink_port_get(h, port, &now, detail);
        return r < 0 ? r : function_is(&now.function, want) ? 0 : -EIO;
}

int devlink_rate_get(const struct devlink_handle *h, uint32_t port, struct devlink_rate *ret,
                     struct devlink_detail *detail) {
        _cleanup_(request_done) struct request q = {
                .handle = h, .detail = detail, .rate = ret, .port = port
        };
        int r = request_open(&q);

        if (r >= 0)
                r = devlink_ask_rate(q.msg, q.family, h, port);
        if (r >= 0)
                r = request_send(&q);
        return r < 0 ? r : q.found ? 0 : -EBADMSG;
}

int devlink_rate_set(const struct devlink_handle *h, uint32_t port, const struct devlink_rate *want,
                     struct devlink_detail *detail) {
        _cleanup_(request_done) struct request q = { .handle = h, .detail = detail };
        struct devlink_rate now;
        int r = request_open(&q);

        if (r >= 0)
                r = devlink_tell_rate(q.msg, q.family, h, port, want);
        if (r >= 0)
                r = request_send(&q);
        if (r >= 0)
                r = devlink_rate_get(h, port, &now, detail);
        return r < 0 ? r : now.tx_share == want->tx_share && now.tx_max == want->tx_max ? 0 : -EIO;
}
