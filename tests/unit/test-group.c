/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iommu/: what is read about groups and hosts, and the nodes, on a fake tree. */

#include "common/macro.h"
#include "common/root.h"
#include "iommu/fence.h"
#include "iommu/group.h"
#include "iommu/grouptype.h"
#include "iommu/handoff.h"
#include "iommu/holders.h"
#include "iommu/host.h"
#include "iommu/scrub.h"
#include "tests/unit/faketree.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define PF_A "0000:01:00.0"

static int set_up(void **state) {
        static struct faketree t;

        faketree_init(&t);
        faketree_pf(&t, &(struct fake_pf){ .address = PF_A, .managed = true });
        *state = &t;
        return 0;
}

static int tear_down(void **state) {
        faketree_done(*state);
        return 0;
}

static void test_group_facts(void **state) {
        struct faketree *t = *state;
        struct vf vf = { .group = 99, .noiommu = true, .cdev = 99 };

        vf.address = faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = 0, .group = 12, .cdev = true });
        assert_int_equal(group_read(t->fd, &vf), 0);
        assert_int_equal(vf.group, 12);
        assert_int_equal(vf.group_devices, 1);
        assert_string_equal(vf.group_type, "DMA");
        assert_false(vf.noiommu);
        assert_int_equal(vf.cdev, 12);

        faketree_group_member(t, 12, PF_A);
        faketree_write(t, "sys/kernel/iommu_groups/12/type", "identity\n");
        faketree_write(t, "sys/kernel/iommu_groups/12/name", "vfio-noiommu\n");
        faketree_remove(t, fake_device("0000:01:10.0",
                                       "vfio-dev/vfio12/dev")); /* a kernel without device nodes */
        assert_int_equal(group_read(t->fd, &vf), 0);
        assert_int_equal(vf.group_devices, 2);
        assert_string_equal(vf.group_type, "identity");
        assert_true(vf.noiommu);
        assert_int_equal(vf.cdev, -1);
}

static void test_no_group(void **state) {
        struct faketree *t = *state;
        struct vf vf = { .group = 99, .group_devices = 1, .group_type = "DMA" };

        vf.address = faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = 1 });
        assert_int_equal(group_read(t->fd, &vf), 0);
        assert_int_equal(vf.group, -1);
        assert_int_equal(vf.group_devices, 0);
        assert_string_equal(vf.group_type, "");
        faketree_remove(t, "sys/bus/pci/devices/0000:01:10.2");
        assert_int_equal(group_read(t->fd, &vf), -ENODEV);
        assert_int_equal(vf.group, GROUP_UNREADABLE);
}

/* What cannot be read, or not in full, is not "no group": that would be known to be unprotected. */
static void test_unreadable_group(void **state) {
        static const char *const links[] = { "../../../../kernel/iommu_groups/x",
                                             "../../../../kernel/iommu_groups/99999999999",
                                             "../../../../kernel/iommu_groups/13" /* is not there */ };
        struct faketree *t = *state;
        struct vf vf = { 0 };
        char path[64];

        vf.address = faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = 0, .group = 12 });
        snprintf(path, sizeof(path), "%s", fake_device("0000:01:10.0", "iommu_group"));
        for (unsigned i = 0; i < ARRAY_SIZE(links); i++) {
                assert_int_equal(group_read(t->fd, &vf), 0);
                assert_int_equal(vf.group, 12);
                faketree_link(t, links[i], path);
                assert_true(group_read(t->fd, &vf) < 0);
                assert_int_equal(vf.group, GROUP_UNREADABLE);
                faketree_link(t, "../../../../kernel/iommu_groups/12", path);
        }
        faketree_remove(t, path);
        faketree_write(t, path, "no link");
        assert_int_equal(group_read(t->fd, &vf), -EINVAL);
        assert_int_equal(vf.group, GROUP_UNREADABLE);
        faketree_link(t, "../../../../kernel/iommu_groups/12", path);
        faketree_mkdir(t, "sys/kernel/iommu_groups/12/name"); /* is it of vfio-noiommu? */
        assert_int_equal(group_read(t->fd, &vf), -EISDIR);
        assert_int_equal(vf.group, GROUP_UNREADABLE);
        faketree_remove(t, "sys/kernel/iommu_groups/12/name");
        faketree_remove(t, "sys/kernel/iommu_groups/12/devices"); /* how many share it? */
        assert_true(group_read(t->fd, &vf) < 0);
        assert_int_equal(vf.group, GROUP_UNREADABLE);
}

