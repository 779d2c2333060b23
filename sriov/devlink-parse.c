/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of the family "devlink", as net/devlink/ fills them. */

#include "common/macro.h"
#include "sriov/devlink-uapi.h"
#include "sriov/devlink.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <string.h>

static struct nlattr *find(const void *attributes, size_t size, int type) {
        if (!attributes || size < NLA_HDRLEN || size > INT32_MAX)
                return NULL;
        return nla_find((struct nlattr *) (uintptr_t) attributes, (int) size, type);
}

/* A number of exactly this size. Copied: 64 bits are aligned to 4 only. */
static bool number(struct nlattr *a, void *ret, size_t size) {
        if (!a || nla_len(a) != (int) size)
                return false;
        memcpy(ret, nla_data(a), size);
        return true;
}

static bool text_is(struct nlattr *a, const char *s) {
        size_t n = strlen(s) + 1;

        return a && nla_len(a) == (int) n && memcmp(nla_data(a), s, n) == 0;
}

static int check_handle(const void *attributes, size_t size, const struct devlink_handle *h) {
        struct nlattr *bus = find(attributes, size, DEVLINK_ATTR_BUS_NAME);
        struct nlattr *device = find(attributes, size, DEVLINK_ATTR_DEV_NAME);

        if (!bus || !device)
                return -EBADMSG;
        return text_is(bus, h->bus) && text_is(device, h->device) ? 0 : -ENOENT;
}

int devlink_parse_eswitch(const void *attributes, size_t size, const struct devlink_handle *h,
                          enum eswitch_mode *ret) {
        int r = check_handle(attributes, size, h);
        uint16_t mode;

        if (r < 0)
                return r;
        if (!number(find(attributes, size, DEVLINK_ATTR_ESWITCH_MODE), &mode, sizeof(mode)))
                return -EBADMSG;
        if (mode == DEVLINK_ESWITCH_MODE_LEGACY)
                *ret = ESWITCH_LEGACY;
        else if (mode == DEVLINK_ESWITCH_MODE_SWITCHDEV)
                *ret = ESWITCH_SWITCHDEV;
        else
                return -EBADMSG; /* such as the inactive switch of later kernels, which forwards nothing */
        return 0;
}

static void take_function(struct nlattr *nest, struct devlink_function *ret) {
        struct nla_bitfield32 caps;
        uint8_t byte;

        if (!nest)
                return;
        const void *in = nla_data(nest);
        size_t size = (size_t) nla_len(nest);
        if (number(find(in, size, DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR), ret->hw_addr.byte,
                   sizeof(ret->hw_addr.byte))) /* InfiniBand's has 20 bytes */
                ret->set |= FUNCTION_HW_ADDR;
        if (number(find(in, size, DEVLINK_PORT_FN_ATTR_STATE), &byte, 1) && byte <= 1) {
                ret->set |= FUNCTION_STATE;
                ret->active = byte == DEVLINK_PORT_FN_STATE_ACTIVE;
        }
        if (number(find(in, size, DEVLINK_PORT_FN_ATTR_OPSTATE), &byte, 1) && byte <= 1) {
                ret->set |= FUNCTION_OPSTATE;
                ret->attached = byte == DEVLINK_PORT_FN_OPSTATE_ATTACHED;
        }
        if (number(find(in, size, FN_ATTR_CAPS), &caps, sizeof(caps))) {
                ret->set |= FUNCTION_CAPS;
                ret->caps = caps.value & caps.selector;
        }
        if (number(find(in, size, FN_ATTR_MAX_IO_EQS), &ret->max_io_eqs, sizeof(ret->max_io_eqs)))
                ret->set |= FUNCTION_MAX_IO_EQS;
}

/* Whole, or not at all: a name that is cut would be another interface's. */
static void take_netdev(struct nlattr *a, char name[DEVLINK_NETDEV_MAX]) {
        size_t n = a ? strnlen(nla_data(a), (size_t) nla_len(a)) : 0;

        if (n > 0 && n < DEVLINK_NETDEV_MAX && n < (size_t) nla_len(a))
                memcpy(name, nla_data(a), n + 1);
}

