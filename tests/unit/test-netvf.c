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

/* 65,535 bytes are full at some 330 VFs: the length of the list is wrong then, not the list. */
static void test_many_vfs(void **state) {
        static const uint32_t counts[] = { 1, 4, 64, 250, 300, 329, 330, 331, 332, 400, 700, 1000 };
        static struct vf_attributes a[1001];
        static struct message m;

        FOREACH_ARRAY(n, counts, ARRAY_SIZE(counts)) {
                make(&m, *n);
                assert_int_equal(netvf_parse(m.data, m.n, a, ARRAY_SIZE(a)), 0);
                for (uint32_t i = 0; i < *n; i++)
                        require_vf(&a[i], i);
                assert_int_equal(a[*n].set, 0);
        }
}

/* Cut anywhere within the list, or another length: nothing is known, not even of the first. */
static void test_cut_list(void **state) {
        static struct vf_attributes a[400];
        static struct message m;

        make(&m, 400);
        for (size_t n = m.n / 2; n < m.n - 16; n += 97) {
                assert_true(netvf_parse(m.data, n, a, ARRAY_SIZE(a)) < 0);
                assert_int_equal(a[0].set, 0);
        }
        struct rtattr *list = (struct rtattr *) (void *) (m.data + NLMSG_ALIGN(sizeof(struct ifinfomsg)));
        while (list->rta_type != IFLA_VFINFO_LIST)
                list = (struct rtattr *) (void *) ((char *) list + RTA_ALIGN(list->rta_len));
        list->rta_len = (unsigned short) (list->rta_len + 4);
        assert_int_equal(netvf_parse(m.data, m.n, a, ARRAY_SIZE(a)), -EMSGSIZE);
}

/* A driver that does not report one (ndo_get_vf_config fails: it is left out) makes the others no other's. */
static void test_left_out(void **state) {
        static struct message m;
        struct vf_attributes a[8];
        uint32_t n = 8;
        struct ifinfomsg info = { 0 };

        memset(&m, 0, sizeof(m));
        memcpy(m.data, &info, sizeof(info));
        m.n = NLMSG_ALIGN(sizeof(info));
        PUT(&m, IFLA_NUM_VF, n);
        size_t list = begin(&m, IFLA_VFINFO_LIST);
        put_vf(&m, 1);
        put_vf(&m, 6);
        end(&m, list);
        assert_int_equal(netvf_parse(m.data, m.n, a, 8), 0);
        require_vf(&a[1], 1);
        require_vf(&a[6], 6);
        assert_int_equal(a[0].set | a[5].set | a[7].set, 0);
}

static void test_no_such_vf(void **state) {
        static struct message m;
        struct vf_attributes a[2];

        make(&m, 0);
        assert_int_equal(netvf_parse(m.data, m.n, a, 2), 0);
        assert_int_equal(a[0].set, 0);
        assert_int_equal(netvf_parse(m.data, 3, a, 2), -EBADMSG);
        assert_int_equal(netvf_parse(m.data, sizeof(struct ifinfomsg), a, 2), -EBADMSG);
}

/* A message that ends anywhere, and one with any byte changed: no crash (the sanitizers look). */
static void test_damaged(void **state) {
        static struct message m, broken;
        struct vf_attributes a[3];

        make(&m, 3);
        for (size_t n = 0; n < m.n; n++) {
                uint8_t *copy = malloc(n + 1);

                memcpy(copy, m.data, n);
                netvf_parse(copy, n, a, 3);
                free(copy);
        }
        for (size_t i = 0; i < m.n; i++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        memcpy(&broken, &m, offsetof(struct message, data) + m.n);
                        broken.data[i] ^= (uint8_t) (1U << bit);
                        netvf_parse(broken.data, m.n, a, 3);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_many_vfs), cmocka_unit_test(test_cut_list),
                cmocka_unit_test(test_left_out), cmocka_unit_test(test_no_such_vf),
                cmocka_unit_test(test_damaged),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
