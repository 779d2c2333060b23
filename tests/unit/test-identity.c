/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/: serial numbers, permanent addresses, capabilities and the best driver, in bytes and on a fake tree.
 */

#include "common/macro.h"
#include "common/root.h"
#include "sriov/bind.h"
#include "sriov/capability.h"
#include "sriov/identity.h"
#include "sriov/variant.h"
#include "sriov/vpd.h"
#include "tests/unit/faketree.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define PF_A "0000:01:00.0"
#define VF_A "0000:01:10.0"

static int set_up(void **state) {
        static struct faketree t;

        faketree_init(&t);
        faketree_pf(&t, &(struct fake_pf){ .address = PF_A, .netdev = "ens1" });
        *state = &t;
        return 0;
}

static int tear_down(void **state) {
        faketree_done(*state);
        return 0;
}

/* An identifier string, then VPD-R with PN and SN, then the end: 82 len "Card", 90 len … 78 */
#define ID                                                                                                   \
        "\x82\x04\x00"                                                                                       \
        "Card"
#define RO(length) "\x90" length "\x00"
#define PN                                                                                                   \
        "PN\x03"                                                                                             \
        "X12"

static const struct {
        const char *data;
        size_t n;
        enum vpd_result result;
        const char *serial;
} vpd_cases[] = {
#define BYTES(text) text, sizeof(text) - 1
        { BYTES(ID RO("\x0d") PN "SN\x04"
                                 "A-17"
                                 "\x78"),
          VPD_FOUND, "A-17" },
        { BYTES(RO("\x0b") "SN\x08"
                           "  AB 1\0 "),
          VPD_FOUND, "AB 1" },
        { BYTES("\x91\x02\x00"
                "YA" RO("\x05") "SN\x02"
                                "XY"),
          VPD_FOUND, "XY" }, /* VPD-W first */
        { BYTES("\x16"
                "abcdef" RO("\x04") "SN\x01"
                                    "7"),
          VPD_FOUND, "7" }, /* a small resource */
        { BYTES(""), VPD_MORE, "" },
        { BYTES("\x82"), VPD_MORE, "" },
        { BYTES(ID), VPD_MORE, "" },
        { BYTES(ID "\x90\x0d"), VPD_MORE, "" },
        { BYTES(ID RO("\x0d") PN "SN"), VPD_MORE, "" },
        { BYTES(ID RO("\x0d") PN "SN\x04"
                                 "A-1"),
          VPD_MORE, "" },
        { BYTES("\x82\xff\xff"
                "Card"),
          VPD_MORE, "" },
        { BYTES(ID RO("\x06") PN "\x78"), VPD_NONE, "" }, /* no SN */
        { BYTES(ID "\x78" RO("\x04") "SN\x01"
                                     "7"),
          VPD_NONE, "" }, /* behind the end */
        { BYTES(RO("\x09") "RV\x01\x00"
                           "SN\x02"
                           "XY"),
          VPD_NONE, "" }, /* behind the checksum */
        { BYTES(RO("\x04") "SN\x02"
                           "XY"),
          VPD_NONE, "" }, /* longer than its resource */
        { BYTES(RO("\x00") "SN\x02"
                           "XY"),
          VPD_NONE, "" },
        { BYTES(RO("\x03") "SN\x00"), VPD_NONE, "" }, /* empty */
        { BYTES(RO("\x06") "SN\x03"
                           " \0 "),
          VPD_NONE, "" }, /* blank */
        { BYTES(RO("\x06") "SN\x03"
                           "A\nB"),
          VPD_NONE, "" }, /* not printable */
        { BYTES(RO("\x05") "SN\x02"
                           "\xff\xff"),
          VPD_NONE, "" },
        { BYTES("\xff\xff\xff\xff"), VPD_NONE, "" },
        { BYTES("\0\0\0\0"), VPD_NONE, "" },
        { BYTES(ID "\0\0\0\0"), VPD_NONE, "" },
#undef BYTES
};

static void test_vpd(void **state) {
        for (unsigned i = 0; i < ARRAY_SIZE(vpd_cases); i++) {
                char serial[SERIAL_MAX] = "untouched";
                int r = (int) vpd_find_serial((const uint8_t *) vpd_cases[i].data, vpd_cases[i].n, serial);

                if (r != (int) vpd_cases[i].result || strcmp(serial, vpd_cases[i].serial) != 0)
                        fail_msg("case %u: %d \"%s\"", i, r, serial);
        }
}