static void test_host(void **state) {
        struct faketree *t = *state;
        struct iommu_host h;

        assert_int_equal(host_read(t->fd, &h), -ENOENT); /* no command line: who knows */
        assert_true(h.acs_override);
        faketree_write(t, "proc/cmdline", "ro pci=noats quiet xpcie_acs_override=1\n");
        assert_int_equal(host_read(t->fd, &h), 0);
        assert_false(h.acs_override);
        faketree_write(t, "proc/cmdline", "ro pcie_acs_override=downstream,multifunction\n");
        assert_int_equal(host_read(t->fd, &h), 0);
        assert_true(h.acs_override);
        faketree_write(t, "proc/cmdline", "ro quiet\n");
        assert_int_equal(host_read(t->fd, &h), 0);
        assert_false(h.group_nodes || h.container || h.iommufd || h.cdev || h.unsafe_interrupts ||
                     h.noiommu_mode);
        assert_int_equal(host_fence_backend(&h), BACKEND_NONE);

        faketree_write(t, "dev/iommu", "");
        faketree_write(t, "proc/devices",
                       "Character devices:\n  1 mem\n240 vfio\n\nBlock devices:\n  8 sd\n");
        assert_int_equal(host_read(t->fd, &h), 0);
        assert_true(h.group_nodes && h.iommufd);
        assert_false(h.container || h.cdev);
        assert_int_equal(host_fence_backend(&h), BACKEND_NONE);

        faketree_write(t, "proc/devices", "Character devices:\n  1 mem\n241 vfio-dev\n");
        assert_int_equal(host_read(t->fd, &h), 0);
        assert_true(h.cdev);
        assert_false(h.group_nodes);
        assert_int_equal(host_fence_backend(&h), BACKEND_IOMMUFD);

        faketree_write(t, "dev/vfio/vfio", "");
        assert_int_equal(host_read(t->fd, &h), 0);
        assert_true(h.container && h.group_nodes);
        assert_int_equal(host_fence_backend(&h), BACKEND_GROUP);
}

