/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/netvf-apply: change sets against drivers of all kinds, which apply a message attribute by attribute
 * and stop at the first error, as net/core/rtnetlink.c:do_setvfinfo() lets them. */

#include "common/macro.h"
#include "sriov/netvf-apply.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

#define VFS 400U

static struct driver {
        struct vf_attributes vf[VFS];
        uint32_t reports, sets;    /* ATTR_… */
        unsigned busy, busy_after; /* so many messages are answered with EAGAIN, at once or after the first VF
                                    */
        bool refuses_zero_mac, lies;
        bool link_down; /* then it refuses rates */
        int32_t broken; /* this VF refuses everything but the MAC; -1 none */
        int32_t hung;   /* this VF answers EAGAIN to trust, for ever; -1 none */
        unsigned reads, messages, waits, waits_max;
        int read_error; /* of the first read_errors looks; of all if that is 0 */
        unsigned read_errors;
        uint32_t skipped; /* it says nothing of this VF in so many looks, after the first skip_at */
        unsigned skips, skip_at;
} d;

static int fake_read(void *userdata, struct vf_attributes *ret, size_t n) {
        d.reads++;
        for (size_t i = 0; i < n && i < VFS; i++) {
                ret[i] = d.vf[i];
                ret[i].set = d.reports;
        }
        if (d.reads > d.skip_at && d.reads <= d.skip_at + d.skips && d.skipped < n)
                ret[d.skipped] = (struct vf_attributes){ 0 };
        return d.read_errors == 0 || d.reads <= d.read_errors ? d.read_error : 0;
}

static bool fake_link_down(void *userdata) {
        return d.link_down;
}

static int set_one(const struct vf_change *c, uint32_t bit) {
        const struct vf_attributes one = { .set = bit };
        struct vf_attributes a = c->attributes;

        if (!(a.set & bit))
                return 0;
        if (bit == ATTR_MAC && d.refuses_zero_mac && mac_to_number(a.mac) == 0)
                return -EINVAL;
        if ((int32_t) c->index == d.broken && bit != ATTR_MAC)
                return -EINVAL;
        if ((int32_t) c->index == d.hung && bit == ATTR_TRUST)
                return -EAGAIN;
        if (d.link_down && bit & (ATTR_MIN_TX | ATTR_MAX_TX))
                return -EINVAL;
        if (!(d.sets & bit))
                return -EOPNOTSUPP;
        a.set = one.set;
        if (!d.lies)
                d.vf[c->index] = attributes_overlay(&d.vf[c->index], &a);
        return 0;
}

static int fake_send(void *userdata, const struct vf_change *changes, size_t n) {
        int r = 0;

        d.messages++;
        if (d.busy > 0) {
                d.busy--;
                return -EAGAIN;
        }
        FOREACH_ARRAY(c, changes, n) {
                for (uint32_t bit = 1; bit < ATTR_ALL && r == 0; bit <<= 1)
                        r = set_one(c, bit);
                if (r < 0)
                        return r;
                if (d.busy_after > 0) { /* the first VF has it already */
                        d.busy_after--;
                        return -EAGAIN;
                }
        }
        return 0;
}

static bool fake_wait(void *userdata) {
        return d.waits++ < d.waits_max;
}

static int apply(struct vf_change *changes, size_t n) {
        const struct netvf_kernel kernel = { fake_read, fake_send, fake_wait, fake_link_down, NULL };
        const char *step;

        d.reads = d.messages = 0;
        return netvf_apply_to(&kernel, changes, n, &step);
}

static void fresh_driver(void) {
        memset(&d, 0, sizeof(d));
        d = (struct driver){
                .reports = ATTR_ALL, .sets = ATTR_ALL, .broken = -1, .hung = -1, .waits_max = 10
        };
        for (unsigned i = 0; i < VFS; i++)
                d.vf[i].spoof_check = true;
}

