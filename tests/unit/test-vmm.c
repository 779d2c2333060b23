/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines of VMMs: what is appended, what is replaced, which hand-off is asked for, how much memory is
 * read. */

#include "cli/vmm.h"
#include "common/macro.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 24

/* A line split at blanks, as an argument vector. */
struct words {
        char text[512];
        char *argv[WORDS_MAX];
        size_t n;
};

static void split(struct words *w, const char *line) {
        char *save = NULL;

        *w = (struct words){ 0 };
        assert_true(strlen(line) < sizeof(w->text));
        strcpy(w->text, line);
        for (char *p = strtok_r(w->text, " ", &save); p; p = strtok_r(NULL, " ", &save)) {
                assert_true(w->n < WORDS_MAX - 1);
                w->argv[w->n++] = p;
        }
}

static const struct vmm_device fd_devices[] = {
        { "0000:01:10.0", 20, 11, 12, NULL },
        { "0000:01:10.1", 21, 13, 14, NULL },
};
static const struct vmm_device node_devices[] = {
        { "0000:01:10.0", 20, -1, -1, "/dev/vfio/20" },
        { "0000:01:10.1", 21, -1, -1, "/dev/vfio/21" },
};

/* The resulting arguments joined by blanks, or "" for -EINVAL. */
static void expect_arguments(const char *line, const struct vmm_device *devices, size_t n,
                             const char *expected) {
        struct words w;
        char **argv = NULL, joined[1024] = "";

        split(&w, line);
        int r = vmm_arguments(w.argv, w.n, devices, n, &argv);
        if (!expected[0]) {
                assert_int_equal(r, -EINVAL);
                assert_null(argv);
                return;
        }
        assert_int_equal(r, 0);
        for (size_t i = 0; argv[i]; i++) {
                if (i > 0)
                        strcat(joined, " ");
                strcat(joined, argv[i]);
        }
        assert_string_equal(joined, expected);
        vmm_free_arguments(argv);
}

static void test_kind(void **state) {
        static const struct {
                const char *path;
                enum vmm_kind kind;
        } table[] = {
                { "qemu-system-x86_64", VMM_QEMU },
                { "/usr/bin/qemu-system-aarch64", VMM_QEMU },
                { "/usr/libexec/qemu-kvm", VMM_QEMU },
                { "kvm", VMM_QEMU },
                { "kvmtool", VMM_OTHER },
                { "/opt/qemu-system-x86_64/wrapper", VMM_OTHER },
                { "qemu-img", VMM_OTHER },
                { "cloud-hypervisor", VMM_CLOUD_HYPERVISOR },
                { "./cloud-hypervisor-static", VMM_CLOUD_HYPERVISOR },
                { "", VMM_OTHER },
        };

        FOREACH_ARRAY(t, table, ARRAY_SIZE(table))
                assert_int_equal(vmm_kind_of(t->path), t->kind);
}

static void test_qemu_fd(void **state) {
        expect_arguments("qemu-system-x86_64 -m 2G", fd_devices, 2,
                         "qemu-system-x86_64 -m 2G "
                         "-object iommufd,id=vfctl-iommufd0,fd=12 "
                         "-device vfio-pci,id=vfctl-vf0,fd=11,iommufd=vfctl-iommufd0 "
                         "-object iommufd,id=vfctl-iommufd1,fd=14 "
                         "-device vfio-pci,id=vfctl-vf1,fd=13,iommufd=vfctl-iommufd1");
}

static void test_qemu_node(void **state) {
        expect_arguments("/usr/bin/kvm", node_devices, 2,
                         "/usr/bin/kvm -device vfio-pci,id=vfctl-vf0,host=0000:01:10.0 "
                         "-device vfio-pci,id=vfctl-vf1,host=0000:01:10.1");
}

