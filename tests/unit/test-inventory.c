/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/: inventory, binding, enabling and event parsing, on a fake tree. */

#include "common/macro.h"
#include "common/root.h"
#include "sriov/bind.h"
#include "sriov/enable.h"
#include "sriov/inventory.h"
#include "sriov/monitor.h"
#include "sriov/names.h"
#include "tests/unit/faketree.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define PF_A "0000:01:00.0"
#define PF_B "0000:01:00.1"
#define PF_C "10000:03:00.0"

static int set_up(void **state) {
        static struct faketree t;

        faketree_init(&t);
        *state = &t;
        return 0;
}

static int tear_down(void **state) {
        faketree_done(*state);
        return 0;
}

static void test_scan_sorted_with_facts(void **state) {
        struct faketree *t = *state;
        struct inventory inv;

        faketree_pf(t, &(struct fake_pf){ .address = PF_B,
                                          .driver = "",
                                          .total = 3,
                                          .vendor = 0x1b36,
                                          .device = 0x10,
                                          .class = 0x010802,
                                          .managed = true });
        faketree_pf(t, &(struct fake_pf){ .address = PF_A, .netdev = "ens9" });
        faketree_write(t, fake_device(PF_A, "net/ens1f0/ifindex"), "12\n"); /* came later */
        faketree_mkdir(t, fake_device(PF_A, "net/ens0"));                   /* going */
        faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = 1 });
        faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = 0, .driver = "vfio-pci", .group = 5 });
        faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = 10, .reset = "pm bus" });
        faketree_write(t, fake_device("0000:02:00.0", "vendor"), "0x8086\n"); /* no SR-IOV */

        assert_int_equal(inventory_scan(t->fd, &inv), 0);
        assert_int_equal(inv.n_pfs, 2);
        struct pf *a = inv.pfs[0], *b = inv.pfs[1];
        assert_string_equal(ADDRESS_STR(a->address), PF_A);
        assert_string_equal(ADDRESS_STR(b->address), PF_B);
        assert_string_equal(a->driver, "igb");
        assert_string_equal(a->netdev, "ens9");
        assert_int_equal(a->ifindex, 7);
        assert_int_equal(a->vendor, 0x8086);
        assert_int_equal(a->device, 0x10c9);
        assert_int_equal(a->subsystem_vendor, 0x103c);
        assert_int_equal(a->subsystem_device, 0x0a01);
        assert_int_equal(a->class, 0x020000);
        assert_false(a->whole);
        assert_false(a->identified);
        assert_int_equal(a->numa_node, 1);
        assert_int_equal(a->total_vfs, 7);
        assert_int_equal(a->num_vfs, 3);
        assert_true(a->autoprobe);
        assert_int_equal(a->pool, -1);
        assert_string_equal(b->driver, "");
        assert_string_equal(b->netdev, "");
        assert_int_equal(b->class, 0x010802);
        assert_int_equal(b->num_vfs, 0);
        assert_int_equal(b->n_vfs, 0);
        assert_false(b->autoprobe);

        assert_int_equal(a->n_vfs, 3);
        assert_int_equal(a->vfs[0]->index, 0);
        assert_int_equal(a->vfs[1]->index, 1);
        assert_int_equal(a->vfs[2]->index, 10);
        assert_string_equal(ADDRESS_STR(a->vfs[0]->address), "0000:01:10.0");
        assert_string_equal(ADDRESS_STR(a->vfs[2]->address), "0000:01:12.4");
        assert_ptr_equal(a->vfs[0]->pf, a);
        assert_string_equal(a->vfs[0]->driver, "vfio-pci");
        assert_string_equal(a->vfs[1]->driver, "");
        assert_true(a->vfs[0]->resettable);
        assert_false(a->vfs[2]->resettable);
        assert_int_equal(a->vfs[0]->group, GROUP_UNREADABLE);
        assert_int_equal(a->vfs[0]->cdev, -1);
        assert_int_equal(a->vfs[0]->state, VF_ABSENT);
        inventory_done(&inv);
}