static struct vf_change red(uint32_t index) {
        return (struct vf_change){ .index = index,
                                   .mode = VF_CHANGE_SET,
                                   .attributes = { .set = ATTR_MAC | ATTR_VLAN | ATTR_MAX_TX | ATTR_TRUST,
                                                   .mac = mac_from_number(0x020000000100 + index),
                                                   .vlan = 100,
                                                   .max_tx_mbps = 50,
                                                   .trust = true } };
}

static struct vf_change plain(uint32_t index) {
        return (struct vf_change){ .index = index,
                                   .mode = VF_CHANGE_RESTORE,
                                   .attributes = { .set = ATTR_ALL, .spoof_check = true } };
}

static bool is_plain(uint32_t index) {
        const struct vf_change p = plain(index);
        struct vf_attributes now = d.vf[index];

        now.set = ATTR_ALL;
        return attributes_difference(&p.attributes, &now) == 0;
}

/* Two looks and one message for each 256, however many VFs. */
static void test_one_message(void **state) {
        static struct vf_change c[VFS];

        fresh_driver();
        for (unsigned n = 1; n <= VFS; n *= 20) {
                for (unsigned i = 0; i < n; i++)
                        c[i] = red(i);
                assert_int_equal(apply(c, n), 0);
                assert_int_equal(d.messages, n == 1 ? 1 : n == 20 ? 1 : 2);
                assert_int_equal(d.reads, 2);
                for (unsigned i = 0; i < n; i++) {
                        assert_int_equal(c[i].error, 0);
                        assert_int_equal(mac_to_number(d.vf[i].mac), 0x020000000100 + i);
                        assert_int_equal(c[i].attributes.vlan, 100);
                }
                assert_int_equal(apply(c, n), 0); /* it is so already: one look, no message */
                assert_int_equal(d.messages, 0);
                assert_int_equal(d.reads, 1);
                for (unsigned i = 0; i < n; i++)
                        c[i] = plain(i);
                assert_int_equal(apply(c, n), 0);
                for (unsigned i = 0; i < n; i++)
                        assert_true(is_plain(i) && c[i].error == 0);
        }
}

/* What cannot be set as a whole is as before; the others of the message do not suffer. */
static void test_one_fails(void **state) {
        fresh_driver();
        for (uint32_t broken = 0; broken < 5; broken++) {
                struct vf_change c[5];

                fresh_driver();
                d.broken = (int32_t) broken;
                for (uint32_t i = 0; i < 5; i++)
                        c[i] = red(i);
                assert_int_equal(apply(c, 5), 0);
                for (uint32_t i = 0; i < 5; i++) {
                        assert_int_equal(c[i].error, i == broken ? -EINVAL : 0);
                        assert_true(i == broken ? is_plain(i) : d.vf[i].trust);
                }
                assert_int_equal(c[broken].failed & ATTR_TRUST, ATTR_TRUST);
        }
}

static void test_unsupported(void **state) {
        struct vf_change c[2] = { red(0), red(1) };

        fresh_driver();
        d.sets = ATTR_ALL & ~ATTR_TRUST;
        c[1].attributes.set &= ~ATTR_TRUST;
        assert_int_equal(apply(c, 2), 0);
        assert_int_equal(c[0].error, -EOPNOTSUPP);
        assert_int_equal(c[0].failed & ATTR_TRUST, ATTR_TRUST);
        assert_int_equal(c[1].error, 0);
        assert_true(is_plain(0) && d.vf[1].vlan == 100);
}

/* Says yes and does not: what counts is what is read back. */
static void test_liar(void **state) {
        struct vf_change c = red(3);

        fresh_driver();
        d.lies = true;
        assert_int_equal(apply(&c, 1), 0);
        assert_int_equal(c.error, -EIO);
        assert_int_equal(c.failed, ATTR_MAC | ATTR_VLAN | ATTR_MAX_TX | ATTR_TRUST);
}

