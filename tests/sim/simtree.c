/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fake tree: reading it, finding things in it, and the VF counts. */

#include "simtree.h"
#include "common/macro.h"
#include "simcontroller.h"
#include "simvf.h"
#include "sriov/capability.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

const char *pathf(const char *format, ...) {
        static char buffers[32][512];
        static unsigned next;
        char *buf = buffers[next++ % ARRAY_SIZE(buffers)];
        va_list ap;

        va_start(ap, format);
        int n = vsnprintf(buf, sizeof(buffers[0]), format, ap);
        va_end(ap);
        if (n < 0 || (size_t) n >= sizeof(buffers[0]))
                buf[0] = '\0'; /* opens as ENOENT */
        return buf;
}

int tree_read(const struct sim *s, const char *path, char *buf, size_t size) {
        _cleanup_close_ int fd = openat(s->root, path, O_RDONLY | O_CLOEXEC);

        buf[0] = '\0';
        if (fd < 0)
                return -errno;
        ssize_t n = read(fd, buf, size - 1);
        if (n < 0)
                return -errno;
        buf[n] = '\0';
        buf[strcspn(buf, "\n")] = '\0';
        return 0;
}

uint64_t tree_number(const struct sim *s, const char *path, uint64_t otherwise) {
        char buf[32];

        return tree_read(s, path, buf, sizeof(buf)) < 0 ? otherwise : strtoull(buf, NULL, 0);
}