/* The longest that fits, and one more; a prefix of a good VPD never has a wrong answer. */
static void test_vpd_lengths(void **state) {
        uint8_t data[512] = { 0x90, 0xff, 0x00, 'S', 'N', 0 };
        char serial[SERIAL_MAX];

        memset(data + 6, 'x', sizeof(data) - 6);
        data[5] = SERIAL_MAX - 1;
        assert_int_equal(vpd_find_serial(data, sizeof(data), serial), VPD_FOUND);
        assert_int_equal(strlen(serial), SERIAL_MAX - 1);
        for (size_t n = 0; n < 6 + SERIAL_MAX - 1; n++)
                assert_int_equal(vpd_find_serial(data, n, serial), VPD_MORE);
        data[5] = SERIAL_MAX;
        assert_int_equal(vpd_find_serial(data, sizeof(data), serial), VPD_NONE);
}

static void put16(uint8_t *config, size_t at, unsigned v) {
        config[at] = (uint8_t) v;
        config[at + 1] = (uint8_t) (v >> 8);
}

static void put_list(uint8_t config[CONFIG_SPACE_SIZE]) {
        memset(config, 0, CONFIG_SPACE_SIZE);
        put16(config, 0x06, 0x10);
        config[0x34] = 0x40;
        put16(config, 0x40, 0x5010);  /* PCIe, next 0x50 */
        put16(config, 0x50, 0x0011);  /* MSI-X */
        put16(config, 0x52, 0x8004);  /* enabled, five vectors */
        put16(config, 0x100, 0x0001); /* AER, next 0x150 */
        put16(config, 0x102, 0x1502);
        put16(config, 0x150, 0x0003); /* serial number */
        put16(config, 0x152, 0x0001);
        memcpy(config + 0x154, "\x12\x8c\x64\xff\xff\x21\x1b\x00", 8);
}

static void test_capabilities(void **state) {
        uint8_t config[CONFIG_SPACE_SIZE];
        char dsn[24];

        put_list(config);
        assert_int_equal(capability_find(config, sizeof(config), 0x10), 0x40);
        assert_int_equal(capability_find(config, sizeof(config), 0x05), 0);
        assert_int_equal(capability_msix_vectors(config, sizeof(config)), 5);
        capability_serial_number(config, sizeof(config), dsn);
        assert_string_equal(dsn, "00-1b-21-ff-ff-64-8c-12");
        for (size_t n = 0; n < 0x15c; n++) { /* cut anywhere */
                capability_serial_number(config, n, dsn);
                assert_string_equal(dsn, "");
                assert_int_equal(capability_msix_vectors(config, n), n < 0x54 ? 0 : 5);
        }
        memset(config + 0x154, 0xff, 8);
        capability_serial_number(config, sizeof(config), dsn);
        assert_string_equal(dsn, "");
        memset(config + 0x154, 0, 8);
        capability_serial_number(config, sizeof(config), dsn);
        assert_string_equal(dsn, "");

        put_list(config);
        config[0x51] = 0x40; /* both lists in a circle */
        put16(config, 0x152, 0x1001);
        assert_int_equal(capability_find(config, sizeof(config), 0x05), 0);
        assert_int_equal(capability_find_extended(config, sizeof(config), 0x1234), 0);
        config[0x41] = 0x3c; /* into the header */
        assert_int_equal(capability_find(config, sizeof(config), 0x11), 0);
        put16(config, 0x06, 0);
        assert_int_equal(capability_find(config, sizeof(config), 0x10), 0);
        memset(config, 0xff, sizeof(config)); /* gone */
        assert_int_equal(capability_find(config, sizeof(config), 0xff), 0);
        assert_int_equal(capability_find_extended(config, sizeof(config), 0xffff), 0);
}

static struct identity identify(struct faketree *t) {
        struct identity id;
        struct address a;
        const char *step = NULL;

        assert_int_equal(address_parse(PF_A, &a), 0);
        assert_int_equal(identity_read(t->fd, a, &id, &step), 0);
        return id;
}

