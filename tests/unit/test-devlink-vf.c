/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/devlink-vf: which port is whose, and what a port is told of a change set. */

#include "common/macro.h"
#include "sriov/devlink-uapi.h"
#include "sriov/devlink-vf.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

#define VFS  4U
#define PORT (PORT_HAS_FLAVOUR | PORT_HAS_PF | PORT_HAS_VF)

static struct {
        struct vf_attributes vf[VFS];
        uint32_t reports;
        bool fixed_mac, fixed_state;
        unsigned sent;
} k;

static int fake_read(void *userdata, struct vf_attributes *ret, size_t n) {
        for (size_t i = 0; i < n && i < VFS; i++) {
                ret[i] = k.vf[i];
                ret[i].set = k.reports;
        }
        return 0;
}

static int fake_send(void *userdata, const struct vf_change *changes, size_t n) {
        FOREACH_ARRAY(c, changes, n) {
                assert_false(c->attributes.set & ~NET_PORT_ATTRIBUTES);
                k.sent++;
                if (c->index >= VFS)
                        return -ENODEV;
                if (c->attributes.set & ~k.reports || (c->attributes.set & ATTR_MAC && k.fixed_mac) ||
                    (c->attributes.set & ATTR_FUNCTION_STATE && k.fixed_state))
                        return -EOPNOTSUPP;
                k.vf[c->index] = attributes_overlay(&k.vf[c->index], &c->attributes);
        }
        return 0;
}

static bool fake_wait(void *userdata) {
        return false;
}

static void apply(struct vf_change *changes, size_t n) {
        const struct netvf_kernel kernel = { fake_read, fake_send, fake_wait, NULL, NULL };
        const char *step;

        k.sent = 0;
        assert_int_equal(devlink_vf_apply_to(&kernel, changes, n, &step), 0);
}

static void fresh(void) {
        memset(&k, 0, sizeof(k));
        k.reports = NET_PORT_ATTRIBUTES;
}

static struct vf_change red(uint32_t index) {
        return (struct vf_change){ .index = index,
                                   .mode = VF_CHANGE_SET,
                                   .attributes = { .set = NET_PORT_ATTRIBUTES,
                                                   .mac = mac_from_number(0x020000000100 + index),
                                                   .max_tx_mbps = 50 } };
}

static struct vf_change plain(uint32_t index) {
        return (struct vf_change){ .index = index,
                                   .mode = VF_CHANGE_RESTORE,
                                   .attributes = { .set = ATTR_ALL, .spoof_check = true } };
}

static void test_set_and_restored(void **state) {
        struct vf_change c[] = { red(0), red(3) };

        fresh();
        apply(c, 2);
        assert_true(c[0].error == 0 && c[1].error == 0);
        assert_int_equal(mac_to_number(k.vf[3].mac), 0x020000000103);
        assert_int_equal(k.vf[0].max_tx_mbps, 50);
        c[0] = plain(0), c[1] = plain(3);
        apply(c, 2);
        assert_true(c[0].error == 0 && c[1].error == 0);
        assert_true(mac_to_number(k.vf[3].mac) == 0 && k.vf[0].max_tx_mbps == 0);
}

/* One VF that wants what is the switch's: it is not touched, the others are told. */
static void test_refused_before_touched(void **state) {
        static const struct vf_attributes refused[] = {
                { .set = ATTR_VLAN, .vlan = 7 },
                { .set = ATTR_SPOOF_CHECK, .spoof_check = true },
                { .set = ATTR_SPOOF_CHECK, .spoof_check = false },
                { .set = ATTR_TRUST, .trust = true },
                { .set = ATTR_LINK_STATE, .link_state = LINK_STATE_DISABLE },
                { .set = ATTR_RSS_QUERY, .rss_query = true },
        };

        FOREACH_ARRAY(a, refused, ARRAY_SIZE(refused)) {
                struct vf_change c[] = { red(0), red(1) };

                fresh();
                c[0].attributes = attributes_overlay(&c[0].attributes, a);
                apply(c, 2);
                assert_int_equal(c[0].error, -EOPNOTSUPP);
                assert_int_equal(c[0].failed, a->set);
                assert_int_equal(c[0].mode, VF_CHANGE_SET);
                assert_int_equal(k.vf[0].max_tx_mbps, 0);
                assert_int_equal(c[1].error, 0);
                assert_int_equal(k.vf[1].max_tx_mbps, 50);

                c[0] = red(0);
                c[0].attributes = attributes_overlay(&c[0].attributes, a);
                c[0].wish = a->set;
                apply(c, 1);
                assert_int_equal(c[0].error, 0);
                assert_int_equal(k.vf[0].max_tx_mbps, 50);
        }
}

/* What a VF has by nature is no demand. */
static void test_harmless_is_nothing(void **state) {
        struct vf_change c = { .mode = VF_CHANGE_SET,
                               .attributes = { .set = ATTR_ALL & ~(ATTR_SPOOF_CHECK | ATTR_MAC) } };

        fresh();
        apply(&c, 1);
        assert_int_equal(c.error, 0);
        assert_int_equal(k.sent, 0);
}