static void test_not_reported(void **state) {
        struct vf_change c = red(3), p = plain(3);

        fresh_driver();
        d.reports = ATTR_ALL & ~ATTR_TRUST;
        assert_int_equal(apply(&c, 1), 0);
        assert_int_equal(c.error, -EIO); /* nobody knows whether it is trusted */
        assert_int_equal(c.failed, ATTR_TRUST);
        assert_int_equal(apply(&p, 1), 0);
        assert_int_equal(p.error, 0);
}

static void test_busy(void **state) {
        struct vf_change c[3] = { red(0), red(1), red(2) };

        fresh_driver();
        d.busy = 2;
        d.busy_after = 2;
        assert_int_equal(apply(c, 3), 0);
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(c[i].error, 0);
        assert_int_equal(d.waits, 4);

        fresh_driver(); /* for ever: it ends, and what was done until then is undone */
        d.hung = 1;
        struct vf_change again[3] = { red(0), red(1), red(2) };
        assert_int_equal(apply(again, 3), 0);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(again[i].error, i == 1 ? -EAGAIN : 0);
                assert_true(i == 1 ? is_plain(i) : d.vf[i].trust);
        }
        assert_int_equal(again[1].failed, ATTR_TRUST);
        assert_true(d.messages < 40);
}

/* A driver that says nothing of a VF while it resets it: at the first look, when it is read back, for ever.
 */
static void test_skipped(void **state) {
        for (unsigned at = 0; at < 2; at++) {
                struct vf_change c[3] = { red(0), red(1), red(2) }, p = plain(1);

                fresh_driver();
                d.skipped = 1, d.skip_at = at, d.skips = 4;
                assert_int_equal(apply(c, 3), 0);
                assert_int_equal(d.waits, 4);
                for (unsigned i = 0; i < 3; i++)
                        assert_true(c[i].error == 0 && d.vf[i].vlan == 100);
                d.skips = 2;
                assert_int_equal(apply(&p, 1), 0);
                assert_int_equal(p.error, 0);
                assert_true(is_plain(1));
        }

        struct vf_change c = red(1), other = red(2);
        fresh_driver(); /* what it had is known, so it can be undone */
        d.skipped = 1, d.skips = 4;
        d.broken = 1;
        d.vf[1].mac = mac_from_number(0x02aa00000001);
        assert_int_equal(apply(&c, 1), 0);
        assert_int_equal(c.error, -EINVAL);
        assert_int_equal(mac_to_number(d.vf[1].mac), 0x02aa00000001);

        fresh_driver();
        d.skipped = 1, d.skips = 1000;
        c = red(1);
        assert_int_equal(apply(&c, 1), 0);
        assert_int_equal(c.error, -EIO);
        assert_true(d.reads < 20);
        assert_int_equal(apply(&other, 1), 0); /* nobody waits for another's reset */
        assert_int_equal(d.reads, 2);
}

static void test_busy_when_read(void **state) {
        struct vf_change c = red(0);

        fresh_driver();
        d.read_error = -EAGAIN, d.read_errors = 3;
        assert_int_equal(apply(&c, 1), 0);
        assert_int_equal(c.error, 0);
        d.read_errors = 0; /* for ever */
        assert_int_equal(apply(&c, 1), -EAGAIN);
        assert_true(d.reads < 20);
}