static void test_identity(void **state) {
        struct faketree *t = *state;
        uint8_t config[CONFIG_SPACE_SIZE];
        struct address a;
        const char *step;
        struct identity id;

        put_list(config);
        faketree_write_bytes(t, fake_device(PF_A, "config"), config, sizeof(config));
        id = identify(t); /* it has nothing else */
        assert_string_equal(id.serial, "");
        assert_string_equal(id.dsn, "00-1b-21-ff-ff-64-8c-12");
        assert_int_equal(mac_to_number(id.mac), 0);
        assert_int_equal(id.link_mbps, 0);
        assert_int_equal(id.vf_total_msix, 0);

        faketree_write_bytes(t, fake_device(PF_A, "vpd"),
                             ID RO("\x0d") PN "SN\x04"
                                              "A-17"
                                              "\x78",
                             24);
        faketree_write(t, fake_device(PF_A, "sriov_vf_total_msix"), "64\n");
        faketree_write(t, fake_device(PF_A, "net/ens1/address"), "00:1b:21:64:8c:12\n");
        faketree_write(t, fake_device(PF_A, "net/ens1/addr_assign_type"), "0\n");
        faketree_write(t, fake_device(PF_A, "net/ens1/speed"), "25000\n");
        faketree_write(t, fake_device(PF_A, "net/ens1/ifindex"),
                       "1\n"); /* lo of the real host is not asked */
        id = identify(t);
        assert_string_equal(id.serial, "A-17");
        assert_string_equal(MAC_STR(id.mac), "00:1b:21:64:8c:12");
        assert_int_equal(id.link_mbps, 25000);
        assert_int_equal(id.vf_total_msix, 64);

        faketree_write(t, fake_device(PF_A, "net/ens1/addr_assign_type"), "3\n"); /* somebody set it */
        faketree_write(t, fake_device(PF_A, "net/ens1/speed"), "-1\n");
        id = identify(t);
        assert_int_equal(mac_to_number(id.mac), 0);
        assert_int_equal(id.link_mbps, 0);

        faketree_remove(t, fake_device(PF_A, "config"));
        assert_int_equal(address_parse(PF_A, &a), 0);
        assert_int_equal(identity_read(t->fd, a, &id, &step), -ENODEV);
        assert_int_equal(address_parse("0000:09:00.0", &a), 0);
        assert_int_equal(identity_read(t->fd, a, &id, &step), -ENODEV);
}

/* 32 KiB without an end cost no more than the first 4 KiB. */
static void test_endless_vpd(void **state) {
        static const uint8_t fills[] = { 0xff, 0x00, 0x08, 0x82, 0x90, 'S', 0x0e };
        struct faketree *t = *state;
        uint8_t config[256] = { 0 };
        static uint8_t vpd[32768];

        faketree_write_bytes(t, fake_device(PF_A, "config"), config, sizeof(config));
        for (unsigned i = 0; i < ARRAY_SIZE(fills); i++) {
                memset(vpd, fills[i], sizeof(vpd));
                faketree_write_bytes(t, fake_device(PF_A, "vpd"), vpd, sizeof(vpd));
                assert_string_equal(identify(t).serial, "");
        }
}

static const char aliases[] = "# Aliases extracted from modules themselves.\n"
                              "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n"
                              "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n"
                              "alias vfio_pci:v00001AF4d*sv*sd*bc02sc*i* virtio_vfio_pci\n"
                              "alias vfio_pci:v00001AF4d00001041sv*sd*bc02sc00i* a_vfio_pci\n"
                              "alias vfio_pci:v0000FFFEd*sv*sd*bc*sc*i* evil\n"
                              "alias vfio_pci:v00008086d0000E2*sv*sd*bc*sc*i* xe_vfio_pci\n"
                              "alias pci:v00008086d000010CAsv*sd*bc*sc*i* igbvf\n"
                              "# alias vfio_pci:v00008086d000010CAsv*sd*bc*sc*i* b_vfio_pci\n"
                              "alias vfio_pci:v00008086 ";

static void test_pick(void **state) {
        static const struct {
                const char *modalias, *module;
        } cases[] = {
                { "pci:v000015B3d0000101Esv000015B3sd00000007bc02sc00i00", "mlx5_vfio_pci" },
                { "pci:v000015B3d0000101Fsv000015B3sd00000007bc02sc00i00", "vfio_pci" },
                { "pci:v00001AF4d00001042sv00001AF4sd00001100bc02sc00i00", "virtio_vfio_pci" },
                { "pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00", "a_vfio_pci" },
                { "pci:v00001AF4d00001041sv00001AF4sd00001100bc01sc00i00", "vfio_pci" },
                { "pci:v00008086d0000E211sv00001AF4sd00001100bc03sc00i00", "xe_vfio_pci" },
                { "pci:v0000FFFEd00001041sv00001AF4sd00001100bc01sc00i00", "vfio_pci" },
                { "pci:v00008086d000010CAsv00008086sd0000A03Cbc02sc00i00", "vfio_pci" },
                { "usb:v000015B3d0000101Esv000015B3sd00000007bc02sc00i00", "vfio_pci" },
                { "", "vfio_pci" },
        };
        char module[DRIVER_MAX];

        for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
                variant_pick(aliases, cases[i].modalias, module);
                assert_string_equal(module, cases[i].module);
                variant_pick("", cases[i].modalias, module);
                assert_string_equal(module, "vfio_pci");
        }
}