static void test_reset_methods(void **state) {
        static const struct {
                const char *methods;
                bool own;
        } cases[] = {
                { "flr", true },
                { "device_specific flr", true },
                { "device_specific", true },
                { "acpi pm bus", false },
                { "af_flr", false },
                { "", false },
        };
        struct faketree *t = *state;
        struct pf *pf;

        faketree_pf(t, &(struct fake_pf){ .address = PF_A });
        for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
                faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = i, .reset = cases[i].methods });
        struct address a;
        assert_int_equal(address_parse(PF_A, &a), 0);
        assert_int_equal(inventory_scan_pf(t->fd, a, &pf), 0);
        for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
                assert_int_equal(pf->vfs[i]->resettable, cases[i].own);
        pf_free(pf);
}

static void test_scan_survives_vanishing(void **state) {
        struct faketree *t = *state;
        struct address a;
        struct pf *pf = NULL;

        faketree_pf(t, &(struct fake_pf){ .address = PF_C, .driver = "nvme", .offset = 1, .stride = 1 });
        faketree_vf(t, &(struct fake_vf){ .pf = PF_C, .index = 0 });
        faketree_vf(t, &(struct fake_vf){ .pf = PF_C, .index = 1 });
        faketree_remove(t, "sys/bus/pci/devices/10000:03:00.1");
        faketree_link(t, "../not-an-address", fake_device(PF_C, "virtfn2"));
        faketree_link(t, "../10000:03:00.5", fake_device(PF_C, "virtfnx"));
        assert_int_equal(address_parse(PF_C, &a), 0);
        assert_int_equal(inventory_scan_pf(t->fd, a, &pf), 0);
        assert_int_equal(pf->num_vfs, 2);
        assert_int_equal(pf->n_vfs, 1);
        assert_string_equal(ADDRESS_STR(pf->vfs[0]->address), "10000:03:00.2");
        pf_free(pf);

        assert_int_equal(address_parse("0000:77:00.0", &a), 0);
        assert_int_equal(inventory_scan_pf(t->fd, a, &pf), -ENODEV);
        faketree_write(t, fake_device(PF_C, "sriov_totalvfs"), "0\n");
        assert_int_equal(address_parse(PF_C, &a), 0);
        assert_int_equal(inventory_scan_pf(t->fd, a, &pf), -ENODEV);
}

static bool is_storage(const struct pf *pf, void *userdata) {
        (*(unsigned *) userdata)++;
        assert_true(pf->whole);
        assert_int_equal(pf->n_vfs, 0);
        return pf->class >> 16 == 1;
}

static void test_scan_never_reads_what_can_block(void **state) {
        static const char *const locked[][2] = {
                { PF_A, "sriov_numvfs" },
                { PF_A, "sriov_vf_total_msix" },
                { PF_A, "net/ens1/speed" },
                { "0000:01:10.0", "driver_override" },
                { "0000:02:00.0", "driver_override" },
        };
        struct faketree *t = *state;
        struct inventory inv;
        unsigned asked = 0;
        char path[256];

        /* a FIFO without a writer blocks whoever opens it, as a device lock would */
        faketree_pf(t, &(struct fake_pf){ .address = PF_A, .netdev = "ens1" });
        faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = 0 });
        faketree_function(t, "0000:02:00.0", 0x010802, "nvme");
        for (unsigned i = 0; i < ARRAY_SIZE(locked); i++) {
                snprintf(path, sizeof(path), "%s/%s", t->dir, fake_device(locked[i][0], locked[i][1]));
                unlink(path);
                assert_int_equal(mkfifo(path, 0600), 0);
        }
        assert_int_equal(inventory_scan(t->fd, &inv), 0);
        assert_int_equal(inv.pfs[0]->num_vfs, 1);
        assert_int_equal(inventory_scan_vf(t->fd, inv.pfs[0]->vfs[0]), 0);
        assert_int_equal(inventory_scan_functions(t->fd, is_storage, &asked, &inv), 0);
        assert_int_equal(inv.n_pfs, 2);
        inventory_done(&inv);
}

