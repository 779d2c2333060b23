/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/function: whether the host needs a function, on a fake tree. */

#include "common/macro.h"
#include "sriov/function.h"
#include "tests/unit/faketree.h"
#include "tests/unit/test.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DISK   "0000:02:00.0"
#define CARD   "0000:03:00.0"
#define BELOW  "../../devices/pci0000:02/0000:00:01.0/" DISK
#define NVME   BELOW "/nvme/nvme0"
#define HEAD   "../../devices/virtual/nvme-subsystem/nvme-subsys0"
#define ROUTE4 "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
#define LINE4(name, destination, mask)                                                                       \
        name "\t" destination "\t0102A8C0\t0003\t0\t0\t100\t" mask "\t0\t0\t0\n"
#define ZEROES "00000000000000000000000000000000"
#define LINE6(name, destination, length)                                                                     \
        destination " " length " " ZEROES " 00 fe800000000000000000000000000001 00000400 00000001 00000000 " \
                    "00450003     " name "\n"

/* How often whoever wants to claim a file of /dev is told that another has: an ordinary file cannot be
 * claimed.
 */
static unsigned claimed;

/* Instead of libc's, which common/root.c calls. */
long syscall(long number, ...) {
        long (*real)(long, ...) = (long (*)(long, ...)) dlsym(RTLD_NEXT, "syscall");
        va_list ap;
        long a[6];

        va_start(ap, number);
        for (unsigned i = 0; i < ARRAY_SIZE(a); i++)
                a[i] = va_arg(ap, long);
        va_end(ap);
        if (number == SYS_openat2 && claimed > 0 && ((const struct open_how *) a[2])->flags & O_EXCL) {
                claimed--;
                errno = EBUSY;
                return -1;
        }
        return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int set_up(void **state) {
        static struct faketree t;

        faketree_init(&t);
        faketree_function(&t, DISK, 0x010802, "nvme");
        faketree_function(&t, CARD, 0x020000, "igb");
        faketree_host(&t);
        *state = &t;
        return 0;
}

static int tear_down(void **state) {
        faketree_done(*state);
        return 0;
}

/* A disk or partition that the links of /sys/class/block lead to. */
static void block(struct faketree *t, const char *name, const char *target, const char *number) {
        char path[200], inside[200];

        snprintf(path, sizeof(path), "sys/class/block/%s", name);
        faketree_link(t, target, path);
        snprintf(inside, sizeof(inside), "sys/%s", target + strlen("../../"));
        faketree_mkdir(t, inside);
        strcat(path, "/holders");
        faketree_mkdir(t, path);
        if (!number)
                return;
        snprintf(path, sizeof(path), "sys/class/block/%s/dev", name);
        faketree_write(t, path, number);
        snprintf(path, sizeof(path), "dev/%s", name);
        faketree_write(t, path, "");
}

static void net(struct faketree *t, const char *name, const char *target) {
        char path[200];

        snprintf(path, sizeof(path), "sys/class/net/%s", name);
        faketree_link(t, target, path);
        snprintf(path, sizeof(path), "sys/%s", target + strlen("../../"));
        faketree_mkdir(t, path);
}

static int ask(struct faketree *t, const char *address, const char *expected) {
        char why[96] = "untouched";
        struct address a;

        assert_int_equal(address_parse(address, &a), 0);
        int r = function_in_use(t->fd, a, why, sizeof(why));
        if (r >= 0 && strcmp(why, expected) != 0)
                fail_msg("%s: \"%s\", not \"%s\"", address, why, expected);
        return r;
}

static void test_idle(void **state) {
        struct faketree *t = *state;

        block(t, "nvme0n1", NVME "/nvme0n1", "259:0\n");
        block(t, "nvme0n1p1", NVME "/nvme0n1/nvme0n1p1", "259:1\n");
        net(t, "ens3", "../../devices/pci0000:03/0000:00:01.0/" CARD "/net/ens3");
        assert_int_equal(ask(t, DISK, ""), 0);
        assert_int_equal(ask(t, CARD, ""), 0);
        assert_int_equal(ask(t, "0000:09:00.0", ""), -ENODEV);
}

static void test_vfs_and_display(void **state) {
        struct faketree *t = *state;

        faketree_write(t, fake_device(CARD, "boot_vga"), "0\n");
        assert_int_equal(ask(t, CARD, ""), 0);
        faketree_write(t, fake_device(CARD, "boot_vga"), "1\n");
        assert_int_equal(ask(t, CARD, "it is the primary display"), 1);
        faketree_link(t, "../0000:03:10.0", fake_device(CARD, "virtfn3"));
        assert_int_equal(ask(t, CARD, "it has VFs"), 1);
}

static void test_mounts_and_swap(void **state) {
        struct faketree *t = *state;

        block(t, "nvme0n1", NVME "/nvme0n1", "259:0\n");
        block(t, "nvme0n1p2", NVME "/nvme0n1/nvme0n1p2", "259:2\n");
        faketree_write(t, "proc/1/mountinfo",
                       "22 1 254:1 / / rw shared:1 - ext4 /dev/vda1 rw\n"
                       "23 22 259:20 / /a rw - ext4 /dev/nvme0n1p20 rw\n"
                       "24 22 0:30 / /259:2 rw - tmpfs 259:2 rw\n");
        assert_int_equal(ask(t, DISK, ""), 0);
        faketree_write(t, "proc/1/mountinfo",
                       "25 22 259:2 / /home rw,relatime - ext4 /dev/disk/by-uuid/7 rw\n");
        assert_int_equal(ask(t, DISK, "nvme0n1p2 is mounted"), 1);
        faketree_write(t, "proc/1/mountinfo",
                       "25 22 0:45 /@ / rw shared:1 - btrfs /dev/nvme0n1 rw,space_cache\n");
        assert_int_equal(ask(t, DISK, "nvme0n1 is mounted"), 1);
        faketree_write(t, "proc/1/mountinfo", "");
        faketree_write(t, "proc/swaps",
                       "Filename Type Size Used Priority\n"
                       "/dev/nvme0n1p22                 partition 1 0 -2\n");
        assert_int_equal(ask(t, DISK, ""), 0);
        faketree_write(t, "proc/swaps",
                       "Filename Type Size Used Priority\n"
                       "/dev/nvme0n1p2                  partition 1 0 -2\n");
        assert_int_equal(ask(t, DISK, "nvme0n1p2 is swap"), 1);
        assert_int_equal(ask(t, CARD, ""), 0);
}

/* Another worker that looks at the same time claims it for a moment, whoever uses it for good. */
static void test_claims(void **state) {
        struct faketree *t = *state;

        block(t, "nvme0n1", NVME "/nvme0n1", "259:0\n");
        claimed = 2;
        assert_int_equal(ask(t, DISK, ""), 0);
        assert_int_equal(claimed, 0);
        claimed = 1000;
        assert_int_equal(ask(t, DISK, "nvme0n1 is claimed by the kernel"), 1);
        claimed = 0;
}

static void test_holders(void **state) {
        struct faketree *t = *state;

        /* a disk at the end of a long way, such as one of a SATA controller */
        block(t, "sda", BELOW "/ata1/host0/target0:0:0/0:0:0:0/block/sda", "8:0\n");
        block(t, "sda1", BELOW "/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda1", "8:1\n");
        assert_int_equal(ask(t, DISK, ""), 0);
        faketree_link(t, "../../../dm-0", "sys/class/block/sda1/holders/dm-0");
        assert_int_equal(ask(t, DISK, "sda1 is part of dm-0"), 1);
        assert_int_equal(ask(t, CARD, ""), 0);
}

static void test_multipath(void **state) {
        struct faketree *t = *state;

        block(t, "nvme0c0n1", NVME "/nvme0c0n1", NULL); /* hidden: it has no number */
        block(t, "nvme0n1", HEAD "/nvme0n1", "259:5\n");
        block(t, "nvme0n1p1", HEAD "/nvme0n1/nvme0n1p1", "259:6\n");
        block(t, "nvme7n1", "../../devices/virtual/nvme-subsystem/nvme-subsys7/nvme7n1", "259:9\n");
        faketree_link(t, HEAD, "sys/class/nvme-subsystem/nvme-subsys0");
        faketree_link(t, "../../../pci0000:02/0000:00:01.0/" DISK "/nvme/nvme0",
                      "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0");
        faketree_write(t, "proc/1/mountinfo", "25 22 259:9 / /other rw - ext4 /dev/nvme7n1 rw\n");
        assert_int_equal(ask(t, DISK, ""), 0);
        faketree_write(t, "proc/1/mountinfo", "25 22 259:6 / /home rw - xfs /dev/nvme0n1p1 rw\n");
        assert_int_equal(ask(t, DISK, "nvme0n1p1 is mounted"), 1);
}

static int ask_disk(struct faketree *t, uint32_t nsid, const char *expected) {
        char why[96] = "untouched";
        struct address a;

        assert_int_equal(address_parse(DISK, &a), 0);
        int r = function_disk_in_use(t->fd, a, nsid, why, sizeof(why));
        if (r >= 0 && strcmp(why, expected) != 0)
                fail_msg("namespace %u: \"%s\", not \"%s\"", nsid, why, expected);
        return r;
}

static void set_nsid(struct faketree *t, const char *disk, const char *nsid) {
        char path[200];

        snprintf(path, sizeof(path), "sys/class/block/%s/nsid", disk);
        faketree_write(t, path, nsid);
}

/* Two namespaces of a controller, the second with a partition. */
static void test_namespaces(void **state) {
        struct faketree *t = *state;

        block(t, "nvme0n1", NVME "/nvme0n1", "259:0\n");
        block(t, "nvme0n2", NVME "/nvme0n2", "259:1\n");
        block(t, "nvme0n2p1", NVME "/nvme0n2/nvme0n2p1", "259:2\n");
        set_nsid(t, "nvme0n1", "7\n");
        set_nsid(t, "nvme0n2", "8\n");
        assert_int_equal(ask_disk(t, 0, ""), 0);
        faketree_write(t, "proc/1/mountinfo", "25 22 259:2 / /srv rw - ext4 /dev/nvme0n2p1 rw\n");
        assert_int_equal(ask_disk(t, 0, "nvme0n2p1 is mounted"), 1);
        assert_int_equal(ask_disk(t, 8, "nvme0n2p1 is mounted"), 1);
        assert_int_equal(ask_disk(t, 7, ""), 0);
        assert_int_equal(ask_disk(t, 9, ""), 0);
        faketree_write(t, "proc/1/mountinfo", "25 22 259:0 / /srv rw - ext4 /dev/nvme0n1 rw\n");
        assert_int_equal(ask_disk(t, 7, "nvme0n1 is mounted"), 1);
        assert_int_equal(ask_disk(t, 8, ""), 0);
        faketree_remove(t, "sys/class/block/nvme0n1/nsid"); /* it does not say: it may be any */
        assert_int_equal(ask_disk(t, 8, "nvme0n1 is mounted"), 1);
        faketree_write(t, "proc/1/mountinfo", "");
        faketree_link(t, "../../../dm-0", "sys/class/block/nvme0n2p1/holders/dm-0");
        assert_int_equal(ask_disk(t, 8, "nvme0n2p1 is part of dm-0"), 1);
        assert_int_equal(ask_disk(t, 7, ""), 0);
        faketree_remove(t, "proc/1/mountinfo");
        assert_int_equal(ask_disk(t, 7, ""), -ENOENT);
}

/* The disk is below the subsystem, its hidden path below the controller; both say which namespace it is. */
static void test_namespaces_of_multipath(void **state) {
        struct faketree *t = *state;

        block(t, "nvme0c0n1", NVME "/nvme0c0n1", NULL);
        block(t, "nvme0n1", HEAD "/nvme0n1", "259:5\n");
        block(t, "nvme0n1p1", HEAD "/nvme0n1/nvme0n1p1", "259:6\n");
        block(t, "nvme0n2", HEAD "/nvme0n2", "259:7\n");
        set_nsid(t, "nvme0c0n1", "7\n");
        set_nsid(t, "nvme0n1", "7\n");
        set_nsid(t, "nvme0n2", "8\n");
        faketree_link(t, HEAD, "sys/class/nvme-subsystem/nvme-subsys0");
        faketree_link(t, "../../../pci0000:02/0000:00:01.0/" DISK "/nvme/nvme0",
                      "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0");
        assert_int_equal(ask_disk(t, 0, ""), 0);
        faketree_write(t, "proc/1/mountinfo", "25 22 259:6 / /home rw - xfs /dev/nvme0n1p1 rw\n");
        assert_int_equal(ask_disk(t, 7, "nvme0n1p1 is mounted"), 1);
        assert_int_equal(ask_disk(t, 8, ""), 0);
        faketree_write(t, "proc/1/mountinfo", "");
        faketree_write(t, "proc/swaps",
                       "Filename Type Size Used Priority\n"
                       "/dev/nvme0n2                  partition 1 0 -2\n");
        assert_int_equal(ask_disk(t, 8, "nvme0n2 is swap"), 1);
        assert_int_equal(ask_disk(t, 7, ""), 0);
        faketree_remove(t, "sys/class/nvme-subsystem/nvme-subsys0"); /* then it is not this controller's */
        assert_int_equal(ask_disk(t, 8, ""), 0);
}

static void test_routes(void **state) {
        static const struct {
                const char *route4, *route6, *why;
        } cases[] = {
                { LINE4("ens3", "0002A8C0", "00FFFFFF"), "", "" },
                { LINE4("ens3", "00000000", "00000080"), "", "" },
                { LINE4("ens30", "00000000", "00000000"), "", "" },
                { LINE4("eth9", "00000000", "00000000") LINE4("ens3", "00000000", "00000000"), "",
                  "the default route goes through ens3" },
                { "", LINE6("lo", ZEROES, "00"), "" },
                { "", LINE6("ens3", ZEROES, "40"), "" },
                { "", LINE6("ens3", "fe800000000000000000000000000000", "00"), "" },
                { "", LINE6("ens3", ZEROES, "00"), "the default route goes through ens3" },
                { LINE4("br0", "00000000", "00000000"), "", "the default route goes through br0" },
                { "", LINE6("bond0.7", ZEROES, "00"), "the default route goes through bond0.7" },
        };
        struct faketree *t = *state;
        char text[512];

        net(t, "ens3", "../../devices/pci0000:03/0000:00:01.0/" CARD "/net/ens3");
        net(t, "bond0", "../../devices/virtual/net/bond0");
        net(t, "bond0.7", "../../devices/virtual/net/bond0.7");
        net(t, "br0", "../../devices/virtual/net/br0");
        faketree_link(t, "../../../../../virtual/net/bond0", "sys/class/net/ens3/upper_bond0");
        faketree_link(t, "../bond0.7", "sys/class/net/bond0/upper_bond0.7");
        faketree_link(t, "../br0", "sys/class/net/bond0/upper_br0");
        for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
                snprintf(text, sizeof(text), "%s%s", ROUTE4, cases[i].route4);
                faketree_write(t, "proc/1/net/route", text);
                faketree_write(t, "proc/1/net/ipv6_route", cases[i].route6);
                assert_int_equal(ask(t, CARD, cases[i].why), cases[i].why[0] != '\0');
                assert_int_equal(ask(t, DISK, ""), 0);
        }
        faketree_write(t, "proc/1/net/ipv6_route", "");
        net(t, "ovs-system", "../../devices/virtual/net/ovs-system");
        faketree_link(t, "../ovs-system", "sys/class/net/br0/upper_ovs-system");
        assert_int_equal(ask(t, CARD, "ovs-system may carry the default route"), 1);
}

