/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/netvf-parse: the kernel's list of VFs, also where its length has wrapped. The messages are laid out
 * as net/core/rtnetlink.c:rtnl_fill_vfinfo() does. */

#include "common/macro.h"
#include "sriov/netvf.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

struct message {
        uint8_t data[256 * 1024];
        size_t n;
};

static size_t begin(struct message *m, uint16_t type) {
        struct rtattr *a = (struct rtattr *) (void *) (m->data + m->n);

        *a = (struct rtattr){ .rta_type = type };
        m->n += RTA_LENGTH(0);
        return (size_t) ((uint8_t *) a - m->data);
}

/* As nla_nest_end(): 16 bits, and no check. */
static void end(struct message *m, size_t at) {
        ((struct rtattr *) (void *) (m->data + at))->rta_len = (unsigned short) (m->n - at);
}

static void put(struct message *m, uint16_t type, const void *data, size_t size) {
        size_t at = begin(m, type);

        memcpy(m->data + m->n, data, size);
        m->n += size;
        end(m, at);
        m->n = RTA_ALIGN(m->n);
}
#define PUT(m, type, value) put((m), (type), &(value), sizeof(value))

/* Each VF has other values. */
static void put_vf(struct message *m, uint32_t i) {
        struct ifla_vf_mac mac = {
                .vf = i, .mac = { 0x02, 0, 0, (uint8_t) (i >> 16), (uint8_t) (i >> 8), (uint8_t) i }
        };
        uint8_t broadcast[32] = { 0xff };
        struct ifla_vf_vlan vlan = { i, i % 4095, i % 8 };
        struct ifla_vf_vlan_info info = { i, i % 4095, i % 8, __builtin_bswap16(i % 2 ? 0x88a8 : 0x8100) };
        struct ifla_vf_tx_rate tx = { i, 1000 + i };
        struct ifla_vf_rate rate = { i, i, 1000 + i };
        struct ifla_vf_spoofchk spoof = { i, i % 3 == 2 ? (uint32_t) -1 : i % 3 };
        struct ifla_vf_link_state link = { i, i % 3 };
        struct ifla_vf_trust trust = { i, i % 2 };
        size_t at = begin(m, IFLA_VF_INFO), list;

        PUT(m, IFLA_VF_MAC, mac);
        PUT(m, IFLA_VF_BROADCAST, broadcast);
        PUT(m, IFLA_VF_VLAN, vlan);
        PUT(m, IFLA_VF_RATE, rate);
        PUT(m, IFLA_VF_TX_RATE, tx);
        PUT(m, IFLA_VF_SPOOFCHK, spoof);
        PUT(m, IFLA_VF_LINK_STATE, link);
        PUT(m, IFLA_VF_TRUST, trust);
        list = begin(m, IFLA_VF_VLAN_LIST);
        PUT(m, IFLA_VF_VLAN_INFO, info);
        end(m, list);
        end(m, at);
}

static void make(struct message *m, uint32_t n) {
        struct ifinfomsg info = { .ifi_index = 7 };

        memset(m, 0, sizeof(*m));
        memcpy(m->data, &info, sizeof(info));
        m->n = NLMSG_ALIGN(sizeof(info));
        put(m, IFLA_IFNAME, "enp1s0", 7);
        PUT(m, IFLA_NUM_VF, n);
        size_t list = begin(m, IFLA_VFINFO_LIST);
        for (uint32_t i = 0; i < n; i++)
                put_vf(m, i);
        end(m, list);
        put(m, IFLA_QDISC, "mq", 3);
}

static void require_vf(const struct vf_attributes *a, uint32_t i) {
        assert_int_equal(mac_to_number(a->mac), 0x020000000000 + i);
        assert_int_equal(a->vlan, i % 4095);
        assert_int_equal(a->vlan_qos, i % 8);
        assert_int_equal(a->vlan_protocol, i % 2 && i % 4095 ? VLAN_8021AD : VLAN_8021Q);
        assert_int_equal(a->min_tx_mbps, i);
        assert_int_equal(a->max_tx_mbps, 1000 + i);
        assert_int_equal(a->trust, i % 2);
        assert_int_equal(a->link_state, i % 3);
        assert_int_equal(!(a->set & ATTR_SPOOF_CHECK), i % 3 == 2); /* -1: not reported */
        assert_true(i % 3 == 2 || a->spoof_check == (i % 3 == 1));
}

/* Right, or not known; never another VF's, and never wrong. 65,535 bytes are full at some 330 VFs. */
static void test_many_vfs(void **state) {
        static const uint32_t counts[] = { 1, 4, 64, 250, 300, 400, 700 };
        static struct message m;

        FOREACH_ARRAY(n, counts, ARRAY_SIZE(counts)) {
                unsigned known = 0;

                make(&m, *n);
                for (uint32_t i = 0; i < *n; i++) {
                        struct vf_attributes a;
                        int r = netvf_parse(m.data, m.n, i, &a);

                        assert_true(r == 0 || (r == -EMSGSIZE && *n >= 400));
                        if (r == 0)
                                require_vf(&a, i);
                        known += r == 0;
                }
                assert_true(*n >= 400 ? known < *n : known == *n);
        }
}

static void test_no_such_vf(void **state) {
        static struct message m;
        struct vf_attributes a;

        make(&m, 4);
        assert_int_equal(netvf_parse(m.data, m.n, 4, &a), -ENOENT);
        make(&m, 0);
        assert_int_equal(netvf_parse(m.data, m.n, 0, &a), -ENOENT);
        assert_int_equal(netvf_parse(m.data, 3, 0, &a), -EBADMSG);
        assert_int_equal(netvf_parse(m.data, sizeof(struct ifinfomsg), 0, &a), -EBADMSG);
}

/* A message that ends anywhere, and one with any byte changed: no crash (the sanitizers look). */
static void test_damaged(void **state) {
        static struct message m, broken;
        struct vf_attributes a;

        make(&m, 3);
        for (size_t n = 0; n < m.n; n++) {
                uint8_t *copy = malloc(n + 1);

                memcpy(copy, m.data, n);
                netvf_parse(copy, n, 2, &a);
                free(copy);
        }
        for (size_t i = 0; i < m.n; i++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        memcpy(&broken, &m, offsetof(struct message, data) + m.n);
                        broken.data[i] ^= (uint8_t) (1U << bit);
                        netvf_parse(broken.data, m.n, 2, &a);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_many_vfs),
                cmocka_unit_test(test_no_such_vf),
                cmocka_unit_test(test_damaged),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