static void test_slots(void **state) {
        struct faketree *t = *state;
        struct inventory inv;

        faketree_pf(t, &(struct fake_pf){ .address = PF_A });
        faketree_pf(t, &(struct fake_pf){ .address = PF_C });
        faketree_pf(t, &(struct fake_pf){ .address = "0000:05:01.0" });
        faketree_pf(t, &(struct fake_pf){ .address = "0000:06:00.0" });
        faketree_pf(t, &(struct fake_pf){ .address = "0000:07:00.0" });
        faketree_write(t, "sys/bus/pci/slots/3-1/address", "0000:01:00\n");
        faketree_write(t, "sys/bus/pci/slots/VMD 7/address", "10000:03:00\n");
        faketree_write(t, "sys/bus/pci/slots/U5/address", "0000:05\n"); /* a slot that fits any device */
        faketree_write(t, "sys/bus/pci/slots/9/address", "0000:06:01\n");
        faketree_write(t, "sys/bus/pci/slots/junk/address", "0000:07:00.0\n");
        faketree_write(t, "sys/bus/pci/slots/empty/address", "\n");
        faketree_mkdir(t, "sys/bus/pci/slots/gone");
        assert_int_equal(inventory_scan(t->fd, &inv), 0);
        assert_int_equal(inv.n_pfs, 5);
        assert_string_equal(inv.pfs[0]->slot, "3-1");
        assert_string_equal(inv.pfs[1]->slot, "U5");
        assert_string_equal(inv.pfs[2]->slot, "");
        assert_string_equal(inv.pfs[3]->slot, "");
        assert_string_equal(inv.pfs[4]->slot, "VMD 7");
        inventory_done(&inv);
}

static void test_whole_functions(void **state) {
        struct faketree *t = *state;
        struct inventory inv;
        struct address c;
        struct pf *whole;
        unsigned asked = 0;

        faketree_pf(t, &(struct fake_pf){ .address = PF_A }); /* has a VF */
        faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = 6 });
        faketree_pf(t,
                    &(struct fake_pf){ .address = PF_C, .class = 0x010802, .driver = "nvme" }); /* has none */
        faketree_function(t, "0000:00:02.0", 0x060400, "pcieport");
        faketree_function(t, "0000:00:03.0", 0x080600, ""); /* an IOMMU */
        faketree_function(t, "0000:00:1f.2", 0x010601, "ahci");
        faketree_function(t, "0000:02:00.0", 0x010802, "vfio-pci");
        faketree_function(t, "0000:03:00.0", 0x030000, "");
        faketree_write(t, "sys/bus/pci/slots/4/address", "0000:02:00\n");
        assert_int_equal(inventory_scan(t->fd, &inv), 0);
        assert_int_equal(inv.n_pfs, 2);
        assert_int_equal(inventory_scan_functions(t->fd, is_storage, &asked, &inv), 0);
        assert_int_equal(asked, 3); /* not for PFs, which are there already */
        assert_int_equal(inv.n_pfs, 4);
        assert_string_equal(ADDRESS_STR(inv.pfs[0]->address), "0000:00:1f.2");
        assert_string_equal(ADDRESS_STR(inv.pfs[1]->address), PF_A);
        assert_string_equal(ADDRESS_STR(inv.pfs[2]->address), "0000:02:00.0");
        assert_string_equal(ADDRESS_STR(inv.pfs[3]->address), PF_C);
        for (unsigned i = 0; i < 4; i++) {
                struct pf *pf = inv.pfs[i];

                assert_int_equal(pf->whole, i == 0 || i == 2);
                if (!pf->whole)
                        continue;
                assert_int_equal(pf->n_vfs, 1);
                assert_ptr_equal(pf->vfs[0]->pf, pf);
                assert_int_equal(pf->num_vfs, 0);
                assert_int_equal(pf->total_vfs, 0);
                assert_int_equal(pf->pool, -1);
                assert_false(pf->autoprobe);
                assert_true(address_equal(pf->vfs[0]->address, pf->address));
                assert_int_equal(pf->vfs[0]->index, 0);
                assert_int_equal(pf->vfs[0]->group, GROUP_UNREADABLE);
        }
        assert_string_equal(inv.pfs[2]->slot, "4");
        assert_string_equal(inv.pfs[2]->driver, "vfio-pci");
        assert_string_equal(inv.pfs[2]->vfs[0]->driver, "vfio-pci");
        assert_true(inv.pfs[2]->vfs[0]->resettable);
        assert_int_equal(inv.pfs[2]->subsystem_device, 0x0a02);

        /* it gets VFs: no whole function any more */
        assert_int_equal(address_parse(PF_C, &c), 0);
        assert_int_equal(inventory_scan_function(t->fd, c, &whole), 0);
        assert_int_equal(inventory_scan_vf(t->fd, whole->vfs[0]), 0);
        faketree_vf(t, &(struct fake_vf){ .pf = PF_C, .index = 0 });
        assert_int_equal(inventory_scan_vf(t->fd, whole->vfs[0]), -ENODEV);
        pf_free(whole);
        inventory_done(&inv);
}

