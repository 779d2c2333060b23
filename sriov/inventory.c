/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A walk through /sys/bus/pci/devices: PFs by their sriov_totalvfs, VFs by the PF's virtfnN links. One
 * directory is opened for each function and its files are read relative to it, so that thousands of VFs cost
 * little. */

#include "sriov/inventory.h"
#include "common/macro.h"
#include "common/root.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define DEVICES "sys/bus/pci/devices"

struct virtfn {
        unsigned index;
        struct address address;
};

/* The address that a link such as physfn or virtfn0 points to. */
static int read_address_link(int dir_fd, const char *name, struct address *ret) {
        char target[256];
        ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

        if (n < 0)
                return -errno;
        target[n] = '\0';
        const char *slash = strrchr(target, '/');
        return address_parse(slash ? slash + 1 : target, ret);
}

/* "flr pm bus": only resets that touch this function alone count. */
static bool names_own_reset(char *methods) {
        char *rest = NULL;

        for (char *m = strtok_r(methods, " ", &rest); m; m = strtok_r(NULL, " ", &rest))
                if (strcmp(m, "flr") == 0 || strcmp(m, "device_specific") == 0)
                        return true;
        return false;
}

/* Only what sysfs says is gone is gone: a shortage of memory or descriptors must not look like a VF that
 * vanished. */
static int gone_or_error(int error) {
        return error == -ENOENT || error == -ENOTDIR || error == -ENODEV || error == -ENXIO ? -ENODEV : error;
}

static int read_driver(int dir_fd, char driver[DRIVER_MAX]) {
        int r = root_link_name(dir_fd, driver, DRIVER_MAX, "driver");

        return r == -ENOENT ? 0 : r; /* no link: unbound */
}

static int read_vf_facts(int dir_fd, struct vf *vf) {
        char methods[128], driver[DRIVER_MAX];

        int r = read_driver(dir_fd, driver);
        if (r < 0)
                return r;
        memcpy(vf->driver, driver, sizeof(vf->driver));
        vf->override[0] = '\0';
        vf->resettable = root_read(dir_fd, methods, sizeof(methods), "reset_method") >= 0 &&
                         names_own_reset(methods);
        return 0;
}

static int open_device(int root_fd, struct address a) {
        return root_openf(root_fd, O_PATH | O_DIRECTORY, DEVICES "/%s", ADDRESS_STR(a));
}

static int virtfn_compare(const void *a, const void *b) {
        const struct virtfn *x = a, *y = b;

        return x->index < y->index ? -1 : x->index > y->index;
}

static int list_virtfns(int pf_fd, struct virtfn **ret, size_t *ret_n) {
        _cleanup_closedir_ DIR *d = root_opendir(pf_fd, ".");
        _cleanup_free_ struct virtfn *list = NULL;
        size_t n = 0, size = 0;
        struct dirent *e;
        uint64_t index;

        if (!d)
                return -errno;
        while ((e = readdir(d))) {
                struct virtfn v;

                if (strncmp(e->d_name, "virtfn", 6) != 0 || parse_u64(e->d_name + 6, 10, &index) < 0 ||
                    index >= VFS_PER_PF_MAX || read_address_link(dirfd(d), e->d_name, &v.address) < 0)
                        continue;
                v.index = (unsigned) index;
                if (n == size) {
                        size = size ? size * 2 : 64;
                        struct virtfn *more = reallocarray(list, size, sizeof(*list));
                        if (!more)
                                return -ENOMEM;
                        list = more;
                }
                list[n++] = v;
        }
        if (n > 1)
                qsort(list, n, sizeof(*list), virtfn_compare);
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}

/* 0 also for a VF that vanished meanwhile. */
static int add_vf(int root_fd, struct pf *pf, const struct virtfn *v) {
        _cleanup_close_ int fd = open_device(root_fd, v->address);

        if (fd < 0)
                return gone_or_error(fd) == -ENODEV ? 0 : fd;
        struct vf *vf = calloc(1, sizeof(*vf));
        if (!vf)
                return -ENOMEM;
        vf->address = v->address;
        vf->pf = pf;
        vf->index = v->index;
        vf->group = -1;
        vf->cdev = -1;
        pf->vfs[pf->n_vfs++] = vf;
        return read_vf_facts(fd, vf);
}

