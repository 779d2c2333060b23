/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single VFs of the fake tree: coming and going, drivers, groups, nodes, holders. */

#include "simvf.h"
#include "common/macro.h"
#include "sriov/capability.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Every device directory is sys/devices/pciDDDD:BB/<port>/<address> */
#define TO_SYS "../../../../"

static const char *device_parent(const struct sim *s, struct address a) {
        char target[512];
        ssize_t n = readlinkat(s->root, pathf(DEVICE, ADDRESS_STR(a)), target, sizeof(target) - 1);

        if (n < 0)
                return "";
        target[n] = '\0';
        char *slash = strrchr(target, '/');
        if (!slash || strncmp(target, "../../../", 9) != 0)
                return "";
        *slash = '\0';
        return pathf("sys/%s", target + 9);
}

/* Hard links of the PF's template files: cheap, and simhost.py alone decides what a VF looks like. */
static int link_templates(const struct sim *s, struct address pf, int dir) {
        _cleanup_close_ int from = openat(s->root, pathf("sim/pf/%s/vf", ADDRESS_STR(pf)),
                                          O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int copy = from < 0 ? -1 : dup(from);
        _cleanup_closedir_ DIR *d = copy < 0 ? NULL : fdopendir(copy);
        struct dirent *e;

        if (!d)
                return -errno;
        while ((e = readdir(d)))
                if (e->d_name[0] != '.' && linkat(from, e->d_name, dir, e->d_name, 0) < 0)
                        return -errno;
        return 0;
}

static void make_link(const struct sim *s, const char *target, const char *path) {
        if (symlinkat(target, s->root, path) < 0)
                fprintf(stderr, "simworker: %s: %m\n", path);
}

static void group_join(const struct sim *s, struct address vf, const char *dir, int group) {
        char type[16];

        if (mkdirat(s->root, pathf("sys/kernel/iommu_groups/%d", group), 0755) == 0) {
                mkdirat(s->root, pathf("sys/kernel/iommu_groups/%d/devices", group), 0755);
                if (tree_read(s, "sim/kernel/default_domain", type, sizeof(type)) < 0)
                        strcpy(type, "DMA");
                tree_write(s, pathf("sys/kernel/iommu_groups/%d/type", group), pathf("%s\n", type), 0644);
                tree_write(s, pathf("sys/kernel/iommu_groups/%d/reserved_regions", group),
                           "0x00000000fee00000 0x00000000feefffff msi\n", 0444);
        }
        make_link(s, pathf("../../../../%s", dir + strlen("sys/")),
                  pathf("sys/kernel/iommu_groups/%d/devices/%s", group, ADDRESS_STR(vf)));
        make_link(s, pathf(TO_SYS "kernel/iommu_groups/%d", group), pathf("%s/iommu_group", dir));
}

static void group_leave(const struct sim *s, struct address vf, int group) {
        unlinkat(s->root, pathf("sys/kernel/iommu_groups/%d/devices/%s", group, ADDRESS_STR(vf)), 0);
        if (unlinkat(s->root, pathf("sys/kernel/iommu_groups/%d/devices", group), AT_REMOVEDIR) < 0)
                return; /* others are still in it */
        unlinkat(s->root, pathf("sys/kernel/iommu_groups/%d/type", group), 0);
        unlinkat(s->root, pathf("sys/kernel/iommu_groups/%d/name", group), 0);
        unlinkat(s->root, pathf("sys/kernel/iommu_groups/%d/reserved_regions", group), 0);
        unlinkat(s->root, pathf("sys/kernel/iommu_groups/%d", group), AT_REMOVEDIR);
}

static int vf_group(const struct sim *s, struct address pf, unsigned index) {
        const char *p = ADDRESS_STR(pf);
        uint64_t shared = tree_number(s, pathf("sim/pf/%s/shared_group", p), UINT64_MAX);

        return shared != UINT64_MAX ? (int) shared
                                    : (int) (tree_number(s, pathf("sim/pf/%s/group_base", p), 100) + index);
}

static void driver_link(const struct sim *s, struct address vf, const char *driver) {
        make_link(s, pathf(TO_SYS "bus/pci/drivers/%s", driver), pathf(DEVICE "/driver", ADDRESS_STR(vf)));
        make_link(s, pathf("../../../../bus/pci/devices/%s", ADDRESS_STR(vf)),
                  pathf("sys/bus/pci/drivers/%s/%s", driver, ADDRESS_STR(vf)));
}

/* What a host driver does with new VFs if sriov_drivers_autoprobe was left on. */
static void autoprobe(const struct sim *s, struct address pf, struct address vf) {
        char driver[64];

        if (tree_number(s, pathf(DEVICE "/sriov_drivers_autoprobe", ADDRESS_STR(pf)), 1) == 0 ||
            tree_read(s, pathf("sim/pf/%s/vf_driver", ADDRESS_STR(pf)), driver, sizeof(driver)) < 0)
                return;
        mkdirat(s->root, pathf("sys/bus/pci/drivers/%s", driver), 0755);
        driver_link(s, vf, driver);
}

int vf_add(const struct sim *s, struct address pf, struct address vf, unsigned index) {
        char parent[256], dir[300]; /* many pathf() follow */

        snprintf(parent, sizeof(parent), "%s", device_parent(s, pf));
        snprintf(dir, sizeof(dir), "%s/%s", parent, ADDRESS_STR(vf));
        if (mkdirat(s->root, dir, 0755) < 0)
                return -errno;
        _cleanup_close_ int fd = openat(s->root, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        int r = link_templates(s, pf, fd);
        if (r < 0)
                return r;
        r = tree_write(s, pathf("%s/driver_override", dir), "(null)\n", 0644);
        if (r < 0)
                return r;
        if (!tree_trait(s, "no_iommu"))
                group_join(s, vf, dir, vf_group(s, pf, index));
        if (symlinkat(pathf("../%s", ADDRESS_STR(pf)), fd, "physfn") < 0 ||
            symlinkat(TO_SYS "bus/pci", fd, "subsystem") < 0 ||
            symlinkat(pathf("../%s", ADDRESS_STR(vf)), s->root,
                      pathf("%s/%s/virtfn%u", parent, ADDRESS_STR(pf), index)) < 0 ||
            symlinkat(pathf("../../../%s", dir + strlen("sys/")), s->root, pathf(DEVICE, ADDRESS_STR(vf))) <
                            0)
                return -errno;
        autoprobe(s, pf, vf);
        return 0;
}

/* Removes the files of a directory, not of directories in it. */
static void empty_dir(const struct sim *s, const char *path) {
        int fd = openat(s->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *e;

        while (d && (e = readdir(d)))
                if (e->d_name[0] != '.')
                        unlinkat(dirfd(d), e->d_name, 0);
}

static void driver_gone(const struct sim *s, struct address vf) {
        const char *driver = tree_driver(s, vf), *a = ADDRESS_STR(vf);
        int group = tree_group(s, vf);

        if (!driver[0])
                return;
        unlinkat(s->root, pathf("sys/bus/pci/drivers/%s/%s", driver, a), 0);
        unlinkat(s->root, pathf(DEVICE "/driver", a), 0);
        if (!strstr(driver, "vfio"))
                return;
        unlinkat(s->root, pathf("dev/vfio/%d", group), 0);
        unlinkat(s->root, pathf("dev/vfio/%d.owner", group), 0);
        unlinkat(s->root, pathf("dev/vfio/noiommu-%d", group), 0);
        unlinkat(s->root, pathf("dev/vfio/devices/vfio%d", CDEV_OF_GROUP(group)), 0);
        unlinkat(s->root, pathf(DEVICE "/vfio-dev/vfio%d/dev", a, CDEV_OF_GROUP(group)), 0);
        unlinkat(s->root, pathf(DEVICE "/vfio-dev/vfio%d", a, CDEV_OF_GROUP(group)), AT_REMOVEDIR);
        unlinkat(s->root, pathf(DEVICE "/vfio-dev", a), AT_REMOVEDIR);
        if (tree_trait(s, "noiommu")) {
                group_leave(s, vf, group);
                unlinkat(s->root, pathf(DEVICE "/iommu_group", a), 0);
        }
}

void vf_remove(const struct sim *s, struct address pf, struct address vf, unsigned index) {
        char parent[256], dir[300];
        int group = tree_group(s, vf);

        snprintf(parent, sizeof(parent), "%s", device_parent(s, vf));
        snprintf(dir, sizeof(dir), "%s/%s", parent, ADDRESS_STR(vf));
        driver_gone(s, vf);
        if (group >= 0)
                group_leave(s, vf, group);
        unlinkat(s->root, pathf("%s/%s/virtfn%u", parent, ADDRESS_STR(pf), index), 0);
        unlinkat(s->root, pathf(DEVICE, ADDRESS_STR(vf)), 0);
        empty_dir(s, dir);
        unlinkat(s->root, dir, AT_REMOVEDIR);
}

static void make_nodes(const struct sim *s, struct address vf) {
        int group = tree_group(s, vf), x = CDEV_OF_GROUP(group);
        const char *node = tree_node(s, vf), *a = ADDRESS_STR(vf);

        tree_write(s, node, "", 0600);
        if (!tree_trait(s, "cdev"))
                return;
        /* One inode for both, because the kernel lets only one of group and cdev be in use */
        if (linkat(s->root, node, s->root, pathf("dev/vfio/devices/vfio%d", x), 0) < 0 && errno != EEXIST)
                perror("simworker: dev/vfio/devices");
        mkdirat(s->root, pathf(DEVICE "/vfio-dev", a), 0755);
        mkdirat(s->root, pathf(DEVICE "/vfio-dev/vfio%d", a, x), 0755);
        tree_write(s, pathf(DEVICE "/vfio-dev/vfio%d/dev", a, x), pathf("511:%d\n", x), 0444);
}

struct outcome tree_unbind(const struct sim *s, struct address vf) {
        if (!tree_driver(s, vf)[0])
                return OK;
        while (tree_holders(s, &vf, 1, NULL, 0) > 0 && tree_exists(s, "sim"))
                usleep(10000);
        driver_gone(s, vf);
        return OK;
}

static int read_config(const struct sim *s, struct address a, uint8_t config[CONFIG_SPACE_SIZE]) {
        return capability_read_config(s->root, a, config, CONFIG_SPACE_SIZE);
}

/* Writes a configuration space of the VF's own: all VFs of a PF begin with the same file. */
static struct outcome set_vectors(const struct sim *s, struct address vf, unsigned msix) {
        const char *file = pathf(DEVICE "/config", ADDRESS_STR(vf));
        uint8_t config[CONFIG_SPACE_SIZE];
        struct address pf;

        int n = read_config(s, vf, config);
        if (n < 0)
                return FAIL(-n, MSIX, "config");
        uint64_t total = tree_is_vf(s, vf, &pf)
                                         ? tree_number(s,
                                                       pathf(DEVICE "/sriov_vf_total_msix", ADDRESS_STR(pf)),
                                                       0)
                                         : 0;
        size_t at = capability_find(config, (size_t) n, PCI_CAP_ID_MSIX);
        if (total == 0 || at == 0)
                return FAIL(EOPNOTSUPP, MSIX, "writing sriov_vf_msix_count");
        if (msix > total)
                return FAIL(ENOSPC, MSIX, "writing sriov_vf_msix_count");
        config[at + PCI_MSIX_FLAGS] = (uint8_t) (msix - 1);
        config[at + PCI_MSIX_FLAGS + 1] = (uint8_t) ((msix - 1) >> 8);
        unlinkat(s->root, file, 0);
        _cleanup_close_ int fd = openat(s->root, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 || write(fd, config, (size_t) n) != n)
                return FAIL(EIO, MSIX, "config");
        return OK;
}

static bool has_vectors(const struct sim *s, struct address vf, unsigned msix) {
        uint8_t config[CONFIG_SPACE_SIZE];
        int n = read_config(s, vf, config);

        return msix == 0 || (n >= 0 && capability_msix_vectors(config, (size_t) n) == msix);
}

struct outcome tree_bind(const struct sim *s, struct address vf, const char *driver, unsigned msix,
                         bool silently_fail) {
        const char *now = tree_driver(s, vf), *a = ADDRESS_STR(vf);

        int r = tree_write(s, pathf(DEVICE "/driver_override", a), pathf("%s\n", driver), 0644);
        if (r < 0)
                return FAIL_ERRNO(-r, "driver_override");
        bool enough = has_vectors(s, vf, msix);
        if (strcmp(now, driver) == 0 && enough)
                return OK;
        tree_unbind(s, vf);
        struct outcome o = enough ? OK : set_vectors(s, vf, msix);
        if (o.error < 0)
                return o;
        if (tree_group(s, vf) < 0 && tree_trait(s, "noiommu")) {
                int group = 90000 + (vf.bus << 8) + (vf.device << 3) + vf.function;

                group_join(s, vf, pathf("%s/%s", device_parent(s, vf), a), group);
                tree_write(s, pathf("sys/kernel/iommu_groups/%d/name", group), "vfio-noiommu\n", 0444);
        }
        /* vfio-pci refuses a device without a group, and writing to drivers_probe succeeds all the same */
        if (silently_fail || tree_group(s, vf) < 0 ||
            !tree_exists(s, pathf("sys/bus/pci/drivers/%s", driver)))
                return FAIL(ENXIO, PROBE_FAILED, "the driver did not bind");
        driver_link(s, vf, driver);
        make_nodes(s, vf);
        return OK;
}

struct outcome tree_group_type(const struct sim *s, struct address vf, const char *type) {
        const char *file = pathf("sys/kernel/iommu_groups/%d/type", tree_group(s, vf)),
                   *driver = tree_driver(s, vf);
        _cleanup_close_ int fd = openat(s->root, tree_node(s, vf), O_RDWR | O_CLOEXEC);

        if (!tree_exists(s, file))
                return FAIL(ENOENT, NO_IOMMU, "type of the group");
        if ((driver[0] && !strstr(driver, "vfio")) || (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0))
                return FAIL(EPERM, IDENTITY_DOMAIN, "type of the group");
        int r = tree_write(s, file, pathf("%s\n", type), 0644);
        return r < 0 ? FAIL_ERRNO(-r, "type of the group") : OK;
}