static void test_one_whole_function(void **state) {
        static const char *const none[] = { PF_A, "0000:01:10.0", "0000:00:02.0", "0000:09:00.0" };
        struct faketree *t = *state;
        struct address a;
        struct pf *pf;

        faketree_pf(t, &(struct fake_pf){ .address = PF_A });
        faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = 0 });
        faketree_pf(t, &(struct fake_pf){ .address = PF_B, .netdev = "ens1" });
        faketree_function(t, "0000:00:02.0", 0x060400, "");
        for (unsigned i = 0; i < ARRAY_SIZE(none); i++) {
                assert_int_equal(address_parse(none[i], &a), 0);
                assert_int_equal(inventory_scan_function(t->fd, a, &pf), -ENODEV);
        }
        assert_int_equal(address_parse(PF_B, &a), 0);
        assert_int_equal(inventory_scan_function(t->fd, a, &pf), 0);
        assert_true(pf->whole);
        assert_string_equal(pf->netdev, "ens1");
        assert_string_equal(pf->vfs[0]->driver, "igb");
        pf_free(pf);
}

static void test_scan_vf(void **state) {
        struct faketree *t = *state;
        struct pf pf = { 0 };
        struct vf vf = { .pf = &pf, .index = 4, .state = VF_READY };

        faketree_pf(t, &(struct fake_pf){ .address = PF_A });
        faketree_pf(t, &(struct fake_pf){ .address = PF_B });
        vf.address = faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = 4, .driver = "igbvf" });
        assert_int_equal(address_parse(PF_A, &pf.address), 0);
        assert_int_equal(inventory_scan_vf(t->fd, &vf), 0);
        assert_string_equal(vf.driver, "igbvf");
        assert_int_equal(vf.index, 4);
        assert_int_equal(vf.state, VF_READY);
        faketree_remove(t, fake_device("0000:01:11.0", "driver"));
        assert_int_equal(inventory_scan_vf(t->fd, &vf), 0);
        assert_string_equal(vf.driver, "");
        faketree_link(t, "../" PF_B, fake_device("0000:01:11.0", "physfn"));
        assert_int_equal(inventory_scan_vf(t->fd, &vf), -ENODEV);
        faketree_remove(t, "sys/bus/pci/devices/0000:01:11.0");
        assert_int_equal(inventory_scan_vf(t->fd, &vf), -ENODEV);
}