static void test_host_switches(void **state) {
        static const char *const unsafe[] = {
                "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
                "sys/module/iommufd/parameters/allow_unsafe_interrupts"
        };
        struct faketree *t = *state;
        struct iommu_host h;

        faketree_write(t, "proc/cmdline", "ro quiet\n");
        assert_int_equal(host_read(t->fd, &h), 0);
        assert_string_equal(h.type1_interrupts, ""); /* no such module */
        for (unsigned i = 0; i < ARRAY_SIZE(unsafe); i++) {
                faketree_write(t, unsafe[i], "Y\n");
                assert_int_equal(host_read(t->fd, &h), 0);
                assert_true(h.unsafe_interrupts);
                faketree_write(t, unsafe[i], "N\n");
                assert_int_equal(host_read(t->fd, &h), 0);
                assert_false(h.unsafe_interrupts);
        }
        assert_string_equal(h.type1_interrupts, "N");
        faketree_write(t, unsafe[0], "something longer\n"); /* unreadable errs to the safe side */
        assert_int_equal(host_read(t->fd, &h), -EFBIG);
        assert_true(h.unsafe_interrupts);
        assert_string_equal(h.type1_interrupts, "unreadable");
        faketree_write(t, unsafe[0], "Y\n");
        h = (struct iommu_host){ .container = true };
        assert_int_equal(host_read_switches(t->fd, &h), 0);
        assert_true(h.unsafe_interrupts && h.container); /* the rest stays */
        assert_string_equal(h.type1_interrupts, "Y");
        assert_string_equal(h.iommufd_interrupts, "N");
        faketree_write(t, unsafe[0], "N\n");
        faketree_write(t, "sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
        assert_int_equal(host_read(t->fd, &h), 0);
        assert_true(h.noiommu_mode);
}

static void test_group_type(void **state) {
        struct faketree *t = *state;
        enum reason reason;
        const char *step;
        struct vf vf = { 0 };
        char text[16];

        vf.address = faketree_vf(t,
                                 &(struct fake_vf){ .pf = PF_A, .index = 0, .group = 7, .type = "identity" });
        assert_int_equal(group_read(t->fd, &vf), 0);
        assert_int_equal(grouptype_set_dma(t->fd, &vf, &reason, &step), 0);
        faketree_read(t, "sys/kernel/iommu_groups/7/type", text, sizeof(text));
        assert_string_equal(text, "DMA");
        faketree_write(t, "sys/kernel/iommu_groups/7/type", "DMA-FQ\n");
        assert_int_equal(grouptype_set_dma(t->fd, &vf, &reason, &step), 0);
        faketree_read(t, "sys/kernel/iommu_groups/7/type", text, sizeof(text));
        assert_string_equal(text, "DMA-FQ");
        vf.group = -1;
        assert_int_equal(grouptype_set_dma(t->fd, &vf, &reason, &step), -ENOENT);
        assert_int_equal(reason, REASON_NO_IOMMU);
}

/* The group node of VF 0, as the device that is /dev/null. False if we may not make one. */
static bool make_node(struct faketree *t, struct vf *vf) {
        vf->address = faketree_vf(t, &(struct fake_vf){ .pf = PF_A, .index = 0, .group = 12 });
        assert_int_equal(group_read(t->fd, vf), 0);
        faketree_write(t, "sys/class/vfio/12/dev", "1:3\n");
        return geteuid() == 0 && mknodat(t->fd, "dev/vfio/12", S_IFCHR | 0660, makedev(1, 3)) == 0;
}

static void test_grant(void **state) {
        struct faketree *t = *state;
        enum reason reason;
        const char *step;
        struct vf vf = { 0 };
        struct stat st;

        if (!make_node(t, &vf))
                skip();
        assert_int_equal(handoff_grant(t->fd, &vf, 1234, 2345, &reason, &step), 0);
        assert_int_equal(fstatat(t->fd, "dev/vfio/12", &st, 0), 0);
        assert_int_equal(st.st_uid, 1234);
        assert_int_equal(st.st_gid, 2345);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(handoff_grant(t->fd, &vf, (uid_t) -1, 0, &reason, &step), -EINVAL);
        assert_int_equal(handoff_revoke(t->fd, &vf, &reason, &step), 0);
        assert_int_equal(fstatat(t->fd, "dev/vfio/12", &st, 0), 0);
        assert_int_equal(st.st_uid, 0);
        assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_node_must_be_the_one(void **state) {
        struct faketree *t = *state;
        enum reason reason;
        const char *step;
        struct vf vf = { 0 };
        struct stat st;
        int fd;

        if (!make_node(t, &vf))
                skip();
        faketree_write(t, "sys/class/vfio/12/dev", "1:5\n"); /* another device */
        assert_int_equal(handoff_grant(t->fd, &vf, 1234, 1234, &reason, &step), -ENXIO);
        assert_int_equal(fence_take(t->fd, &vf, BACKEND_GROUP, &fd, &reason, &step), -ENXIO);
        assert_int_equal(fd, -1);
        assert_int_equal(reason, REASON_FENCE_FAILED);
        faketree_remove(t, "dev/vfio/12");
        faketree_write(t, "dev/vfio/other", "");
        faketree_link(t, "other", "dev/vfio/12"); /* a link is not followed */
        assert_int_equal(handoff_grant(t->fd, &vf, 1234, 1234, &reason, &step), -ENXIO);
        assert_int_equal(fstatat(t->fd, "dev/vfio/other", &st, 0), 0);
        assert_int_equal(st.st_uid, 0);
        faketree_remove(t, "dev/vfio/12");
        assert_int_equal(handoff_grant(t->fd, &vf, 1234, 1234, &reason, &step), -ENOENT);
        assert_int_equal(reason, REASON_NO_NODE_HANDOFF);
        assert_int_equal(handoff_revoke(t->fd, &vf, &reason, &step), 0);
}

static void test_fence_refuses(void **state) {
        struct faketree *t = *state;
        struct vf vf = { .group = -1, .cdev = -1 };
        enum reason reason;
        const char *step;
        int fd;

        assert_int_equal(fence_take(t->fd, &vf, BACKEND_GROUP, &fd, &reason, &step), -EPERM);
        assert_int_equal(reason, REASON_NO_IOMMU);
        vf.group = 12;
        vf.noiommu = true;
        assert_int_equal(fence_take(t->fd, &vf, BACKEND_GROUP, &fd, &reason, &step), -EPERM);
        assert_int_equal(reason, REASON_NOIOMMU_GROUP);
        assert_int_equal(fence_take(t->fd, &vf, BACKEND_NONE, &fd, &reason, &step), -EINVAL);
        if (!make_node(t, &vf))
                skip();
        _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC),
                            zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
        assert_int_equal(fence_check(t->fd, &vf, BACKEND_GROUP, null), 0);
        assert_int_equal(fence_check(t->fd, &vf, BACKEND_GROUP, zero), -EBADF);
        assert_int_equal(fence_check(t->fd, &vf, BACKEND_GROUP, -1), -EBADF);
        assert_int_equal(scrub_vf(t->fd, &vf, BACKEND_GROUP, zero, &reason, &step), -EBADF);
        /* the right node, but no group: what the kernel says comes through */
        assert_int_equal(scrub_vf(t->fd, &vf, BACKEND_GROUP, null, &reason, &step), -ENOTTY);
        assert_int_equal(reason, REASON_RESET_FAILED);
        assert_int_equal(fence_take(t->fd, &vf, BACKEND_GROUP, &fd, &reason, &step), -ENOTTY);
        assert_string_equal(step, "VFIO_GROUP_GET_STATUS");
}

static bool is_held_by(struct faketree *t, const struct vf *vf, const pid_t *except, size_t n, pid_t pid) {
        pid_t pids[16];
        size_t found;

        assert_int_equal(holders_find(t->fd, vf, except, n, pids, ARRAY_SIZE(pids), &found), 0);
        for (size_t i = 0; i < found; i++) {
                assert_int_not_equal(pids[i], getpid());
                if (pids[i] == pid)
                        return true;
        }
        return false;
}

/* Processes are looked for below the root that was given, so a device node stands in for an open file of it.
 */
static void test_holders(void **state) {
        struct faketree *t = *state;
        const pid_t daemon = 4242;
        struct vf vf = { 0 };

        bool privileged = make_node(t, &vf);
        faketree_mkdir(t, "proc/self");
        faketree_write(t, "proc/4242/fd/0", "");
        assert_false(is_held_by(t, &vf, NULL, 0, 4242));
        if (!privileged || mknodat(t->fd, "proc/4242/fd/9", S_IFCHR | 0600, makedev(1, 3)) < 0)
                skip();
        assert_true(is_held_by(t, &vf, NULL, 0, 4242));
        assert_false(is_held_by(t, &vf, &daemon, 1, 4242));
        vf.group = -1;
        assert_false(is_held_by(t, &vf, NULL, 0, 4242));
}

static void test_holders_by_fdinfo(void **state) {
        struct faketree *t = *state;
        struct vf vf = { 0 };

        make_node(t, &vf);
        faketree_link(t, "anon_inode:[vfio-device]", "proc/4242/fd/17");
        faketree_write(t, "proc/4242/fdinfo/17", "pos:\t0\nflags:\t02\n");
        assert_false(is_held_by(t, &vf, NULL, 0, 4242)); /* an old kernel: not attributable */
        faketree_write(t, "proc/4242/fdinfo/17",
                       "vfio-device-syspath: /sys/devices/pci0000:00/0000:00:01.0/0000:01:10.0\nx: y\n");
        assert_true(is_held_by(t, &vf, NULL, 0, 4242));
        faketree_write(t, "proc/4242/fdinfo/17",
                       "pos:\t0\nvfio-device-syspath: /sys/devices/pci0000:00/0000:00:01.0/0000:01:10.2\n");
        assert_false(is_held_by(t, &vf, NULL, 0, 4242));
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_group_facts),
                TEST(test_no_group),
                TEST(test_unreadable_group),
                TEST(test_host),
                TEST(test_host_switches),
                TEST(test_group_type),
                TEST(test_grant),
                TEST(test_node_must_be_the_one),
                TEST(test_fence_refuses),
                TEST(test_holders),
                TEST(test_holders_by_fdinfo),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