/* Each attribute for itself: what is had stays, though another is refused. */
static void test_correct(void **state) {
        for (uint32_t refused = 1; refused < ATTR_ALL; refused <<= 1) {
                struct vf_change c[2] = { red(0), red(1) };

                fresh_driver();
                for (unsigned i = 0; i < 2; i++) {
                        c[i].mode = VF_CHANGE_CORRECT;
                        d.vf[i].vlan = 7;
                }
                d.sets = ATTR_ALL & ~refused;
                assert_int_equal(apply(c, 2), 0);
                for (unsigned i = 0; i < 2; i++) {
                        uint32_t failed = refused & c[i].attributes.set & red(0).attributes.set;

                        assert_int_equal(c[i].failed, failed);
                        assert_int_equal(c[i].error, failed ? -EOPNOTSUPP : 0);
                        assert_int_equal(d.vf[i].vlan, refused == ATTR_VLAN ? 7 : 100);
                        assert_int_equal(d.vf[i].trust, refused != ATTR_TRUST);
                        assert_int_equal(d.vf[i].max_tx_mbps, refused == ATTR_MAX_TX ? 0 : 50);
                        assert_int_equal(mac_to_number(d.vf[i].mac),
                                         refused == ATTR_MAC ? 0 : 0x020000000100 + i);
                }
        }

        struct vf_change c = plain(0); /* no random MAC, and nothing is forgiven */
        fresh_driver();
        c.mode = VF_CHANGE_CORRECT;
        d.vf[0] = red(0).attributes;
        d.refuses_zero_mac = true;
        d.vf[0].link_state = LINK_STATE_DISABLE;
        d.sets = ATTR_ALL & ~ATTR_LINK_STATE;
        assert_int_equal(apply(&c, 1), 0);
        assert_int_equal(c.error, -EOPNOTSUPP);
        assert_int_equal(c.failed, ATTR_MAC | ATTR_LINK_STATE);
        assert_int_equal(mac_to_number(d.vf[0].mac), 0x020000000100);
        assert_int_equal(d.vf[0].vlan, 0);
}

/* Rates that only the missing link refuses; whatever else is refused has another reason. */
static void test_link_down(void **state) {
        struct vf_change c = red(0), p = plain(0);

        fresh_driver();
        assert_int_equal(apply(&c, 1), 0);
        d.link_down = true;
        assert_int_equal(apply(&p, 1), 0);
        assert_int_equal(p.error, -ENETDOWN);
        assert_int_equal(p.failed, ATTR_MAX_TX);
        assert_int_equal(d.vf[0].vlan | d.vf[0].trust, 0);
        d.sets = ATTR_ALL & ~ATTR_TRUST;
        d.vf[0].trust = true;
        p = plain(0);
        assert_int_equal(apply(&p, 1), 0);
        assert_int_equal(p.error, -EINVAL);
        fresh_driver();
        d.broken = 0;
        c = (struct vf_change){ .mode = VF_CHANGE_SET,
                                .attributes = { .set = ATTR_MAX_TX, .max_tx_mbps = 50 } };
        assert_int_equal(apply(&c, 1), 0);
        assert_int_equal(c.error, -EINVAL); /* the link is up */
}

static void test_restore(void **state) {
        struct vf_change c = red(7), p = plain(7);

        fresh_driver();
        assert_int_equal(apply(&c, 1), 0);
        d.refuses_zero_mac = true;
        d.sets = ATTR_ALL & ~ATTR_LINK_STATE;
        d.vf[7].link_state = LINK_STATE_DISABLE; /* as this driver has it, for it cannot be set */
        assert_int_equal(apply(&p, 1), 0);
        assert_int_equal(p.error, 0);
        assert_int_not_equal(mac_to_number(d.vf[7].mac), 0x020000000107);
        assert_true(mac_is_unicast(d.vf[7].mac));
        assert_int_equal(d.vf[7].vlan | d.vf[7].trust | (int) d.vf[7].max_tx_mbps, 0);

        fresh_driver(); /* an attribute that stays quarantines; the others go all the same */
        c = red(7);
        assert_int_equal(apply(&c, 1), 0);
        d.sets = ATTR_ALL & ~ATTR_TRUST;
        p = plain(7);
        assert_int_equal(apply(&p, 1), 0);
        assert_int_equal(p.error, -EOPNOTSUPP);
        assert_int_equal(p.failed, ATTR_TRUST);
        assert_int_equal(d.vf[7].vlan, 0);
        assert_int_equal(mac_to_number(d.vf[7].mac), 0);
}

