/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/devlink-parse: messages laid out as net/devlink/port.c and rate.c fill them. */

#include "common/macro.h"
#include "sriov/devlink-uapi.h"
#include "sriov/devlink.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

static const struct devlink_handle card = { "pci", "0000:06:00.0" };

static struct nl_msg *message(void) {
        struct nl_msg *m = nlmsg_alloc_simple(16, 0);

        assert_non_null(m);
        nla_put_string(m, DEVLINK_ATTR_BUS_NAME, card.bus);
        nla_put_string(m, DEVLINK_ATTR_DEV_NAME, card.device);
        return m;
}

static const void *data(struct nl_msg *m) {
        return nlmsg_data(nlmsg_hdr(m));
}

static size_t size(struct nl_msg *m) {
        return (size_t) nlmsg_datalen(nlmsg_hdr(m));
}

static struct nl_msg *port_message(void) {
        static const uint8_t mac[] = { 2, 0, 0, 0, 0, 5 };
        struct nla_bitfield32 caps = { .value = 3, .selector = 2 };
        struct nl_msg *m = message();

        nla_put_u32(m, DEVLINK_ATTR_PORT_INDEX, 70000);
        nla_put_u16(m, DEVLINK_ATTR_PORT_FLAVOUR, DEVLINK_PORT_FLAVOUR_PCI_VF);
        nla_put_u32(m, DEVLINK_ATTR_PORT_CONTROLLER_NUMBER, 1);
        nla_put_u16(m, DEVLINK_ATTR_PORT_PCI_PF_NUMBER, 1);
        nla_put_u16(m, DEVLINK_ATTR_PORT_PCI_VF_NUMBER, 5);
        nla_put_u8(m, DEVLINK_ATTR_PORT_EXTERNAL, 1);
        nla_put_u32(m, DEVLINK_ATTR_PORT_NETDEV_IFINDEX, 9);
        nla_put_string(m, DEVLINK_ATTR_PORT_NETDEV_NAME, "eth5");
        struct nlattr *nest = nla_nest_start(m, DEVLINK_ATTR_PORT_FUNCTION | NLA_F_NESTED);
        nla_put(m, DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, sizeof(mac), mac);
        nla_put_u8(m, DEVLINK_PORT_FN_ATTR_STATE, DEVLINK_PORT_FN_STATE_ACTIVE);
        nla_put_u8(m, DEVLINK_PORT_FN_ATTR_OPSTATE, DEVLINK_PORT_FN_OPSTATE_DETACHED);
        nla_put(m, FN_ATTR_CAPS, sizeof(caps), &caps);
        nla_put_u32(m, FN_ATTR_MAX_IO_EQS, 64);
        nla_nest_end(m, nest);
        return m;
}

static void test_port(void **state) {
        struct nl_msg *m = port_message();
        struct devlink_handle other = { "pci", "0000:06:00.1" };
        struct devlink_port p;

        assert_int_equal(devlink_parse_port(data(m), size(m), &card, &p), 0);
        assert_int_equal(p.index, 70000);
        assert_int_equal(p.set, 0x0f);
        assert_int_equal(p.flavour, DEVLINK_PORT_FLAVOUR_PCI_VF);
        assert_int_equal(p.controller, 1);
        assert_int_equal(p.pf, 1);
        assert_int_equal(p.vf, 5);
        assert_true(p.external);
        assert_int_equal(p.ifindex, 9);
        assert_string_equal(p.netdev, "eth5");
        assert_int_equal(p.function.set, 0x1f);
        assert_int_equal(mac_to_number(p.function.hw_addr), 0x020000000005);
        assert_true(p.function.active);
        assert_false(p.function.attached);
        assert_int_equal(p.function.caps, 2);
        assert_int_equal(p.function.max_io_eqs, 64);
        assert_int_equal(devlink_parse_port(data(m), size(m), &other, &p), -ENOENT);
        nlmsg_free(m);
}

static void test_eswitch(void **state) {
        static const int want[] = { 0, 0, -EBADMSG, -EBADMSG };
        enum eswitch_mode mode;

        for (uint16_t i = 0; i < ARRAY_SIZE(want); i++) {
                struct nl_msg *m = message();

                nla_put_u16(m, DEVLINK_ATTR_ESWITCH_MODE, i);
                assert_int_equal(devlink_parse_eswitch(data(m), size(m), &card, &mode), want[i]);
                assert_true(want[i] < 0 || mode == (i == 0 ? ESWITCH_LEGACY : ESWITCH_SWITCHDEV));
                nlmsg_free(m);
        }
        assert_int_equal(devlink_parse_eswitch(NULL, 0, &card, &mode), -EBADMSG);
}

