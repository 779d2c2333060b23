/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is read of one function: everything, or nothing that could be taken for isolation. */

#include "common/macro.h"
#include "sriov/capability.h"
#include "sriov/hop.h"
#include "test.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#define ACS_AT  0x140U
#define ACS_ON  (PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)
#define FOREVER UINT32_MAX
#define LAST_AT (ACS_AT + PCI_ACS_CTRL) /* the last register that is read of the port here */

/* A device that from the read `gone` on answers with all ones, `blip` times; or not at all. */
struct device {
        uint8_t config[CONFIG_SPACE_SIZE];
        size_t size;
        unsigned reads, gone, blip;
        int error;
};

static int read_device(void *userdata, size_t at, void *buf, size_t n) {
        struct device *d = userdata;
        bool there = d->reads < d->gone || d->reads - d->gone >= d->blip;

        d->reads++;
        if (!there && d->error < 0)
                return d->error;
        if (at + n > d->size)
                return -EIO;
        memcpy(buf, d->config + at, n);
        if (!there)
                memset(buf, 0xff, n);
        return 0;
}

static void put16(struct device *d, size_t at, unsigned v) {
        d->config[at] = (uint8_t) v;
        d->config[at + 1] = (uint8_t) (v >> 8);
}

static void put_extended(struct device *d, size_t at, unsigned id, size_t next) {
        put16(d, at, id);
        put16(d, at + 2, (unsigned) (next << 4) | 1);
}