int tree_write(const struct sim *s, const char *path, const char *text, mode_t mode) {
        _cleanup_close_ int fd = openat(s->root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

        if (fd < 0)
                return -errno;
        return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

bool tree_exists(const struct sim *s, const char *path) {
        return faccessat(s->root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool tree_trait(const struct sim *s, const char *name) {
        return tree_exists(s, pathf("sim/kernel/%s", name));
}

static const char *link_name(const struct sim *s, const char *path) {
        char target[512];
        ssize_t n = readlinkat(s->root, path, target, sizeof(target) - 1);

        if (n < 0)
                return "";
        target[n] = '\0';
        char *name = strrchr(target, '/');
        return pathf("%s", name ? name + 1 : target);
}

bool tree_is_pf(const struct sim *s, struct address a) {
        return tree_exists(s, pathf(DEVICE "/sriov_totalvfs", ADDRESS_STR(a)));
}

bool tree_is_vf(const struct sim *s, struct address a, struct address *ret_pf) {
        return address_parse(link_name(s, pathf(DEVICE "/physfn", ADDRESS_STR(a))), ret_pf) >= 0;
}

const char *tree_driver(const struct sim *s, struct address a) {
        return link_name(s, pathf(DEVICE "/driver", ADDRESS_STR(a)));
}

int tree_group(const struct sim *s, struct address a) {
        const char *name = link_name(s, pathf(DEVICE "/iommu_group", ADDRESS_STR(a)));

        return name[0] ? atoi(name) : -1;
}

const char *tree_node(const struct sim *s, struct address a) {
        int group = tree_group(s, a);

        if (tree_trait(s, "no_group"))
                return pathf("dev/vfio/devices/vfio%d", CDEV_OF_GROUP(group));
        return pathf(tree_trait(s, "noiommu") ? "dev/vfio/noiommu-%d" : "dev/vfio/%d", group);
}

int tree_lock_pf(const struct sim *s, struct address pf) {
        int fd = openat(s->root, pathf("sim/pf/%s/lock", ADDRESS_STR(pf)), O_RDWR | O_CREAT | O_CLOEXEC,
                        0666);

        while (fd >= 0 && flock(fd, LOCK_EX) < 0 && errno == EINTR)
                ;
        return fd;
}

static unsigned routing_id(struct address a) {
        return ((unsigned) a.bus << 8) + ((unsigned) a.device << 3) + a.function;
}

struct vf_places vf_places(const struct sim *s, struct address pf) {
        const char *p = ADDRESS_STR(pf);

        return (struct vf_places){ .pf = pf,
                                   .offset = tree_number(s, pathf(DEVICE "/sriov_offset", p), 128),
                                   .stride = tree_number(s, pathf(DEVICE "/sriov_stride", p), 1) };
}

struct address vf_place(const struct vf_places *p, unsigned index) {
        uint64_t rid = routing_id(p->pf) + p->offset + p->stride * index;

        return (struct address){ .domain = p->pf.domain,
                                 .bus = (rid >> 8) & 0xff,
                                 .device = (rid >> 3) & 0x1f,
                                 .function = rid & 7 };
}

struct address vf_address(const struct sim *s, struct address pf, unsigned index) {
        const struct vf_places p = vf_places(s, pf);

        return vf_place(&p, index);
}

unsigned vf_index(const struct sim *s, struct address pf, struct address vf) {
        struct address first = vf_address(s, pf, 0);
        unsigned stride = (unsigned) tree_number(s, pathf(DEVICE "/sriov_stride", ADDRESS_STR(pf)), 1);

        return (routing_id(vf) - routing_id(first)) / MAX(stride, 1U);
}

static struct outcome numvfs_remove(const struct sim *s, struct address pf, unsigned have) {
        _cleanup_free_ struct address *vfs = calloc(have, sizeof(*vfs));

        if (!vfs)
                return FAIL_ERRNO(ENOMEM, "out of memory");
        for (unsigned i = 0; i < have; i++)
                vfs[i] = vf_address(s, pf, i);
        /* As the kernel: waits until nobody has a VFIO descriptor any more, and takes the PF's lock along */
        while (tree_holders(s, vfs, have, NULL, 0) > 0 && tree_exists(s, "sim"))
                usleep(10000);
        for (unsigned i = have; i-- > 0;)
                vf_remove(s, pf, vfs[i], i);
        for (unsigned i = 0; i < have; i++) /* they have those of new VFs again */
                unlinkat(s->root, pathf("sim/attributes/%s", ADDRESS_STR(vfs[i])), 0);
        return OK;
}

static struct outcome numvfs_add(const struct sim *s, struct address pf, unsigned want, unsigned *ret_have) {
        uint64_t most = tree_number(s, pathf("sim/pf/%s/driver_max", ADDRESS_STR(pf)), want);

        usleep((useconds_t) tree_number(s, pathf("sim/pf/%s/enable_usec", ADDRESS_STR(pf)), 0));
        for (*ret_have = 0; *ret_have < want && *ret_have < most; (*ret_have)++) {
                int r = vf_add(s, pf, vf_address(s, pf, *ret_have), *ret_have);

                if (r < 0)
                        return FAIL_ERRNO(-r, "cannot make a VF in the fake tree");
        }
        return OK;
}

/* The SR-IOV capability says it too; drivers/pci/iov.c:sriov_enable() */
static void capability_vfs(const struct sim *s, struct address pf, unsigned n) {
        uint8_t config[CONFIG_SPACE_SIZE], control = n > 0 ? PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE : 0,
                                           count[2] = { (uint8_t) n, (uint8_t) (n >> 8) };
        int size = capability_read_config(s->root, pf, config, sizeof(config));
        size_t at = size < 0 ? 0 : capability_find_extended(config, (size_t) size, PCI_EXT_CAP_ID_SRIOV);
        _cleanup_close_ int fd =
                        openat(s->root, pathf(DEVICE "/config", ADDRESS_STR(pf)), O_WRONLY | O_CLOEXEC);

        if (at == 0)
                return;
        control |= PCI_SRIOV_CTRL_ARI;
        if (fd < 0 || pwrite(fd, &control, 1, (off_t) at + PCI_SRIOV_CTRL) != 1 ||
            pwrite(fd, count, 2, (off_t) at + PCI_SRIOV_NUM_VF) != 2)
                perror("simworker: config");
}

/* The order of checks is that of drivers/pci/iov.c:sriov_numvfs_store() */
struct outcome tree_numvfs(const struct sim *s, struct address pf, unsigned want) {
        const char *file = pathf(DEVICE "/sriov_numvfs", ADDRESS_STR(pf));
        unsigned have = (unsigned) tree_number(s, file, 0), now = 0;

        if (want > tree_number(s, pathf(DEVICE "/sriov_totalvfs", ADDRESS_STR(pf)), 0))
                return FAIL(ERANGE, NUMVFS_RANGE, "sriov_numvfs");
        if (want == have)
                return OK;
        if (!tree_driver(s, pf)[0])
                return FAIL(ENOENT, NUMVFS_NO_DRIVER, "sriov_numvfs");
        if (want > 0 && have > 0)
                return FAIL(EBUSY, NUMVFS_BUSY, "sriov_numvfs");
        struct outcome o = want == 0 ? numvfs_remove(s, pf, have) : numvfs_add(s, pf, want, &now);
        if (o.error == 0) {
                tree_write(s, pathf(DEVICE "/sriov_numvfs", ADDRESS_STR(pf)), pathf("%u\n", now), 0644);
                capability_vfs(s, pf, now);
                controller_vfs(s, pf, now);
        }
        return o;
}
