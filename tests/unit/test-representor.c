/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/representor: names of ports, and the interfaces that have them. */

#include "common/macro.h"
#include "sriov/eswitch.h"
#include "sriov/netdev.h"
#include "sriov/representor.h"
#include "tests/unit/faketree.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static void test_names(void **state) {
        static const struct {
                const char *text;
                struct port_name want;
        } rows[] = {
                { "p0", { PORT_PHYSICAL, false, 0, 0, 0, -1 } },
                { "p12s3", { PORT_PHYSICAL, false, 0, 0, 12, 3 } },
                { "pf1", { PORT_PF, false, 0, 1, 0, -1 } },
                { "pf0vf3", { PORT_VF, false, 0, 0, 3, -1 } },
                { "c1pf0vf127", { PORT_VF, true, 1, 0, 127, -1 } },
                { "c0pf2", { PORT_PF, true, 0, 2, 0, -1 } },
                { "pf0sf88", { PORT_SF, false, 0, 0, 88, -1 } },
        };
        static const char *const wrong[] = {
                "",     "p",       "pf",      "pf0vf",           "pf0vf3x",  "pf0vf03", "c1",
                "c1p0", "pf0vf-1", "pf0 vf1", "PF0vf1",          "pfvf1",    "vf1",     "p1s",
                "pf+0", "l1p1",    "cpf0vf1", "pf0vf9999999999", "pf0vf1sf1"
        };

        FOREACH_ARRAY(row, rows, ARRAY_SIZE(rows)) {
                struct port_name p;

                assert_int_equal(port_name_parse(row->text, &p), 0);
                assert_int_equal(p.kind, row->want.kind);
                assert_int_equal(p.external, row->want.external);
                assert_int_equal(p.controller, row->want.controller);
                assert_int_equal(p.pf, row->want.pf);
                assert_int_equal(p.number, row->want.number);
                assert_int_equal(p.split, row->want.split);
        }
        FOREACH_ARRAY(text, wrong, ARRAY_SIZE(wrong)) {
                struct port_name p;

                assert_int_equal(port_name_parse(*text, &p), -EINVAL);
        }
}

static void interface(struct faketree *t, const char *name, const char *id, const char *port) {
        char path[128];

        snprintf(path, sizeof(path), "sys/class/net/%s/phys_switch_id", name);
        faketree_write(t, path, id);
        snprintf(path, sizeof(path), "sys/class/net/%s/phys_port_name", name);
        faketree_write(t, path, port);
}

static void test_find(void **state) {
        struct faketree t;
        char names[4][IFNAME_MAX], id[SWITCH_ID_MAX];

        faketree_init(&t);
        /* as long as the kernel's may be */
        interface(&t, "long", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n", "p1\n");
        assert_int_equal(representor_switch_id(t.fd, "long", id), 0);
        faketree_mkdir(&t, "sys/class/net/lo");
        interface(&t, "uplink", "0a0b\n", "p0\n");
        interface(&t, "zz", "0a0b\n", "pf0vf0\n");
        interface(&t, "aa", "0a0b\n", "pf0vf2\n");
        interface(&t, "bb", "0a0b\n", "pf1vf1\n");   /* of the other PF */
        interface(&t, "cc", "0a0c\n", "pf0vf1\n");   /* of another switch */
        interface(&t, "dd", "0a0b\n", "c1pf0vf1\n"); /* of another host */
        interface(&t, "ee", "0a0b\n", "pf0vf9\n");   /* beyond */
        assert_int_equal(representor_switch_id(t.fd, "uplink", id), 0);
        assert_string_equal(id, "0a0b");
        assert_true(representor_switch_id(t.fd, "lo", id) < 0);
        assert_int_equal(representor_find(t.fd, "0a0b", -1, 0, names, 4), 0);
        assert_string_equal(names[0], "zz");
        assert_string_equal(names[1], "");
        assert_string_equal(names[2], "aa");
        assert_string_equal(names[3], "");
        assert_int_equal(representor_find(t.fd, "0a0b", 1, 0, names, 4), 0);
        assert_string_equal(names[0], "");
        assert_string_equal(names[1], "dd");
        interface(&t, "ff", "0a0b\n", "pf0vf0\n");
        assert_int_equal(representor_find(t.fd, "0a0b", -1, 0, names, 4), -EEXIST);
        faketree_done(&t);
}

/* The switch is found by any interface of the PF, of which one may stand for a VF. */
static void test_of_a_pf(void **state) {
        const struct address pf = { 0, 6, 0, 1 };
        struct faketree t;
        char names[2][IFNAME_MAX];
        const char *step;

        faketree_init(&t);
        memset(names, 'x', sizeof(names));
        assert_int_equal(eswitch_representors(t.fd, pf, names, 2, &step), 0);
        assert_string_equal(names[0], "");
        assert_string_equal(names[1], "");
        faketree_mkdir(&t, "sys/bus/pci/devices/0000:06:00.1/net/plain");
        faketree_mkdir(&t, "sys/bus/pci/devices/0000:06:00.1/net/uplink");
        faketree_mkdir(&t, "sys/class/net/plain");
        assert_int_equal(eswitch_representors(t.fd, pf, names, 2, &step), 0);
        interface(&t, "uplink", "0a0b\n", "p1\n");
        interface(&t, "other", "0a0b\n", "pf0vf0\n");
        interface(&t, "mine", "0a0b\n", "pf1vf1\n");
        assert_int_equal(eswitch_representors(t.fd, pf, names, 2, &step), 0);
        assert_string_equal(names[0], "");
        assert_string_equal(names[1], "mine");
        interface(&t, "thief", "0a0b\n", "pf1vf1\n");
        assert_int_equal(eswitch_representors(t.fd, pf, names, 2, &step), 0); /* neither is believed */
        assert_string_equal(names[1], "");
        faketree_done(&t);
}

/* The card's own interface was moved away and back, and has a higher number than those of its VFs now. */
static void test_own_interface(void **state) {
        static const char device[] = "sys/bus/pci/devices/0000:06:00.0";
        struct faketree t;
        struct netdev found;

        faketree_init(&t);
        faketree_mkdir(&t, device);
        _cleanup_close_ int fd = openat(t.fd, device, O_PATH | O_DIRECTORY);
        assert_int_equal(netdev_find(fd, true, &found), -ENODEV);
        assert_string_equal(found.name, "");
        faketree_write(&t, "sys/bus/pci/devices/0000:06:00.0/net/eth0/ifindex", "8\n");
        faketree_write(&t, "sys/bus/pci/devices/0000:06:00.0/net/eth0/phys_port_name", "pf0vf0\n");
        assert_int_equal(netdev_find(fd, true, &found), -ENODEV);
        faketree_write(&t, "sys/bus/pci/devices/0000:06:00.0/net/uplink/ifindex", "10\n");
        faketree_write(&t, "sys/bus/pci/devices/0000:06:00.0/net/uplink/phys_port_name", "p0\n");
        faketree_write(&t, "sys/bus/pci/devices/0000:06:00.0/net/second/ifindex", "11\n");
        assert_int_equal(netdev_find(fd, true, &found), 0);
        assert_string_equal(found.name, "uplink");
        assert_int_equal(found.ifindex, 10);
        assert_int_equal(netdev_find(fd, false, &found), 0); /* who must not wait goes by age alone */
        assert_string_equal(found.name, "eth0");
        faketree_done(&t);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_names), cmocka_unit_test(test_find),
                                            cmocka_unit_test(test_of_a_pf),
                                            cmocka_unit_test(test_own_interface) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