/* Two capabilities before ACS, as most ports have. */
static void root_port(struct device *d) {
        *d = (struct device){ .size = CONFIG_SPACE_SIZE, .gone = FOREVER, .blip = FOREVER };
        put16(d, PCI_VENDOR_ID, 0x1b36);
        put16(d, PCI_DEVICE_ID, 0x000c);
        put16(d, PCI_STATUS, PCI_STATUS_CAP_LIST);
        d->config[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
        d->config[PCI_CAPABILITY_LIST] = 0x40;
        put16(d, 0x40, PCI_CAP_ID_PM | 0x5000);
        put16(d, 0x50, PCI_CAP_ID_EXP);
        put16(d, 0x50 + PCI_EXP_FLAGS, PCI_EXP_TYPE_ROOT_PORT << 4 | 2);
        put_extended(d, 0x100, PCI_EXT_CAP_ID_ERR, ACS_AT);
        put_extended(d, ACS_AT, PCI_EXT_CAP_ID_ACS, 0);
        put16(d, ACS_AT + PCI_ACS_CAP, ACS_ON | PCI_ACS_DT);
        put16(d, ACS_AT + PCI_ACS_CTRL, ACS_ON);
}

static struct path_hop look(struct device *d) {
        struct path_hop h = { .address = { 0, 0, 2, 0 } };

        d->reads = 0;
        hop_read(read_device, d, &h);
        assert_true(address_equal(h.address, (struct address){ 0, 0, 2, 0 }));
        return h;
}

static void is_unknown(struct device *d, const char *what, size_t n) {
        static const struct path_hop nothing = { .address = { 0, 0, 2, 0 } };
        struct path_hop h = look(d);

        if (memcmp(&h, &nothing, sizeof(h)) != 0)
                fail_msg("%s, %zu: flags %#x", what, n, h.flags);
}

static void test_root_port(void **state) {
        struct device d;

        root_port(&d);
        struct path_hop h = look(&d);
        assert_int_equal(h.kind, HOP_ROOT_PORT);
        assert_int_equal(h.flags, HOP_READABLE | HOP_ACS);
        assert_int_equal(h.acs_cap, ACS_ON | PCI_ACS_DT);
        assert_int_equal(h.acs_control, ACS_ON);
        put_extended(&d, 0x100, PCI_EXT_CAP_ID_ERR, 0);
        assert_int_equal(look(&d).flags, HOP_READABLE); /* really without */
        put16(&d, 0x100, 0);
        put16(&d, 0x102, 0);
        assert_int_equal(look(&d).flags, HOP_READABLE);
}

static void test_services_of_a_pf(void **state) {
        struct device d;

        root_port(&d);
        d.config[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_NORMAL | 0x80;
        put16(&d, 0x50 + PCI_EXP_FLAGS, PCI_EXP_TYPE_ENDPOINT << 4 | 2);
        put_extended(&d, 0x100, PCI_EXT_CAP_ID_ATS, 0x110);
        put_extended(&d, 0x110, PCI_EXT_CAP_ID_PRI, 0x120);
        put_extended(&d, 0x120, PCI_EXT_CAP_ID_PASID, 0x160);
        put_extended(&d, 0x160, PCI_EXT_CAP_ID_SRIOV, 0);
        struct path_hop h = look(&d);
        assert_int_equal(h.kind, HOP_ENDPOINT);
        assert_int_equal(h.flags, HOP_READABLE | HOP_ATS | HOP_PRI | HOP_PASID | HOP_SRIOV);
        put16(&d, 0x100 + PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE | 5);
        put16(&d, 0x110 + PCI_PRI_CTRL, PCI_PRI_CTRL_ENABLE);
        put16(&d, 0x120 + PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE);
        put16(&d, 0x160 + PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_ARI);
        put16(&d, 0x160 + PCI_SRIOV_NUM_VF, 300);
        h = look(&d);
        assert_int_equal(h.flags, HOP_READABLE | HOP_ATS | HOP_ATS_ON | HOP_PRI | HOP_PRI_ON | HOP_PASID |
                                                  HOP_PASID_ON | HOP_SRIOV | HOP_SRIOV_ON | HOP_SRIOV_ARI);
        assert_int_equal(h.num_vfs, 300);
}

/* A VF's identity reads all ones by the specification; what has no PCIe capability has 256 bytes. */
static void test_what_is_no_fault(void **state) {
        struct device d;

        root_port(&d);
        put16(&d, PCI_VENDOR_ID, 0xffff);
        put16(&d, PCI_DEVICE_ID, 0xffff);
        assert_int_equal(look(&d).flags, HOP_READABLE | HOP_ACS);
        root_port(&d);
        put16(&d, 0x40, PCI_CAP_ID_PM);
        d.size = 256;
        struct path_hop h = look(&d);
        assert_int_equal(h.kind, HOP_BRIDGE);
        assert_int_equal(h.flags, HOP_READABLE);
        put16(&d, PCI_STATUS, 0);
        d.size = 64;
        assert_int_equal(look(&d).kind, HOP_BRIDGE);
}

static void test_lists_that_loop_or_break(void **state) {
        struct device d;

        for (size_t next = 4; next < 0x100; next += 4) { /* to where none can be */
                root_port(&d);
                put_extended(&d, 0x100, PCI_EXT_CAP_ID_ERR, next);
                is_unknown(&d, "extended next", next);
        }
        root_port(&d);
        put_extended(&d, 0x100, PCI_EXT_CAP_ID_ERR, 0x100); /* ACS is behind it */
        is_unknown(&d, "to itself", 0x100);
        put_extended(&d, 0x100, PCI_EXT_CAP_ID_ERR, 0x120);
        put_extended(&d, 0x120, PCI_EXT_CAP_ID_DSN, 0x100);
        is_unknown(&d, "of two", 0x120);
        root_port(&d);
        put_extended(&d, ACS_AT, PCI_EXT_CAP_ID_ACS, 0x100); /* though ACS is in it */
        is_unknown(&d, "of all", ACS_AT);

        root_port(&d);
        put16(&d, 0x40, PCI_CAP_ID_PM | 0x4000); /* PCIe is behind it */
        is_unknown(&d, "standard, to itself", 0x40);
        put16(&d, 0x40, PCI_CAP_ID_PM | 0x3c00);
        is_unknown(&d, "standard, into the header", 0x3c);
        root_port(&d);
        put16(&d, 0x50, PCI_CAP_ID_EXP | 0x4000);
        is_unknown(&d, "standard, of all", 0x50);
}

static void test_cut_anywhere(void **state) {
        struct device d;

        root_port(&d);
        for (d.size = 0; d.size < CONFIG_SPACE_SIZE; d.size++)
                is_unknown(&d, "cut", d.size);
        for (size_t at = 0; at <= LAST_AT; at++) {
                root_port(&d);
                memset(d.config + at, 0xff, sizeof(d.config) - at);
                is_unknown(&d, "all ones from", at);
        }
}

/* A device that goes away, for good or for one read: nothing it said before counts. */
static void test_gone_in_between(void **state) {
        struct device d;

        root_port(&d);
        look(&d);
        unsigned all = d.reads;
        for (d.gone = 0; d.gone < all; d.gone++) {
                d.error = 0;
                is_unknown(&d, "gone at read", d.gone);
                d.error = -ENODEV;
                is_unknown(&d, "failed at read", d.gone);
        }
        assert_int_equal(look(&d).flags, HOP_READABLE | HOP_ACS);
        const struct path_hop whole = look(&d);
        d.error = 0;
        d.blip = 1;
        for (d.gone = 0; d.gone < all; d.gone++) {
                struct path_hop h = look(&d);

                if (h.flags != 0 && memcmp(&h, &whole, sizeof(h)) != 0)
                        fail_msg("read %u: flags %#x, control %#x", d.gone, h.flags, h.acs_control);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_root_port),        cmocka_unit_test(test_services_of_a_pf),
                cmocka_unit_test(test_what_is_no_fault), cmocka_unit_test(test_lists_that_loop_or_break),
                cmocka_unit_test(test_cut_anywhere),     cmocka_unit_test(test_gone_in_between),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
