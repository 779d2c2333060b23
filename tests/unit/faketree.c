/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes fake sysfs trees. */

#include "tests/unit/faketree.h"
#include "common/macro.h"
#include "common/root.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *pathf(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *pathf(const char *format, ...) {
        static char ring[8][256];
        static unsigned next;
        char *buf = ring[next++ % 8];
        va_list ap;

        va_start(ap, format);
        int n = vsnprintf(buf, sizeof(ring[0]), format, ap);
        va_end(ap);
        assert_in_range(n, 0, sizeof(ring[0]) - 1);
        return buf;
}

const char *fake_device(const char *address, const char *name) {
        return pathf("sys/bus/pci/devices/%s/%s", address, name);
}

void faketree_init(struct faketree *t) {
        strcpy(t->dir, "/tmp/vfctl-tree-XXXXXX");
        assert_non_null(mkdtemp(t->dir));
        t->fd = root_open(t->dir);
        assert_true(t->fd >= 0);
        faketree_mkdir(t, "sys/bus/pci/devices");
        faketree_mkdir(t, "sys/bus/pci/drivers/vfio-pci");
        faketree_mkdir(t, "sys/kernel/iommu_groups");
        faketree_mkdir(t, "proc");
        faketree_mkdir(t, "dev/vfio");
        faketree_write(t, "sys/bus/pci/drivers_probe", "");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

void faketree_done(struct faketree *t) {
        close_fd(&t->fd);
        assert_int_equal(nftw(t->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void faketree_mkdir(struct faketree *t, const char *path) {
        char part[256];

        for (const char *slash = path;; slash++) {
                slash = strchrnul(slash, '/');
                snprintf(part, sizeof(part), "%.*s", (int) (slash - path), path);
                if (mkdirat(t->fd, part, 0755) < 0 && errno != EEXIST)
                        fail_msg("mkdir %s: %s", part, strerror(errno));
                if (!*slash)
                        return;
        }
}

static void make_parent(struct faketree *t, const char *path) {
        char parent[256];
        const char *slash = strrchr(path, '/');

        if (!slash)
                return;
        snprintf(parent, sizeof(parent), "%.*s", (int) (slash - path), path);
        faketree_mkdir(t, parent);
}

void faketree_write_bytes(struct faketree *t, const char *path, const void *data, size_t size) {
        make_parent(t, path);
        _cleanup_close_ int fd = root_openat(t->fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (fd < 0 || write(fd, data, size) != (ssize_t) size)
                fail_msg("write %s: %s", path, strerror(errno));
}

void faketree_write(struct faketree *t, const char *path, const char *text) {
        faketree_write_bytes(t, path, text, strlen(text));
}

void faketree_link(struct faketree *t, const char *target, const char *path) {
        make_parent(t, path);
        unlinkat(t->fd, path, 0);
        if (symlinkat(target, t->fd, path) < 0)
                fail_msg("link %s: %s", path, strerror(errno));
}

void faketree_remove(struct faketree *t, const char *path) {
        char whole[400];
        struct stat st;

        snprintf(whole, sizeof(whole), "%s/%s", t->dir, path);
        assert_int_equal(lstat(whole, &st), 0);
        if (S_ISDIR(st.st_mode))
                assert_int_equal(nftw(whole, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
        else
                assert_int_equal(unlink(whole), 0);
}

void faketree_read(struct faketree *t, const char *path, char *buf, size_t size) {
        int r = root_read(t->fd, buf, size, "%s", path);

        if (r < 0)
                fail_msg("read %s: %s", path, strerror(-r));
}

/* Where a device really is: all functions of a PF's bus below one bridge. */
static const char *real_dir(const char *pf, const char *address) {
        return pathf("devices/pci%.7s/%.4s:00:01.0/%s", pf, pf, address);
}

static void set_driver(struct faketree *t, const char *address, const char *driver) {
        if (!driver[0])
                return;
        faketree_mkdir(t, pathf("sys/bus/pci/drivers/%s", driver));
        faketree_link(t, pathf("../../../../bus/pci/drivers/%s", driver), fake_device(address, "driver"));
}

static void make_device(struct faketree *t, const char *pf, const char *address) {
        const char *dir = real_dir(pf, address);

        faketree_mkdir(t, pathf("sys/%s", dir));
        faketree_link(t, pathf("../../../%s", dir), pathf("sys/bus/pci/devices/%s", address));
        faketree_write(t, fake_device(address, "driver_override"), "(null)\n");
        faketree_write(t, fake_device(address, "numa_node"), "1\n");
}

static void set(struct faketree *t, const char *address, const char *name, const char *text) {
        faketree_write(t, fake_device(address, name), text);
}

void faketree_pf(struct faketree *t, const struct fake_pf *p) {
        const char *a = p->address;

        make_device(t, a, a);
        set(t, a, "vendor", pathf("0x%04x\n", p->vendor ? p->vendor : 0x8086));
        set(t, a, "device", pathf("0x%04x\n", p->device ? p->device : 0x10c9));
        set(t, a, "subsystem_vendor", "0x103c\n");
        set(t, a, "subsystem_device", "0x0a01\n");
        set(t, a, "class", pathf("0x%06x\n", p->class ? p->class : 0x020000));
        set(t, a, "sriov_totalvfs", pathf("%u\n", p->total ? p->total : 7));
        set(t, a, "sriov_numvfs", pathf("%u\n", 0));
        set(t, a, "sriov_offset", pathf("%u\n", p->offset ? p->offset : 128));
        set(t, a, "sriov_stride", pathf("%u\n", p->stride ? p->stride : 2));
        set(t, a, "sriov_drivers_autoprobe", pathf("%u\n", p->managed ? 0 : 1));
        set_driver(t, a, p->driver ? p->driver : "igb");
        if (p->netdev)
                set(t, a, pathf("net/%s/ifindex", p->netdev), "7\n");
}

void faketree_function(struct faketree *t, const char *address, unsigned class, const char *driver) {
        make_device(t, address, address);
        set(t, address, "vendor", "0x8086\n");
        set(t, address, "device", "0x1572\n");
        set(t, address, "subsystem_vendor", "0x103c\n");
        set(t, address, "subsystem_device", "0x0a02\n");
        set(t, address, "class", pathf("0x%06x\n", class));
        set(t, address, "reset_method", "flr bus\n");
        set_driver(t, address, driver);
}

void faketree_host(struct faketree *t) {
        faketree_mkdir(t, "sys/class/block");
        faketree_mkdir(t, "sys/class/net");
        faketree_write(t, "proc/1/mountinfo", "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n");
        faketree_write(t, "proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
        faketree_write(t, "proc/1/net/route",
                       "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n");
}

void faketree_group_member(struct faketree *t, int group, const char *address) {
        faketree_mkdir(t, pathf("sys/kernel/iommu_groups/%d/devices", group));
        faketree_link(t, pathf("../../../../bus/pci/devices/%s", address),
                      pathf("sys/kernel/iommu_groups/%d/devices/%s", group, address));
}

static void set_group(struct faketree *t, const char *address, const struct fake_vf *v) {
        faketree_group_member(t, v->group, address);
        faketree_write(t, pathf("sys/kernel/iommu_groups/%d/type", v->group),
                       pathf("%s\n", v->type ? v->type : "DMA"));
        faketree_link(t, pathf("../../../../kernel/iommu_groups/%d", v->group),
                      fake_device(address, "iommu_group"));
        if (!v->cdev)
                return;
        set(t, address, pathf("vfio-dev/vfio%d/dev", v->group), pathf("241:%d\n", v->group));
}

struct address faketree_vf(struct faketree *t, const struct fake_vf *v) {
        uint64_t offset, stride;
        struct address pf, vf;
        char a[ADDRESS_STR_MAX];

        assert_int_equal(address_parse(v->pf, &pf), 0);
        assert_int_equal(root_read_u64(t->fd, &offset, "%s", fake_device(v->pf, "sriov_offset")), 0);
        assert_int_equal(root_read_u64(t->fd, &stride, "%s", fake_device(v->pf, "sriov_stride")), 0);
        unsigned rid = ((unsigned) pf.bus << 8 | (unsigned) pf.device << 3 | pf.function) +
                       (unsigned) offset + (unsigned) stride * v->index;
        vf = (struct address){ pf.domain, (uint8_t) (rid >> 8), rid >> 3 & 31, rid & 7 };
        address_format(vf, a);
        make_device(t, v->pf, a);
        faketree_write(t, fake_device(a, "vendor"), "0x8086\n");
        if (!v->reset || v->reset[0])
                faketree_write(t, fake_device(a, "reset_method"), pathf("%s\n", v->reset ? v->reset : "flr"));
        set_driver(t, a, v->driver ? v->driver : "");
        if (v->group > 0)
                set_group(t, a, v);
        faketree_link(t, pathf("../%s", v->pf), fake_device(a, "physfn"));
        faketree_link(t, pathf("../%s", a), fake_device(v->pf, pathf("virtfn%u", v->index)));
        return vf;
}
