/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/netvf-list, netvf-parse and netvf-stats: the kernel's list of VFs, also where its length has wrapped.
 * The messages are laid out as net/core/rtnetlink.c:rtnl_fill_ifinfo() and rtnl_fill_vfinfo() do. */

#include "common/macro.h"
#include "sriov/netvf-stats.h"
#include "sriov/netvf.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

struct message {
        uint8_t data[512 * 1024];
        size_t n;
        size_t list; /* where it begins */
};

/* How a message is to be. */
struct kind {
        uint32_t n;      /* IFLA_NUM_VF */
        uint32_t shown;  /* so many of them are in the list; 0: all */
        uint32_t except; /* but for every so many-th, which the driver cannot tell about; 0: none */
        bool stats;
        uint16_t filler; /* bytes of something unknown in the first VF */
        bool odd;        /* what cannot be: see make_odd() */
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

        if (size > 0)
                memcpy(m->data + m->n, data, size);
        m->n += size;
        end(m, at);
        m->n = RTA_ALIGN(m->n);
}
#define PUT(m, type, value) put((m), (type), &(value), sizeof(value))

static uint64_t counter_of(uint32_t vf, unsigned counter) {
        return ((uint64_t) vf << 40) + counter * 1000 + vf;
}

/* With padding before every other number, as on machines that need it. */
static void put_stats(struct message *m, uint32_t vf) {
        static const uint16_t types[_COUNTER_MAX] = {
                IFLA_VF_STATS_RX_PACKETS, IFLA_VF_STATS_TX_PACKETS, IFLA_VF_STATS_RX_BYTES,
                IFLA_VF_STATS_TX_BYTES,   IFLA_VF_STATS_BROADCAST,  IFLA_VF_STATS_MULTICAST,
                IFLA_VF_STATS_RX_DROPPED, IFLA_VF_STATS_TX_DROPPED,
        };
        size_t at = begin(m, IFLA_VF_STATS);

        for (unsigned i = 0; i < _COUNTER_MAX; i++) {
                uint64_t value = counter_of(vf, i);

                if (vf % 2)
                        put(m, IFLA_VF_STATS_PAD, NULL, 0);
                PUT(m, types[i], value);
        }
        end(m, at);
}

/* Every fourth VF each: a MAC of a group, no such VLAN, no such priority. */
static void make_odd(uint32_t i, struct ifla_vf_mac *mac, struct ifla_vf_vlan *vlan,
                     struct ifla_vf_vlan_info *info) {
        switch (i % 4) {
        case 1:
                mac->mac[0] = 0x03;
                break;
        case 2:
                vlan->vlan = info->vlan = 4096 + 7;
                break;
        case 3:
                vlan->qos = info->qos = 256 + 7;
        }
}

/* Each VF has other values. */
static void put_vf(struct message *m, uint32_t i, const struct kind *k) {
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

        if (k->odd)
                make_odd(i, &mac, &vlan, &info);
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
        if (k->stats)
                put_stats(m, i);
        if (i == 0 && k->filler > 0)
                put(m, 200, (uint8_t[1024]){ 0 }, k->filler);
        end(m, at);
}

static bool is_shown(const struct kind *k, uint32_t i) {
        return i < (k->shown ? k->shown : k->n) && !(k->except && i % k->except == k->except - 1);
}

static void make_kind(struct message *m, const struct kind *k) {
        struct ifinfomsg info = { .ifi_index = 7 };
        uint8_t address[32] = { 0x02 }; /* as long as any: MAX_ADDR_LEN */
        uint32_t xdp = 0;

        memset(m, 0, sizeof(*m));
        memcpy(m->data, &info, sizeof(info));
        m->n = NLMSG_ALIGN(sizeof(info));
        put(m, IFLA_IFNAME, "enp1s0", 7);
        PUT(m, IFLA_ADDRESS, address);
        PUT(m, IFLA_NUM_VF, k->n);
        m->list = begin(m, IFLA_VFINFO_LIST);
        for (uint32_t i = 0; i < k->n; i++)
                if (is_shown(k, i))
                        put_vf(m, i, k);
        end(m, m->list);
        PUT(m, IFLA_ADDRESS, address); /* nothing that the kernel does, but the number of a VF in the list */
        PUT(m, IFLA_XDP, xdp);
        put(m, IFLA_QDISC, "mq", 3);
}

