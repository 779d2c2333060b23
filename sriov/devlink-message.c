/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sriov/devlink-message.h"
#include "sriov/devlink-uapi.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

static int begin(struct nl_msg *msg, int family, uint8_t command, int flags, const struct devlink_handle *h) {
        if (!genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_REQUEST | flags, command,
                         DEVLINK_GENL_VERSION) ||
            nla_put_string(msg, DEVLINK_ATTR_BUS_NAME, h->bus) < 0 ||
            nla_put_string(msg, DEVLINK_ATTR_DEV_NAME, h->device) < 0)
                return -ENOMEM;
        return 0;
}

/* About one port. */
static int begin_port(struct nl_msg *msg, int family, uint8_t command, const struct devlink_handle *h,
                      uint32_t port) {
        int r = begin(msg, family, command, NLM_F_ACK, h);

        return r < 0 ? r : nla_put_u32(msg, DEVLINK_ATTR_PORT_INDEX, port) < 0 ? -ENOMEM : 0;
}

int devlink_ask_eswitch(struct nl_msg *msg, int family, const struct devlink_handle *h) {
        return begin(msg, family, DEVLINK_CMD_ESWITCH_GET, NLM_F_ACK, h);
}

int devlink_tell_eswitch(struct nl_msg *msg, int family, const struct devlink_handle *h,
                         enum eswitch_mode mode) {
        uint16_t value = mode == ESWITCH_SWITCHDEV ? DEVLINK_ESWITCH_MODE_SWITCHDEV
                                                   : DEVLINK_ESWITCH_MODE_LEGACY;
        int r = begin(msg, family, DEVLINK_CMD_ESWITCH_SET, NLM_F_ACK, h);

        return r < 0 ? r : nla_put_u16(msg, DEVLINK_ATTR_ESWITCH_MODE, value) < 0 ? -ENOMEM : 0;
}

int devlink_ask_ports(struct nl_msg *msg, int family, const struct devlink_handle *h) {
        return begin(msg, family, DEVLINK_CMD_PORT_GET, NLM_F_DUMP, h);
}

int devlink_ask_port(struct nl_msg *msg, int family, const struct devlink_handle *h, uint32_t port) {
        return begin_port(msg, family, DEVLINK_CMD_PORT_GET, h, port);
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
        if (r >= 0)
                nla_nest_end(msg, nest);
        return r < 0 ? -ENOMEM : 0;
}

int devlink_tell_function(struct nl_msg *msg, int family, const struct devlink_handle *h, uint32_t port,
                          const struct devlink_function *f) {
        if (!f->set || f->set & ~(FUNCTION_HW_ADDR | FUNCTION_STATE | FUNCTION_MAX_IO_EQS))
                return -EINVAL;
        int r = begin_port(msg, family, DEVLINK_CMD_PORT_SET, h, port);
        return r < 0 ? r : put_function(msg, f);
}

int devlink_ask_rate(struct nl_msg *msg, int family, const struct devlink_handle *h, uint32_t port) {
        return begin_port(msg, family, DEVLINK_CMD_RATE_GET, h, port);
}

int devlink_tell_rate(struct nl_msg *msg, int family, const struct devlink_handle *h, uint32_t port,
                      const struct devlink_rate *rate) {
        int r = begin_port(msg, family, DEVLINK_CMD_RATE_SET, h, port);

        if (r >= 0 && (nla_put_u64(msg, DEVLINK_ATTR_RATE_TX_SHARE, rate->tx_share) < 0 ||
                       nla_put_u64(msg, DEVLINK_ATTR_RATE_TX_MAX, rate->tx_max) < 0))
                r = -ENOMEM;
        return r;
}