static void test_cloud_hypervisor(void **state) {
        expect_arguments("cloud-hypervisor --cpus boot=1", fd_devices, 1,
                         "cloud-hypervisor --cpus boot=1 --platform iommufd_fd=12 --device fd=11");
        expect_arguments("cloud-hypervisor --platform num=2 --device path=/x", fd_devices, 1,
                         "cloud-hypervisor --platform num=2,iommufd_fd=12 --device fd=11 path=/x");
        expect_arguments("cloud-hypervisor --platform=tdx=on", fd_devices, 1,
                         "cloud-hypervisor --platform=tdx=on,iommufd_fd=12 --device fd=11");
        expect_arguments("cloud-hypervisor", node_devices, 2,
                         "cloud-hypervisor --device path=/sys/bus/pci/devices/0000:01:10.0 "
                         "path=/sys/bus/pci/devices/0000:01:10.1");
}

static void test_placeholders(void **state) {
        expect_arguments("crosvm run --vfio /sys/bus/pci/devices/{address}", node_devices, 1,
                         "crosvm run --vfio /sys/bus/pci/devices/0000:01:10.0");
        expect_arguments("vmm {address:1},{address:0},{address} {group:1} {node:1}", node_devices, 2,
                         "vmm 0000:01:10.1,0000:01:10.0,0000:01:10.0 21 /dev/vfio/21");
        expect_arguments("qemu-system-x86_64 -device vfio-pci,fd={device_fd},bus=rp -x {iommufd_fd:1}",
                         fd_devices, 2, "qemu-system-x86_64 -device vfio-pci,fd=11,bus=rp -x 14");
        /* what is no placeholder stays, and does not keep the arguments from being appended */
        expect_arguments("kvm {\"driver\":\"e1000\"} {addresses} {address:} {address:x} {", node_devices, 1,
                         "kvm {\"driver\":\"e1000\"} {addresses} {address:} {address:x} { "
                         "-device vfio-pci,id=vfctl-vf0,host=0000:01:10.0");
        expect_arguments("vmm {{address}}", node_devices, 1, "vmm {0000:01:10.0}");
        /* the program's own name is never replaced */
        expect_arguments("./{address} x", node_devices, 1, "./{address} x");
}

static void test_placeholders_missing(void **state) {
        expect_arguments("vmm {address:1}", node_devices, 1, "");
        expect_arguments("vmm {device_fd}", node_devices, 1, "");
        expect_arguments("vmm a {iommufd_fd}", node_devices, 1, "");
        expect_arguments("vmm {node}", fd_devices, 1, "");
}

static void test_other(void **state) {
        expect_arguments("wrapper --flag", fd_devices, 2, "wrapper --flag");
}

static void test_hand_off(void **state) {
        static const struct {
                const char *line;
                unsigned count;
                enum hand_off asked, expected; /* _HAND_OFF_MAX: refused */
        } table[] = {
                { "qemu-system-x86_64", 3, HAND_OFF_AUTO, HAND_OFF_AUTO },
                { "qemu-system-x86_64", 3, HAND_OFF_FD, HAND_OFF_FD },
                { "qemu-system-x86_64 host={address}", 1, HAND_OFF_AUTO, HAND_OFF_NODE },
                { "qemu-system-x86_64 host={address}", 1, HAND_OFF_FD, HAND_OFF_FD },
                { "qemu-system-x86_64 fd={device_fd}", 1, HAND_OFF_AUTO, HAND_OFF_FD },
                { "qemu-system-x86_64 fd={device_fd}", 1, HAND_OFF_NODE, _HAND_OFF_MAX },
                { "vmm {node}", 1, HAND_OFF_FD, _HAND_OFF_MAX },
                { "vmm {node} {iommufd_fd}", 1, HAND_OFF_AUTO, _HAND_OFF_MAX },
                { "vmm {address:1}", 1, HAND_OFF_AUTO, _HAND_OFF_MAX },
                { "vmm {address:1}", 2, HAND_OFF_AUTO, HAND_OFF_NODE },
                { "vmm {address:0} {address:2}", 2, HAND_OFF_AUTO, _HAND_OFF_MAX },
                { "vmm", 1, HAND_OFF_AUTO, HAND_OFF_AUTO },
                { "cloud-hypervisor", 1, HAND_OFF_AUTO, HAND_OFF_AUTO },
                { "cloud-hypervisor", 2, HAND_OFF_AUTO, HAND_OFF_NODE },
                { "cloud-hypervisor", 2, HAND_OFF_FD, _HAND_OFF_MAX },
                { "cloud-hypervisor", 1, HAND_OFF_FD, HAND_OFF_FD },
                { "kvm -daemonize", 1, HAND_OFF_AUTO, _HAND_OFF_MAX },
                { "vmm -daemonize", 1, HAND_OFF_AUTO, HAND_OFF_AUTO },
        };

        FOREACH_ARRAY(t, table, ARRAY_SIZE(table)) {
                enum hand_off hand_off = t->asked;
                char problem[160] = "";
                struct words w;

                split(&w, t->line);
                int r = vmm_choose_hand_off(w.argv, w.n, t->count, &hand_off, problem, sizeof(problem));
                if (t->expected == _HAND_OFF_MAX) {
                        assert_int_equal(r, -EINVAL);
                        assert_true(problem[0]);
                } else {
                        assert_int_equal(r, 0);
                        assert_int_equal(hand_off, t->expected);
                }
        }
}

