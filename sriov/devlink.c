/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions and orders to devlink. The kernel's errno and its text are kept, which libnl would lose. */

#include "sriov/devlink.h"
#include "common/macro.h"
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

static int request_open(struct request *q, uint8_t command, int flags) {
        const int on = 1;
        int family;

        q->detail->text[0] = '\0';
        q->sock = nl_socket_alloc();
        q->msg = nlmsg_alloc();
        if (!q->sock || !q->msg)
                return -ENOMEM;
        if (genl_connect(q->sock) < 0)
                return -EIO;
        family = genl_ctrl_resolve(q->sock, DEVLINK_GENL_NAME);
        if (family < 0)
                return family == -NLE_OBJ_NOTFOUND ? -EOPNOTSUPP : -EIO; /* a kernel without it */
        int fd = nl_socket_get_fd(q->sock);
        if (setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) < 0 ||
            setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) < 0)
                return -errno;
        if (!genlmsg_put(q->msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_REQUEST | flags, command,
                         DEVLINK_GENL_VERSION) ||
            nla_put_string(q->msg, DEVLINK_ATTR_BUS_NAME, q->handle->bus) < 0 ||
            nla_put_string(q->msg, DEVLINK_ATTR_DEV_NAME, q->handle->device) < 0)
                return -ENOMEM;
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
        int r = request_open(&q, DEVLINK_CMD_ESWITCH_GET, NLM_F_ACK);

        if (r >= 0)
                r = request_send(&q);
        return r < 0 ? r : q.found ? 0 : -EBADMSG;
}

int devlink_eswitch_set(const struct devlink_handle *h, enum eswitch_mode mode,
                        struct devlink_detail *detail) {
        _cleanup_(request_done) struct request q = { .handle = h, .detail = detail };
        uint16_t value = mode == ESWITCH_SWITCHDEV ? DEVLINK_ESWITCH_MODE_SWITCHDEV
                                                   : DEVLINK_ESWITCH_MODE_LEGACY;
        enum eswitch_mode now;
        int r = request_open(&q, DEVLINK_CMD_ESWITCH_SET, NLM_F_ACK);

        if (r >= 0 && nla_put_u16(q.msg, DEVLINK_ATTR_ESWITCH_MODE, value) < 0)
                r = -ENOMEM;
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
        int r = request_open(&q, DEVLINK_CMD_PORT_GET, NLM_F_DUMP);

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
        int r = request_open(&q, DEVLINK_CMD_PORT_GET, NLM_F_ACK);

        if (r >= 0 && nla_put_u32(q.msg, DEVLINK_ATTR_PORT_INDEX, port) < 0)
                r = -ENOMEM;
        if (r >= 0)
                r = request_send(&q);
        if (r < 0)
                return r;
        if (!list || q.n_ports != 1 || list[0].index != port)
                return -EBADMSG;
        *ret = list[0];
        return 0;
}

static int put_function(struct nl_msg *msg, const struct devlink_function *f) {
        struct nlattr *nest = nla_nest_start(msg, DEVLINK_ATTR_PORT_FUNCTION | NLA_F_NESTED);
        int r = nest ? 0 : -NLE_NOMEM;

        if (r >= 0 && f->set & FUNCTION_HW_ADDR)
                r = nla_put(msg, DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, sizeof(f->hw_addr.byte),
                            f->hw_addr.byte);
        if (r >= 0 && f->set & FUNCTION_STATE)
                r = nla_put_u8(msg, DEVLINK_PORT_FN_ATTR_STATE,
                               f->active ? DEVLINK_PORT_FN_STATE_ACTIVE : DEVLINK_PORT_FN_STATE_INACTIVE);
        if (r >= 0 && f->set & FUNCTION_MAX_IO_EQS)
                r = nla_put_u32(msg, FN_ATTR_MAX_IO_EQS, f->max_io_eqs);
        return r < 0 ? r : nla_nest_end(msg, nest);
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

        detail->text[0] = '\0';
        if (!want->set || want->set & ~(FUNCTION_HW_ADDR | FUNCTION_STATE | FUNCTION_MAX_IO_EQS))
                return -EINVAL;
        int r = request_open(&q, DEVLINK_CMD_PORT_SET, NLM_F_ACK);
        if (r >= 0 &&
            (nla_put_u32(q.msg, DEVLINK_ATTR_PORT_INDEX, port) < 0 || put_function(q.msg, want) < 0))
                r = -ENOMEM;
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
        int r = request_open(&q, DEVLINK_CMD_RATE_GET, NLM_F_ACK);

        if (r >= 0 && nla_put_u32(q.msg, DEVLINK_ATTR_PORT_INDEX, port) < 0)
                r = -ENOMEM;
        if (r >= 0)
                r = request_send(&q);
        return r < 0 ? r : q.found ? 0 : -EBADMSG;
}

int devlink_rate_set(const struct devlink_handle *h, uint32_t port, const struct devlink_rate *want,
                     struct devlink_detail *detail) {
        _cleanup_(request_done) struct request q = { .handle = h, .detail = detail };
        struct devlink_rate now;
        int r = request_open(&q, DEVLINK_CMD_RATE_SET, NLM_F_ACK);

        if (r >= 0 && (nla_put_u32(q.msg, DEVLINK_ATTR_PORT_INDEX, port) < 0 ||
                       nla_put_u64(q.msg, DEVLINK_ATTR_RATE_TX_SHARE, want->tx_share) < 0 ||
                       nla_put_u64(q.msg, DEVLINK_ATTR_RATE_TX_MAX, want->tx_max) < 0))
                r = -ENOMEM;
        if (r >= 0)
                r = request_send(&q);
        if (r >= 0)
                r = devlink_rate_get(h, port, &now, detail);
        return r < 0 ? r : now.tx_share == want->tx_share && now.tx_max == want->tx_max ? 0 : -EIO;
}