static void test_many(void **state) {
        struct faketree *t = *state;
        struct timespec from, to;
        struct inventory inv;

        faketree_pf(t, &(struct fake_pf){ .address = PF_A, .total = 1024, .offset = 256, .stride = 1 });
        for (unsigned i = 0; i < 1024; i++)
                faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = i, .driver = "vfio-pci" });
        clock_gettime(CLOCK_MONOTONIC, &from);
        assert_int_equal(inventory_scan(t->fd, &inv), 0);
        clock_gettime(CLOCK_MONOTONIC, &to);
        print_message("1024 VFs in %ld us\n",
                      (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000);
        assert_int_equal(inv.pfs[0]->n_vfs, 1024);
        for (unsigned i = 0; i < 1024; i++)
                assert_int_equal(inv.pfs[0]->vfs[i]->index, i);
        inventory_done(&inv);
}

static void test_vfio_drivers(void **state) {
        static const char *const good[] = { "vfio-pci", "mlx5_vfio_pci", "hisi_acc_vfio_pci", "a_vfio_pci",
                                            "xe-vfio-pci" };
        static const char *const bad[] = {
                "",          "igbvf",     "vfio_pci",      "_vfio_pci",     "Mlx5_vfio_pci", "../x_vfio_pci",
                "vfio-pci ", "vfio-pci2", "mlx5-vfio_pci", "mlx5_vfio-pci", "-vfio-pci",     "x_vfio_pci\n"
        };

        for (unsigned i = 0; i < ARRAY_SIZE(good); i++)
                assert_true(bind_is_vfio(good[i]));
        for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
                assert_false(bind_is_vfio(bad[i]));
}

static void test_bind_steps(void **state) {
        struct faketree *t = *state;
        enum reason reason;
        const char *step;
        char text[64];

        faketree_pf(t, &(struct fake_pf){ .address = PF_A, .managed = true });
        struct address vf = faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = 0, .group = 4 });
        assert_int_equal(bind_read_override(t->fd, vf, text, sizeof(text)), 0);
        assert_string_equal(text, "");

        /* nobody answers the probe in this tree: as a kernel whose probe failed */
        assert_int_equal(bind_driver(t->fd, vf, "vfio-pci", 0, &reason, &step), -ENXIO);
        assert_int_equal(reason, REASON_PROBE_FAILED);
        assert_int_equal(bind_read_override(t->fd, vf, text, sizeof(text)), 0);
        assert_string_equal(text, "vfio-pci");
        faketree_read(t, "sys/bus/pci/drivers_probe", text, sizeof(text));
        assert_string_equal(text, "0000:01:10.0");
        assert_int_equal(bind_driver(t->fd, vf, "mlx5_vfio_pci", 0, &reason, &step), -ENOENT);
        assert_string_equal(step, "the driver is not loaded");

        /* bound already: nothing is written */
        faketree_write(t, "sys/bus/pci/drivers_probe", "untouched");
        faketree_write(t, fake_device("0000:01:10.0", "driver_override"), "vfio-pci\n");
        faketree_link(t, "../../../../bus/pci/drivers/vfio-pci", fake_device("0000:01:10.0", "driver"));
        assert_int_equal(bind_driver(t->fd, vf, "vfio-pci", 0, &reason, &step), 0);
        assert_int_equal(reason, REASON_NONE);
        faketree_read(t, "sys/bus/pci/drivers_probe", text, sizeof(text));
        assert_string_equal(text, "untouched");

        /* an unbind that changes nothing is not believed */
        faketree_write(t, "sys/bus/pci/drivers/vfio-pci/unbind", "");
        assert_int_equal(bind_unbind(t->fd, vf, &step), -EBUSY);
        faketree_read(t, "sys/bus/pci/drivers/vfio-pci/unbind", text, sizeof(text));
        assert_string_equal(text, "0000:01:10.0");
        assert_int_equal(bind_renew(t->fd, vf, "vfio-pci", &reason, &step), -EBUSY);
        faketree_remove(t, fake_device("0000:01:10.0", "driver"));
        assert_int_equal(bind_unbind(t->fd, vf, &step), 0);
        faketree_remove(t, "sys/bus/pci/devices/0000:01:10.0");
        assert_int_equal(bind_unbind(t->fd, vf, &step), -ENODEV);
        assert_int_equal(bind_driver(t->fd, vf, "vfio-pci", 0, &reason, &step), -ENODEV);
}