static int read_vfs(int root_fd, int pf_fd, struct pf *pf) {
        _cleanup_free_ struct virtfn *list = NULL;
        size_t n = 0;

        int r = list_virtfns(pf_fd, &list, &n);
        if (r < 0)
                return gone_or_error(r);
        pf->num_vfs = (unsigned) n;
        if (n == 0)
                return 0;
        pf->vfs = calloc(n, sizeof(*pf->vfs));
        if (!pf->vfs)
                return -ENOMEM;
        for (size_t i = 0; i < n && r >= 0; i++)
                r = add_vf(root_fd, pf, &list[i]);
        return r;
}

/* The first name in net/, which does not depend on the order of the directory. */
static void read_netdev(int pf_fd, struct pf *pf) {
        _cleanup_closedir_ DIR *d = root_opendir(pf_fd, "net");
        struct dirent *e;

        while (d && (e = readdir(d)))
                if (e->d_name[0] != '.' && (!pf->netdev[0] || strcmp(e->d_name, pf->netdev) < 0))
                        text_copy(pf->netdev, sizeof(pf->netdev), e->d_name);
}

static int read_pf_facts(int pf_fd, struct pf *pf) {
        uint64_t v;

        read_netdev(pf_fd, pf);
        if (root_read_hex(pf_fd, &v, "vendor") >= 0)
                pf->vendor = (uint16_t) v;
        if (root_read_hex(pf_fd, &v, "device") >= 0)
                pf->device = (uint16_t) v;
        if (root_read_hex(pf_fd, &v, "class") >= 0)
                pf->class = (uint32_t) v & 0xffffff;
        if (root_read_int(pf_fd, &pf->numa_node, "numa_node") < 0)
                pf->numa_node = -1;
        pf->autoprobe = root_read_u64(pf_fd, &v, "sriov_drivers_autoprobe") < 0 || v != 0;
        return read_driver(pf_fd, pf->driver);
}

int inventory_scan_pf(int root_fd, struct address a, struct pf **ret) {
        _cleanup_close_ int fd = open_device(root_fd, a);
        uint64_t total;

        if (fd < 0)
                return gone_or_error(fd);
        int r = root_read_u64(fd, &total, "sriov_totalvfs");
        if (r < 0)
                return gone_or_error(r);
        if (total == 0 || total > VFS_PER_PF_MAX)
                return -ENODEV;
        struct pf *pf = calloc(1, sizeof(*pf));
        if (!pf)
                return -ENOMEM;
        pf->address = a;
        pf->total_vfs = (unsigned) total;
        pf->pool = -1;
        r = read_pf_facts(fd, pf);
        if (r >= 0)
                r = read_vfs(root_fd, fd, pf);
        if (r < 0) {
                pf_free(pf);
                return r;
        }
        *ret = pf;
        return 0;
}

int inventory_scan_vf(int root_fd, struct vf *vf) {
        _cleanup_close_ int fd = open_device(root_fd, vf->address);
        struct address pf;

        if (fd < 0)
                return gone_or_error(fd);
        int r = read_address_link(fd, "physfn", &pf);
        if (r < 0)
                return gone_or_error(r);
        if (!address_equal(pf, vf->pf->address))
                return -ENODEV;
        return read_vf_facts(fd, vf);
}

static int pf_compare(const void *a, const void *b) {
        return address_compare((*(struct pf *const *) a)->address, (*(struct pf *const *) b)->address);
}

static int add_pf(struct inventory *inv, struct pf *pf) {
        struct pf **pfs = reallocarray(inv->pfs, inv->n_pfs + 1, sizeof(*pfs));

        if (!pfs) {
                pf_free(pf);
                return -ENOMEM;
        }
        inv->pfs = pfs;
        inv->pfs[inv->n_pfs++] = pf;
        return 0;
}

int inventory_scan(int root_fd, struct inventory *ret) {
        _cleanup_closedir_ DIR *d = root_opendir(root_fd, DEVICES);
        struct inventory inv = { 0 };
        struct dirent *e;
        int r = 0;

        if (!d)
                return -errno;
        while (r >= 0 && (e = readdir(d))) {
                struct pf *pf = NULL;
                struct address a;

                if (address_parse(e->d_name, &a) < 0)
                        continue;
                r = inventory_scan_pf(root_fd, a, &pf);
                if (r == -ENODEV)
                        r = 0;
                else if (r >= 0)
                        r = add_pf(&inv, pf);
        }
        if (r < 0) {
                inventory_done(&inv);
                return r;
        }
        if (inv.n_pfs > 1)
                qsort(inv.pfs, inv.n_pfs, sizeof(*inv.pfs), pf_compare);
        *ret = inv;
        return 0;
}