int devlink_parse_port(const void *attributes, size_t size, const struct devlink_handle *h,
                       struct devlink_port *ret) {
        struct devlink_port p = { 0 };
        uint8_t external;
        int r = check_handle(attributes, size, h);

        if (r < 0)
                return r;
        if (!number(find(attributes, size, DEVLINK_ATTR_PORT_INDEX), &p.index, sizeof(p.index)))
                return -EBADMSG;
        if (number(find(attributes, size, DEVLINK_ATTR_PORT_FLAVOUR), &p.flavour, sizeof(p.flavour)))
                p.set |= PORT_HAS_FLAVOUR;
        if (number(find(attributes, size, DEVLINK_ATTR_PORT_PCI_PF_NUMBER), &p.pf, sizeof(p.pf)))
                p.set |= PORT_HAS_PF;
        if (number(find(attributes, size, DEVLINK_ATTR_PORT_PCI_VF_NUMBER), &p.vf, sizeof(p.vf)))
                p.set |= PORT_HAS_VF;
        if (number(find(attributes, size, DEVLINK_ATTR_PORT_CONTROLLER_NUMBER), &p.controller,
                   sizeof(p.controller)))
                p.set |= PORT_HAS_CONTROLLER;
        p.external = number(find(attributes, size, DEVLINK_ATTR_PORT_EXTERNAL), &external, 1) && external;
        (void) number(find(attributes, size, DEVLINK_ATTR_PORT_NETDEV_IFINDEX), &p.ifindex,
                      sizeof(p.ifindex));
        take_netdev(find(attributes, size, DEVLINK_ATTR_PORT_NETDEV_NAME), p.netdev);
        take_function(find(attributes, size, DEVLINK_ATTR_PORT_FUNCTION), &p.function);
        *ret = p;
        return 0;
}

int devlink_parse_rate(const void *attributes, size_t size, const struct devlink_handle *h, uint32_t port,
                       struct devlink_rate *ret) {
        struct devlink_rate rate;
        uint32_t index;
        int r = check_handle(attributes, size, h);

        if (r < 0)
                return r;
        if (!number(find(attributes, size, DEVLINK_ATTR_PORT_INDEX), &index, sizeof(index)) ||
            !number(find(attributes, size, DEVLINK_ATTR_RATE_TX_SHARE), &rate.tx_share, sizeof(uint64_t)) ||
            !number(find(attributes, size, DEVLINK_ATTR_RATE_TX_MAX), &rate.tx_max, sizeof(uint64_t)))
                return -EBADMSG;
        if (index != port)
                return -ENOENT;
        *ret = rate;
        return 0;
}

void devlink_parse_detail(const void *attributes, size_t size, struct devlink_detail *ret) {
        struct nlattr *a = find(attributes, size, NLMSGERR_ATTR_MSG);
        const char *s = a ? nla_data(a) : NULL;
        size_t n = a ? strnlen(s, MIN((size_t) nla_len(a), sizeof(ret->text) - 1)) : 0;

        for (size_t i = 0; i < n; i++)
                ret->text[i] = (char) (s[i] >= 0x20 && s[i] < 0x7f ? s[i] : '?');
        ret->text[n] = '\0';
}

static bool copy_text(struct nlattr *a, char *ret, size_t size) {
        if (!a || nla_len(a) < 2 || (size_t) nla_len(a) > size)
                return false;
        memcpy(ret, nla_data(a), (size_t) nla_len(a));
        return strnlen(ret, size) == (size_t) nla_len(a) - 1;
}

static bool is_of_switch(uint8_t command) {
        static const uint8_t commands[] = {
                DEVLINK_CMD_NEW,      DEVLINK_CMD_DEL,      DEVLINK_CMD_PORT_NEW,
                DEVLINK_CMD_PORT_DEL, DEVLINK_CMD_RATE_NEW, DEVLINK_CMD_RATE_DEL
        };

        return memchr(commands, command, sizeof(commands)) != NULL;
}

int devlink_parse_news(const void *message, size_t size, struct devlink_handle *ret) {
        const struct genlmsghdr *g = message;
        const char *attributes = (const char *) message + GENL_HDRLEN;
        struct devlink_handle h = { 0 };

        if (size < GENL_HDRLEN)
                return -EBADMSG;
        if (!is_of_switch(g->cmd))
                return -ENOENT;
        if (!copy_text(find(attributes, size - GENL_HDRLEN, DEVLINK_ATTR_BUS_NAME), h.bus, sizeof(h.bus)) ||
            !copy_text(find(attributes, size - GENL_HDRLEN, DEVLINK_ATTR_DEV_NAME), h.device,
                       sizeof(h.device)))
                return -EBADMSG;
        *ret = h;
        return 0;
}