/* What is only wished for does not keep the rest from the VF, nor one wish another. */
static void test_wish(void **state) {
        struct vf_change c = red(2);

        fresh_driver();
        d.sets = d.reports = ATTR_ALL & ~ATTR_TRUST;
        c.attributes.set |= ATTR_LINK_STATE;
        c.attributes.link_state = LINK_STATE_ENABLE;
        c.wish = ATTR_TRUST | ATTR_LINK_STATE;
        assert_int_equal(apply(&c, 1), 0);
        assert_int_equal(c.error, 0);
        assert_int_equal(d.vf[2].vlan, 100);
        assert_int_equal(d.vf[2].link_state, LINK_STATE_ENABLE);
        assert_false(d.vf[2].trust);

        fresh_driver(); /* what is no wish still refuses the whole */
        d.sets = d.reports = ATTR_ALL & ~(ATTR_TRUST | ATTR_MAX_TX);
        c = red(2);
        c.wish = ATTR_TRUST;
        assert_int_equal(apply(&c, 1), 0);
        assert_int_equal(c.error, -EOPNOTSUPP);
        assert_true(is_plain(2));
}

/* "trust": false is kept by a driver that knows no trust. */
static void test_harmless(void **state) {
        struct vf_change c = { .mode = VF_CHANGE_SET,
                               .attributes = { .set = ATTR_TRUST | ATTR_VLAN, .vlan = 5 } };

        fresh_driver();
        d.sets = d.reports = ATTR_MAC | ATTR_VLAN;
        assert_int_equal(apply(&c, 1), 0);
        assert_int_equal(c.error, 0);
        assert_int_equal(d.vf[0].vlan, 5);
        c = (struct vf_change){ .mode = VF_CHANGE_SET,
                                .attributes = { .set = ATTR_SPOOF_CHECK, .spoof_check = true } };
        assert_int_equal(apply(&c, 1), 0);
        assert_int_equal(c.error, -EOPNOTSUPP); /* nobody checks */
}

static void test_read(void **state) {
        struct vf_change c[2] = { { .index = 1 }, { .index = 399 } };

        fresh_driver();
        d.vf[1].vlan = 7;
        assert_int_equal(apply(c, 2), 0);
        assert_int_equal(d.messages, 0);
        assert_int_equal(c[0].attributes.vlan, 7);
        assert_int_equal(c[1].attributes.set, ATTR_ALL);
        assert_int_equal(c[0].error | c[1].error, 0);
        d.read_error = -EMSGSIZE;
        assert_int_equal(apply(c, 2), -EMSGSIZE);
        assert_int_equal(d.messages, 0);
        assert_int_equal(apply(c, 0), 0);
}

/* Rates are one attribute of the kernel's. */
static void test_half_of_the_rates(void **state) {
        struct vf_change c = { .mode = VF_CHANGE_SET,
                               .attributes = { .set = ATTR_MAX_TX, .max_tx_mbps = 80 } };

        fresh_driver();
        d.vf[0].min_tx_mbps = 20;
        assert_int_equal(apply(&c, 1), 0);
        assert_int_equal(d.vf[0].min_tx_mbps, 20);
        assert_int_equal(d.vf[0].max_tx_mbps, 80);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_message),       cmocka_unit_test(test_one_fails),
                cmocka_unit_test(test_unsupported),       cmocka_unit_test(test_liar),
                cmocka_unit_test(test_not_reported),      cmocka_unit_test(test_busy),
                cmocka_unit_test(test_restore),           cmocka_unit_test(test_wish),
                cmocka_unit_test(test_harmless),          cmocka_unit_test(test_read),
                cmocka_unit_test(test_half_of_the_rates), cmocka_unit_test(test_skipped),
                cmocka_unit_test(test_busy_when_read),    cmocka_unit_test(test_correct),
                cmocka_unit_test(test_link_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