static void test_rate(void **state) {
        struct nl_msg *m = message();
        struct devlink_rate rate;

        nla_put_u32(m, DEVLINK_ATTR_PORT_INDEX, 3);
        assert_int_equal(devlink_parse_rate(data(m), size(m), &card, 3, &rate), -EBADMSG);
        nla_put_u64(m, DEVLINK_ATTR_RATE_TX_SHARE, 1 * BYTES_PER_MBIT);
        nla_put_u64(m, DEVLINK_ATTR_RATE_TX_MAX, UINT32_MAX * BYTES_PER_MBIT);
        assert_int_equal(devlink_parse_rate(data(m), size(m), &card, 3, &rate), 0);
        assert_true(rate.tx_share == 125000 && rate.tx_max == 4294967295ULL * 125000);
        assert_int_equal(devlink_parse_rate(data(m), size(m), &card, 4, &rate), -ENOENT);
        nlmsg_free(m);
}

static void test_detail(void **state) {
        struct nl_msg *m = nlmsg_alloc_simple(NLMSG_ERROR, 0);
        struct devlink_detail detail;
        char lengthy[400];

        devlink_parse_detail(NULL, 0, &detail);
        assert_string_equal(detail.text, "");
        nla_put_string(m, NLMSGERR_ATTR_MSG, "Not\nfor\x1b you");
        devlink_parse_detail(data(m), size(m), &detail);
        assert_string_equal(detail.text, "Not?for? you");
        nlmsg_free(m);
        m = nlmsg_alloc_simple(NLMSG_ERROR, 0);
        memset(lengthy, 'x', sizeof(lengthy)); /* and no end */
        nla_put(m, NLMSGERR_ATTR_MSG, sizeof(lengthy), lengthy);
        devlink_parse_detail(data(m), size(m), &detail);
        assert_int_equal(strlen(detail.text), DEVLINK_DETAIL_MAX - 1);
        nlmsg_free(m);
}

/* Cut anywhere, or one bit wrong: no crash (the sanitizers look). */
static void test_damaged(void **state) {
        struct nl_msg *m = port_message();
        struct devlink_port p;
        size_t n = size(m);

        for (size_t cut = 0; cut <= n; cut++) {
                uint8_t *copy = malloc(cut + 1);

                memcpy(copy, data(m), cut);
                devlink_parse_port(copy, cut, &card, &p);
                free(copy);
        }
        for (size_t bit = 0; bit < 8 * n; bit++) {
                uint8_t *copy = malloc(n);

                memcpy(copy, data(m), n);
                copy[bit / 8] ^= (uint8_t) (1U << bit % 8);
                if (devlink_parse_port(copy, n, &card, &p) == 0)
                        assert_true(memchr(p.netdev, '\0', sizeof(p.netdev)));
                free(copy);
        }
        nlmsg_free(m);
}

static void test_news(void **state) {
        static const struct genlmsghdr port_new = { .cmd = DEVLINK_CMD_PORT_NEW, .version = 1 };
        static const struct genlmsghdr health = { .cmd = DEVLINK_CMD_HEALTH_REPORTER_RECOVER, .version = 1 };
        _Alignas(8) char whole[512];
        struct nl_msg *m = message();
        struct devlink_handle h = { 0 };
        size_t n = GENL_HDRLEN + size(m);

        memcpy(whole, &port_new, sizeof(port_new));
        memcpy(whole + GENL_HDRLEN, data(m), size(m));
        assert_int_equal(devlink_parse_news(whole, n, &h), 0);
        assert_string_equal(h.bus, card.bus);
        assert_string_equal(h.device, card.device);
        for (size_t cut = 0; cut + NLA_HDRLEN < n; cut++)
                assert_int_equal(devlink_parse_news(whole, cut, &h), -EBADMSG);
        memcpy(whole, &health, sizeof(health));
        assert_int_equal(devlink_parse_news(whole, n, &h), -ENOENT);
        nlmsg_free(m);

        m = nlmsg_alloc_simple(16, 0); /* a name that is too long for us is none that we know */
        nla_put_string(m, DEVLINK_ATTR_BUS_NAME, "a-bus-of-a-long-name");
        nla_put_string(m, DEVLINK_ATTR_DEV_NAME, card.device);
        memcpy(whole, &port_new, sizeof(port_new));
        memcpy(whole + GENL_HDRLEN, data(m), size(m));
        assert_int_equal(devlink_parse_news(whole, GENL_HDRLEN + size(m), &h), -EBADMSG);
        nlmsg_free(m);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_port), cmocka_unit_test(test_news),   cmocka_unit_test(test_eswitch),
                cmocka_unit_test(test_rate), cmocka_unit_test(test_detail), cmocka_unit_test(test_damaged),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