#define MIB (1ULL << 20)
#define BAD UINT64_MAX

static void test_memory(void **state) {
        static const struct {
                const char *line;
                uint64_t bytes;
        } table[] = {
                { "qemu-system-x86_64", 128 * MIB },
                { "qemu-system-x86_64 -m 2048", 2048 * MIB },
                { "qemu-system-x86_64 -m 2G", 2048 * MIB },
                { "qemu-system-x86_64 --m 2G", 2048 * MIB },
                { "qemu-system-x86_64 -m 1.5G", 1536 * MIB },
                { "qemu-system-x86_64 -m 0.25G", 256 * MIB },
                { "qemu-system-x86_64 -m 65536k", 64 * MIB },
                { "qemu-system-x86_64 -m size=4G,slots=2,maxmem=8G", 4096 * MIB },
                { "qemu-system-x86_64 -m slots=2,size=4G", 4096 * MIB },
                { "qemu-system-x86_64 -m 4G,slots=2", 4096 * MIB },
                { "qemu-system-x86_64 -m slots=2,maxmem=8G", 128 * MIB },
                { "qemu-system-x86_64 -m 1G -m 2G", 2048 * MIB },
                { "qemu-system-x86_64 -machine q35 -smp 2", 128 * MIB },
                { "qemu-system-x86_64 -machine q35,memory-backend=m0", 0 },
                { "qemu-system-x86_64 -machine q35,memory-backend=m0 -m 1G", 1024 * MIB },
                { "qemu-system-x86_64 -readconfig f", 0 },
                { "qemu-system-x86_64 -m", 128 * MIB },
                { "qemu-system-x86_64 -m 0x10", BAD },
                { "qemu-system-x86_64 -m lots", BAD },
                { "qemu-system-x86_64 -m 1X", BAD },
                { "qemu-system-x86_64 -m 99999999999999999P", BAD },
                { "qemu-system-x86_64 -m 99999999999999999999", BAD },
                { "qemu-system-x86_64 -m -1", BAD },
                { "cloud-hypervisor", 512 * MIB },
                { "cloud-hypervisor --memory size=1G,shared=on", 1024 * MIB },
                { "cloud-hypervisor --memory=hotplug_size=8G,size=1073741824", 1024 * MIB },
                { "cloud-hypervisor --memory size=0", 0 },
                { "cloud-hypervisor --memory size=x", BAD },
                { "crosvm run --mem 2048", 0 },
        };

        FOREACH_ARRAY(t, table, ARRAY_SIZE(table)) {
                uint64_t bytes = 1;
                const char *bad = NULL;
                struct words w;

                split(&w, t->line);
                int r = vmm_memory(w.argv, w.n, &bytes, &bad);
                if (t->bytes == BAD) {
                        assert_int_equal(r, -EINVAL);
                        assert_non_null(bad);
                } else {
                        assert_int_equal(r, 0);
                        assert_int_equal(bytes, t->bytes);
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kind),         cmocka_unit_test(test_qemu_fd),
                cmocka_unit_test(test_qemu_node),    cmocka_unit_test(test_cloud_hypervisor),
                cmocka_unit_test(test_placeholders), cmocka_unit_test(test_placeholders_missing),
                cmocka_unit_test(test_other),        cmocka_unit_test(test_hand_off),
                cmocka_unit_test(test_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