static void test_best_driver(void **state) {
        struct faketree *t = *state;
        struct address vf = faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = 0, .group = 4 });
        char driver[DRIVER_MAX], override[DRIVER_MAX];
        enum reason reason;
        const char *step;

        assert_int_equal(variant_best(t->fd, vf, driver), -ENODEV);
        faketree_write(t, fake_device(VF_A, "modalias"),
                       "pci:v00008086d0000E211sv00001AF4sd00001100bc03sc80i00\n");
        assert_int_equal(variant_best(t->fd, vf, driver), 0); /* a kernel without modules */
        assert_string_equal(driver, "vfio-pci");
        faketree_write(t, "proc/sys/kernel/osrelease", "6.12.0-test\n");
        assert_int_equal(variant_best(t->fd, vf, driver), 0);
        faketree_write(t, "lib/modules/6.12.0-test/modules.alias", aliases);
        assert_int_equal(variant_best(t->fd, vf, driver), -EAGAIN);
        assert_int_equal(bind_driver(t->fd, vf, "", 0, &reason, &step), -EAGAIN);
        assert_int_equal(reason, REASON_PROBE_FAILED);
        assert_string_equal(step, "the driver xe_vfio_pci is not loaded");
        assert_int_equal(bind_read_override(t->fd, vf, override, sizeof(override)), 0);
        assert_string_equal(override, "");

        faketree_mkdir(t, "sys/bus/pci/drivers/xe-vfio-pci"); /* as its authors named it */
        assert_int_equal(variant_best(t->fd, vf, driver), 0);
        assert_string_equal(driver, "xe-vfio-pci");
        assert_int_equal(bind_driver(t->fd, vf, "", 0, &reason, &step),
                         -ENXIO); /* nobody answers the probe */
        assert_int_equal(bind_read_override(t->fd, vf, override, sizeof(override)), 0);
        assert_string_equal(override, "xe-vfio-pci");
}

static void test_vectors(void **state) {
        struct faketree *t = *state;
        struct address vf = faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = 0, .group = 4 });
        uint8_t config[CONFIG_SPACE_SIZE];
        enum reason reason;
        const char *step;
        char text[32];

        put_list(config);
        faketree_write_bytes(t, fake_device(VF_A, "config"), config, sizeof(config));
        /* it has five already: nothing is written */
        faketree_write(t, fake_device(VF_A, "sriov_vf_msix_count"), "untouched");
        faketree_write(t, fake_device(VF_A, "driver_override"), "vfio-pci\n");
        faketree_link(t, "../../../../bus/pci/drivers/vfio-pci", fake_device(VF_A, "driver"));
        assert_int_equal(bind_driver(t->fd, vf, "vfio-pci", 5, &reason, &step), 0);
        faketree_read(t, fake_device(VF_A, "sriov_vf_msix_count"), text, sizeof(text));
        assert_string_equal(text, "untouched");
        /* it must be unbound before it can have another number */
        faketree_write(t, "sys/bus/pci/drivers/vfio-pci/unbind", "");
        assert_int_equal(bind_driver(t->fd, vf, "vfio-pci", 6, &reason, &step), -EBUSY);
        faketree_read(t, "sys/bus/pci/drivers/vfio-pci/unbind", text, sizeof(text));
        assert_string_equal(text, VF_A);
        faketree_read(t, fake_device(VF_A, "sriov_vf_msix_count"), text, sizeof(text));
        assert_string_equal(text, "untouched");
        /* written, but the device shows something else */
        faketree_remove(t, fake_device(VF_A, "driver"));
        assert_int_equal(bind_driver(t->fd, vf, "vfio-pci", 6, &reason, &step), -EIO);
        assert_int_equal(reason, REASON_MSIX);
        faketree_read(t, fake_device(VF_A, "sriov_vf_msix_count"), text, sizeof(text));
        assert_string_equal(text, "6");
        faketree_read(t, "sys/bus/pci/drivers_probe", text, sizeof(text));
        assert_string_equal(text, "");
        /* a kernel that cannot */
        faketree_remove(t, fake_device(VF_A, "sriov_vf_msix_count"));
        assert_int_equal(bind_driver(t->fd, vf, "vfio-pci", 6, &reason, &step), -EOPNOTSUPP);
        assert_int_equal(reason, REASON_MSIX);
        assert_int_equal(bind_driver(t->fd, vf, "vfio-pci", 0, &reason, &step), -ENXIO);
        assert_int_equal(reason, REASON_PROBE_FAILED);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_vpd),
                cmocka_unit_test(test_vpd_lengths),
                cmocka_unit_test(test_capabilities),
                TEST(test_identity),
                TEST(test_endless_vpd),
                cmocka_unit_test(test_pick),
                TEST(test_best_driver),
                TEST(test_vectors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