static void test_enable(void **state) {
        struct faketree *t = *state;
        enum reason reason;
        const char *step;
        struct address a;
        unsigned count;
        char text[16];

        faketree_pf(t, &(struct fake_pf){ .address = PF_A });
        assert_int_equal(address_parse(PF_A, &a), 0);
        assert_int_equal(enable_autoprobe(t->fd, a, false, &step), 0);
        faketree_read(t, fake_device(PF_A, "sriov_drivers_autoprobe"), text, sizeof(text));
        assert_string_equal(text, "0");
        assert_int_equal(enable_numvfs(t->fd, a, 5, &count, &reason, &step), 0);
        assert_int_equal(count, 5);
        assert_int_equal(reason, REASON_NONE);
        faketree_remove(t, fake_device(PF_A, "sriov_numvfs"));
        assert_int_equal(enable_numvfs(t->fd, a, 5, &count, &reason, &step), -ENOENT);
        assert_int_equal(reason, REASON_NUMVFS_NO_DRIVER);
        assert_string_equal(step, "writing sriov_numvfs");
}

static void test_event_addresses(void **state) {
        static const struct {
                const char *path, *address;
        } cases[] = {
                { "/devices/pci0000:00/0000:00:01.0/0000:01:10.0", "0000:01:10.0" },
                { "/devices/pci0000:00/0000:00:01.0/0000:01:10.0/vfio-dev/vfio3", "0000:01:10.0" },
                { "/devices/pci0000:00/0000:00:01.0/0000:01:00.0/net/ens1f0", "0000:01:00.0" },
                { "/devices/pci10000:e0/10000:e0:06.0/10000:e1:00.0", "10000:e1:00.0" },
                { "/devices/virtual/vfio/12", NULL },
                { "/devices/virtual/net/lo", NULL },
                { "", NULL },
                { NULL, NULL },
        };
        struct address a;

        for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
                assert_int_equal(monitor_path_address(cases[i].path, &a), cases[i].address != NULL);
                if (cases[i].address)
                        assert_string_equal(ADDRESS_STR(a), cases[i].address);
        }
        assert_int_equal(monitor_kind_from_action("add"), MONITOR_ADD);
        assert_int_equal(monitor_kind_from_action("unbind"), MONITOR_UNBIND);
        assert_int_equal(monitor_kind_from_action("move"), MONITOR_OTHER);
        assert_int_equal(monitor_kind_from_action(NULL), MONITOR_OTHER);
}

static void test_monitor_is_silent(void **state) {
        struct faketree *t = *state;
        struct monitor_event e;
        struct monitor *m;

        assert_int_equal(monitor_new(t->fd, &m), 0);
        if (!m)
                skip(); /* no netlink here, which is no error */
        assert_true(monitor_fd(m) >= 0);
        assert_int_equal(monitor_next(m, &e), 0);
        monitor_free(m);
}

static void test_names(void **state) {
        char buf[128];

        strcpy(buf, "x");
        assert_ptr_equal(names_device(0xfffe, 0xfffd, buf, sizeof(buf)), buf);
        assert_string_equal(buf, "");
        names_device(0x8086, 0x10c9, buf, sizeof(buf));
        if (buf[0])
                assert_non_null(strstr(buf, "82576"));
        names_device(0x8086, 0x10c9, buf, 6);
        assert_in_range(strlen(buf), 0, 5);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_scan_sorted_with_facts),
                TEST(test_reset_methods),
                TEST(test_scan_survives_vanishing),
                TEST(test_scan_never_reads_what_can_block),
                TEST(test_slots),
                TEST(test_whole_functions),
                TEST(test_one_whole_function),
                TEST(test_scan_vf),
                TEST(test_many),
                TEST(test_vfio_drivers),
                TEST(test_bind_steps),
                TEST(test_enable),
                TEST(test_event_addresses),
                TEST(test_monitor_is_silent),
                TEST(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