static void test_ports_that_cannot(void **state) {
        struct vf_change c = red(1);

        fresh();
        k.reports = ATTR_MIN_TX | ATTR_MAX_TX; /* netdevsim: no address */
        apply(&c, 1);
        assert_int_equal(c.error, -EOPNOTSUPP);
        assert_int_equal(k.vf[1].max_tx_mbps, 0);
        c = plain(1);
        apply(&c, 1);
        assert_int_equal(c.error, 0);

        fresh();
        k.fixed_mac = true;
        k.vf[1].mac = mac_from_number(0x020000000001);
        k.vf[1].max_tx_mbps = 5;
        c = plain(1);
        apply(&c, 1);
        assert_true(c.error == 0 && c.failed == 0);
        assert_int_equal(k.vf[1].max_tx_mbps, 0);
        c = red(VFS);
        apply(&c, 1);
        assert_int_equal(c.error, -ENODEV);
}

/* What a card gives by itself is learnt first, and is what comes back. */
static void test_event_queues(void **state) {
        struct vf_change c = plain(1);

        fresh();
        k.vf[1].max_io_eqs = 10;
        c.attributes.set &= ~ATTR_MAX_IO_EQS;
        apply(&c, 1);
        assert_true(c.error == 0 && c.attributes.set & ATTR_MAX_IO_EQS && c.attributes.max_io_eqs == 10);
        assert_int_equal(k.sent, 0);
        const struct vf_attributes baseline = c.attributes;

        c = red(1);
        c.attributes.set = ATTR_MAX_IO_EQS;
        c.attributes.max_io_eqs = 32;
        apply(&c, 1);
        assert_true(c.error == 0 && k.vf[1].max_io_eqs == 32);
        c = (struct vf_change){ .index = 1, .mode = VF_CHANGE_RESTORE, .attributes = baseline };
        apply(&c, 1);
        assert_true(c.error == 0 && k.vf[1].max_io_eqs == 10);

        k.reports &= ~ATTR_MAX_IO_EQS; /* a kernel before 6.10 */
        c = red(1);
        c.attributes.set |= ATTR_MAX_IO_EQS;
        c.attributes.max_io_eqs = 32;
        apply(&c, 1);
        assert_true(c.error == -EOPNOTSUPP && c.failed & ATTR_MAX_IO_EQS);
        assert_int_equal(k.vf[1].max_tx_mbps, 0);
        c = (struct vf_change){ .index = 1, .mode = VF_CHANGE_RESTORE, .attributes = baseline };
        apply(&c, 1);
        assert_int_equal(c.error, 0);
}

/* Where ports say whether their functions are active, no VF comes to rest that is not. */
static void test_function_state(void **state) {
        struct vf_change c = plain(1);

        fresh();
        k.vf[1].function_state = FUNCTION_STATE_INACTIVE;
        apply(&c, 1);
        assert_true(c.error == 0 && k.vf[1].function_state == FUNCTION_STATE_ACTIVE);

        fresh();
        k.vf[1].function_state = FUNCTION_STATE_INACTIVE;
        k.fixed_state = true;
        c = plain(1);
        apply(&c, 1);
        assert_true(c.error == -EOPNOTSUPP && c.failed == ATTR_FUNCTION_STATE);
        c = red(1);
        apply(&c, 1);
        assert_true(c.error == -EOPNOTSUPP && c.failed & ATTR_FUNCTION_STATE);

        fresh(); /* as of all VFs up to Linux 7.1: nothing is said */
        k.reports &= ~ATTR_FUNCTION_STATE;
        c = plain(1);
        apply(&c, 1);
        assert_int_equal(c.error, 0);
}

static void test_which_port(void **state) {
        const uint16_t vf_port = DEVLINK_PORT_FLAVOUR_PCI_VF;
        struct devlink_port list[] = {
                { .index = 1, .set = PORT, .flavour = vf_port, .pf = 0, .vf = 0 },
                { .index = 2, .set = PORT, .flavour = vf_port, .pf = 1, .vf = 0 },
                { .index = 3, .set = PORT, .flavour = vf_port, .pf = 1, .vf = 1, .external = true },
                { .index = 4, .set = PORT, .flavour = DEVLINK_PORT_FLAVOUR_PCI_PF, .pf = 1, .vf = 2 },
                { .index = 5, .set = PORT & ~PORT_HAS_PF, .flavour = vf_port, .vf = 3 },
        };
        const struct devlink_port *p;

        assert_int_equal(devlink_vf_find(list, ARRAY_SIZE(list), 0, 0, &p), 0);
        assert_int_equal(p->index, 1);
        assert_int_equal(devlink_vf_find(list, ARRAY_SIZE(list), 1, 0, &p), 0);
        assert_int_equal(p->index, 2);
        for (unsigned vf = 1; vf < 4; vf++)
                for (uint16_t pf = 0; pf < 2; pf++)
                        assert_int_equal(devlink_vf_find(list, ARRAY_SIZE(list), pf, vf, &p), -ENODEV);
        assert_int_equal(devlink_vf_find(list, 0, 0, 0, &p), -ENODEV);
        list[1].pf = 0;
        assert_int_equal(devlink_vf_find(list, ARRAY_SIZE(list), 0, 0, &p), -EEXIST);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_set_and_restored),    cmocka_unit_test(test_refused_before_touched),
                cmocka_unit_test(test_harmless_is_nothing), cmocka_unit_test(test_ports_that_cannot),
                cmocka_unit_test(test_event_queues),        cmocka_unit_test(test_function_state),
                cmocka_unit_test(test_which_port),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