static void make(struct message *m, uint32_t n) {
        make_kind(m, &(struct kind){ .n = n });
}

static size_t told_length(const struct message *m) {
        return ((const struct rtattr *) (const void *) (m->data + m->list))->rta_len;
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

/* 65,535 bytes are full at some 330 VFs. */
static void test_many_vfs(void **state) {
        static const uint32_t counts[] = { 1, 4, 64, 250, 300, 400, 700 };
        static struct vf_attributes all[701];
        static struct message m;

        FOREACH_ARRAY(n, counts, ARRAY_SIZE(counts)) {
                make(&m, *n);
                assert_true((m.n - m.list > 65536) == (*n >= 400));
                assert_int_equal(netvf_parse(m.data, m.n, all, ARRAY_SIZE(all)), 0);
                for (uint32_t i = 0; i < *n; i++)
                        require_vf(&all[i], i);
                assert_int_equal(all[*n].set, 0);
        }
}

/* Every VF that the message has with its own counters, and no other. */
static void require_statistics(const struct message *m, const struct kind *k) {
        _cleanup_free_ struct vf_statistics *list = NULL;
        size_t n = 0, at = 0;

        assert_int_equal(netvf_stats_parse(m->data, m->n, &list, &n), 0);
        for (uint32_t i = 0; i < k->n; i++) {
                if (!is_shown(k, i))
                        continue;
                assert_true(at < n);
                assert_int_equal(list[at].index, i);
                for (unsigned c = 0; c < _COUNTER_MAX; c++)
                        assert_int_equal(list[at].counters.value[c], counter_of(i, c));
                at++;
        }
        assert_int_equal(at, n);
}

static void test_statistics(void **state) {
        static const struct kind kinds[] = {
                { .n = 1, .stats = true },
                { .n = 64, .stats = true },
                { .n = 200, .stats = true },
                { .n = 250, .stats = true }, /* wraps once */
                { .n = 400, .stats = true },
                { .n = 1000, .stats = true }, /* wraps four times */
                { .n = 250, .stats = true, .except = 7 },
                { .n = 400, .stats = true, .except = 400 }, /* the last one is missing */
                { .n = 1000, .stats = true, .except = 2 },
                { .n = 250, .stats = true, .shown = 100 }, /* a kernel that stops in time */
                { .n = 400, .stats = true, .shown = 300 },
        };
        static struct message m;

        FOREACH_ARRAY(k, kinds, ARRAY_SIZE(kinds)) {
                make_kind(&m, k);
                require_statistics(&m, k);
        }
        make(&m, 8); /* without any: none, rather than zeros */
        _cleanup_free_ struct vf_statistics *list = NULL;
        size_t n = 1;
        assert_int_equal(netvf_stats_parse(m.data, m.n, &list, &n), 0);
        assert_int_equal(n, 0);
}

/* The length that is left may be anything, also less than an attribute's header. */
static void test_every_wrapped_length(void **state) {
        static struct message m;
        bool zero = false, empty = false;

        for (uint32_t n = 215; n < 225; n++)
                for (uint16_t filler = 0; filler < 700; filler = (uint16_t) (filler + 4)) {
                        struct kind k = { .n = n, .stats = true, .filler = filler };

                        make_kind(&m, &k);
                        require_statistics(&m, &k);
                        zero = zero || told_length(&m) == 0;
                        empty = empty || told_length(&m) == 4;
                }
        assert_true(zero && empty);
}

/* Nothing is believed of a message that was cut, or whose end does not fit. */
static void test_cut(void **state) {
        static struct message m;
        struct kind k = { .n = 250, .stats = true };
        struct vf_statistics *list = NULL;
        size_t n;

        make_kind(&m, &k);
        size_t after = m.list + 65536 + told_length(&m);
        for (size_t size = m.list + 4; size < after; size += 28)
                assert_int_equal(netvf_stats_parse(m.data, size, &list, &n), -EMSGSIZE);
        ((struct rtattr *) (void *) (m.data + after))->rta_len = 2;
        assert_int_equal(netvf_stats_parse(m.data, m.n, &list, &n), -EMSGSIZE);
        make_kind(&m, &k);
        ((struct rtattr *) (void *) (m.data + m.list))->rta_len += 4;
        assert_int_equal(netvf_stats_parse(m.data, m.n, &list, &n), -EMSGSIZE);
        /* an index twice: the second may not stand for another VF */
        make_kind(&m, &(struct kind){ .n = 4, .stats = true });
        size_t vf = m.list + 4 + ((struct rtattr *) (void *) (m.data + m.list + 4))->rta_len;
        memset(m.data + vf + 8, 0, 4);
        assert_int_equal(netvf_stats_parse(m.data, m.n, &list, &n), -EMSGSIZE);
        assert_null(list);
}

static void test_no_such_vf(void **state) {
        static struct message m;
        struct vf_attributes a[5];

        make(&m, 4);
        assert_int_equal(netvf_parse(m.data, m.n, a, 5), 0);
        assert_int_equal(a[4].set, 0);
        make(&m, 0);
        assert_int_equal(netvf_parse(m.data, m.n, a, 5), 0);
        assert_int_equal(a[0].set, 0);
        assert_int_equal(netvf_parse(m.data, 3, a, 5), -EBADMSG);
        assert_int_equal(netvf_parse(m.data, sizeof(struct ifinfomsg), a, 5), -EBADMSG);
}

/* What no VF can have is left out; the rest of that VF, and the other VFs, are as ever. */
static void test_odd_values(void **state) {
        static struct vf_attributes all[64];
        static struct message m;
        struct kind k = { .n = 64, .odd = true };

        make_kind(&m, &k);
        assert_int_equal(netvf_parse(m.data, m.n, all, 64), 0);
        for (uint32_t i = 0; i < 64; i++) {
                assert_int_equal(all[i].set & ATTR_MAC, i % 4 == 1 ? 0 : ATTR_MAC);
                assert_int_equal(all[i].set & ATTR_VLAN, i % 4 >= 2 ? 0 : ATTR_VLAN);
                assert_int_equal(all[i].max_tx_mbps, 1000 + i);
                assert_int_equal(all[i].mac.byte[0] & 1, 0);
                assert_true(all[i].vlan <= VLAN_ID_MAX && all[i].vlan_qos <= VLAN_QOS_MAX);
                if (i % 4 == 0)
                        require_vf(&all[i], i);
        }
}

static void look_at_statistics(const uint8_t *data, size_t size) {
        _cleanup_free_ struct vf_statistics *list = NULL;
        size_t n = 0;

        if (netvf_stats_parse(data, size, &list, &n) == 0)
                for (size_t i = 1; i < n; i++)
                        assert_true(list[i].index > list[i - 1].index);
}

/* A message that ends anywhere, and one with any byte changed: no crash (the sanitizers look). */
static void test_damaged(void **state) {
        static struct message m, broken;
        struct vf_attributes a[3];

        make_kind(&m, &(struct kind){ .n = 3, .stats = true });
        for (size_t n = 0; n < m.n; n++) {
                uint8_t *copy = malloc(n + 1);

                memcpy(copy, m.data, n);
                netvf_parse(copy, n, a, 3);
                look_at_statistics(copy, n);
                free(copy);
        }
        for (size_t i = 0; i < m.n; i++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        memcpy(&broken, &m, offsetof(struct message, data) + m.n);
                        broken.data[i] ^= (uint8_t) (1U << bit);
                        netvf_parse(broken.data, m.n, a, 3);
                        look_at_statistics(broken.data, m.n);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_many_vfs),
                cmocka_unit_test(test_statistics),
                cmocka_unit_test(test_every_wrapped_length),
                cmocka_unit_test(test_cut),
                cmocka_unit_test(test_no_such_vf),
                cmocka_unit_test(test_odd_values),
                cmocka_unit_test(test_damaged),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