/* What cannot be known is not taken for "no". */
static void test_unknown(void **state) {
        static const char *const needed[] = { "proc/1/net/route", "sys/class/net", "sys/class/block" };
        struct faketree *t = *state;

        block(t, "nvme0n1", NVME "/nvme0n1", "259:0\n");
        faketree_remove(t, "dev/nvme0n1");
        assert_int_equal(ask(t, DISK, ""), -ENOENT);
        faketree_write(t, "dev/nvme0n1", "");
        assert_int_equal(ask(t, DISK, ""), 0);
        faketree_remove(t, "proc/1/mountinfo");
        assert_int_equal(ask(t, DISK, ""), -ENOENT);
        for (unsigned i = 0; i < ARRAY_SIZE(needed); i++) {
                faketree_remove(t, needed[i]);
                assert_int_equal(ask(t, CARD, ""), -ENOENT);
        }
}

static void test_stack_without_end(void **state) {
        struct faketree *t = *state;

        net(t, "ens3", "../../devices/pci0000:03/0000:00:01.0/" CARD "/net/ens3");
        faketree_link(t, ".", "sys/class/net/ens3/upper_ens3");
        assert_int_equal(ask(t, CARD, ""), -ELOOP);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_idle),
                TEST(test_vfs_and_display),
                TEST(test_mounts_and_swap),
                TEST(test_claims),
                TEST(test_holders),
                TEST(test_multipath),
                TEST(test_routes),
                TEST(test_unknown),
                TEST(test_stack_without_end),
                TEST(test_namespaces),
                TEST(test_namespaces_of_multipath),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
