/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A walk through /sys/bus/pci/devices: PFs by their sriov_totalvfs, VFs by the PF's virtfnN links. One
 * directory is opened for each function and its files are read relative to it, so that thousands of VFs cost
 * little. */

#include "sriov/inventory.h"
#include "common/macro.h"
#include "common/root.h"
#include "common/text.h"
#include "sriov/netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define DEVICES "sys/bus/pci/devices"

struct virtfn {
        unsigned index;
        struct address address;
};

/* One physical slot: the device, or with device < 0 the whole bus, that it holds. */
struct slot {
        uint32_t domain;
        int bus, device;
        char name[SLOT_MAX];
};

struct slots {
        struct slot *slots;
        size_t n;
};

static void slots_done(struct slots *s) {
        free(s->slots);
}

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
        vf->group = GROUP_UNREADABLE;
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

/* "0000:01:00", or "0000:01" of a slot whose device number nobody knows yet, which then is the only one of
 * its bus (drivers/pci/slot.c:address_read_file). */
static bool parse_slot(const char *text, struct slot *ret) {
        char whole[ADDRESS_STR_MAX];
        struct address a;
        bool bus_only = strchr(text, ':') == strrchr(text, ':');

        if (snprintf(whole, sizeof(whole), bus_only ? "%s:00.0" : "%s.0", text) >= (int) sizeof(whole) ||
            address_parse(whole, &a) < 0)
                return false;
        *ret = (struct slot){ .domain = a.domain, .bus = a.bus, .device = bus_only ? -1 : a.device };
        return true;
}

/* Only `address` is read: the other files of a slot belong to hotplug drivers and may wait for hardware. */
static int read_slots(int root_fd, struct slots *ret) {
        _cleanup_closedir_ DIR *d = root_opendir(root_fd, "sys/bus/pci/slots");
        struct dirent *e;
        char text[ADDRESS_STR_MAX];

        while (d && (e = readdir(d))) {
                struct slot s;

                if (e->d_name[0] == '.' ||
                    root_read(root_fd, text, sizeof(text), "sys/bus/pci/slots/%s/address", e->d_name) < 0 ||
                    !parse_slot(text, &s))
                        continue;
                text_copy(s.name, sizeof(s.name), e->d_name);
                struct slot *more = reallocarray(ret->slots, ret->n + 1, sizeof(*more));
                if (!more)
                        return -ENOMEM;
                ret->slots = more;
                ret->slots[ret->n++] = s;
        }
        return 0;
}

static void find_slot(const struct slots *slots, struct pf *pf) {
        FOREACH_ARRAY(s, slots->slots, slots->n)
                if (s->domain == pf->address.domain && s->bus == pf->address.bus &&
                    (s->device == pf->address.device || (s->device < 0 && !pf->slot[0])))
                        memcpy(pf->slot, s->name, sizeof(pf->slot));
}

static uint16_t read_id(int pf_fd, const char *name) {
        uint64_t v;

        return root_read_hex(pf_fd, &v, "%s", name) >= 0 ? (uint16_t) v : 0;
}

static int read_pf_facts(int pf_fd, const struct slots *slots, struct pf *pf) {
        struct netdev netdev;
        uint64_t v;

        netdev_find(pf_fd, false, &netdev); /* none: both stay empty */
        text_copy(pf->netdev, sizeof(pf->netdev), netdev.name);
        pf->ifindex = netdev.ifindex;
        find_slot(slots, pf);
        pf->vendor = read_id(pf_fd, "vendor");
        pf->device = read_id(pf_fd, "device");
        pf->subsystem_vendor = read_id(pf_fd, "subsystem_vendor");
        pf->subsystem_device = read_id(pf_fd, "subsystem_device");
        if (root_read_hex(pf_fd, &v, "class") >= 0)
                pf->class = (uint32_t) v & 0xffffff;
        if (root_read_int(pf_fd, &pf->numa_node, "numa_node") < 0)
                pf->numa_node = -1;
        pf->autoprobe = root_read_u64(pf_fd, &v, "sriov_drivers_autoprobe") < 0 || v != 0;
        return read_driver(pf_fd, pf->driver);
}

static struct pf *new_pf(struct address a) {
        struct pf *pf = calloc(1, sizeof(*pf));

        if (pf) {
                pf->address = a;
                pf->pool = -1;
        }
        return pf;
}

static int scan_pf(int root_fd, struct address a, const struct slots *slots, struct pf **ret) {
        _cleanup_close_ int fd = open_device(root_fd, a);
        uint64_t total;

        if (fd < 0)
                return gone_or_error(fd);
        int r = root_read_u64(fd, &total, "sriov_totalvfs");
        if (r < 0)
                return gone_or_error(r);
        if (total == 0 || total > VFS_PER_PF_MAX)
                return -ENODEV;
        struct pf *pf = new_pf(a);
        if (!pf)
                return -ENOMEM;
        pf->total_vfs = (unsigned) total;
        r = read_pf_facts(fd, slots, pf);
        if (r >= 0)
                r = read_vfs(root_fd, fd, pf);
        if (r < 0) {
                pf_free(pf);
                return r;
        }
        *ret = pf;
        return 0;
}

int inventory_scan_pf(int root_fd, struct address a, struct pf **ret) {
        _cleanup_(slots_done) struct slots slots = { 0 };
        int r = read_slots(root_fd, &slots);

        return r < 0 ? r : scan_pf(root_fd, a, &slots, ret);
}

/* Whether it may be taken as a whole: an endpoint that is nobody's VF and has none. Bridges forward other
 * functions' traffic, and an IOMMU (base class 08, subclass 06) is what the isolation rests on. Links alone
 * tell whether a PF has VFs; see inventory.h about sriov_numvfs. */
static int check_whole(int fd) {
        _cleanup_free_ struct virtfn *list = NULL;
        struct address pf;
        uint64_t class;
        size_t n = 0;

        int r = read_address_link(fd, "physfn", &pf); /* first: most functions of a large host are VFs */
        if (r != -ENOENT)
                return r < 0 ? gone_or_error(r) : -ENODEV;
        r = root_read_hex(fd, &class, "class");
        if (r < 0)
                return gone_or_error(r);
        if ((class >> 16 & 0xff) == 0x06 || (class >> 8 & 0xffff) == 0x0806)
                return -ENODEV;
        r = list_virtfns(fd, &list, &n);
        if (r < 0)
                return gone_or_error(r);
        return n > 0 ? -ENODEV : 0;
}

/* With its own facts only; its one "VF" is added once somebody wants it. */
static int scan_whole(int fd, struct address a, const struct slots *slots, struct pf **ret) {
        int r = check_whole(fd);
        if (r < 0)
                return r;
        struct pf *pf = new_pf(a);
        if (!pf)
                return -ENOMEM;
        r = read_pf_facts(fd, slots, pf);
        if (r < 0) {
                pf_free(pf);
                return r;
        }
        pf->whole = true;
        pf->autoprobe = false; /* there is nothing to switch off */
        *ret = pf;
        return 0;
}

static int add_itself(int fd, struct pf *pf) {
        struct vf *vf = calloc(1, sizeof(*vf));

        pf->vfs = calloc(1, sizeof(*pf->vfs));
        if (!vf || !pf->vfs) {
                free(vf);
                return -ENOMEM;
        }
        *vf = (struct vf){ .address = pf->address, .pf = pf, .group = GROUP_UNREADABLE, .cdev = -1 };
        pf->vfs[pf->n_vfs++] = vf;
        return read_vf_facts(fd, vf);
}

/* *ret is NULL if it is not wanted. */
static int scan_wanted(int root_fd, struct address a, const struct slots *slots,
                       bool (*wanted)(const struct pf *pf, void *userdata), void *userdata, struct pf **ret) {
        _cleanup_close_ int fd = open_device(root_fd, a);
        struct pf *pf = NULL;

        *ret = NULL;
        if (fd < 0)
                return gone_or_error(fd);
        int r = scan_whole(fd, a, slots, &pf);
        if (r < 0)
                return r;
        if (!wanted || wanted(pf, userdata)) {
                r = add_itself(fd, pf);
                if (r >= 0) {
                        *ret = pf;
                        return 0;
                }
        }
        pf_free(pf);
        return r;
}

int inventory_scan_function(int root_fd, struct address a, struct pf **ret) {
        _cleanup_(slots_done) struct slots slots = { 0 };
        int r = read_slots(root_fd, &slots);

        return r < 0 ? r : scan_wanted(root_fd, a, &slots, NULL, NULL, ret);
}

int inventory_scan_vf(int root_fd, struct vf *vf) {
        _cleanup_close_ int fd = open_device(root_fd, vf->address);
        struct address pf;

        if (fd < 0)
                return gone_or_error(fd);
        if (vf->pf->whole) {
                int r = check_whole(fd);

                return r < 0 ? r : read_vf_facts(fd, vf);
        }
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

static void sort_pfs(struct inventory *inv) {
        if (inv->n_pfs > 1)
                qsort(inv->pfs, inv->n_pfs, sizeof(*inv->pfs), pf_compare);
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
        _cleanup_(slots_done) struct slots slots = { 0 };
        struct inventory inv = { 0 };
        struct dirent *e;

        if (!d)
                return -errno;
        int r = read_slots(root_fd, &slots);
        while (r >= 0 && (e = readdir(d))) {
                struct pf *pf = NULL;
                struct address a;

                if (address_parse(e->d_name, &a) < 0)
                        continue;
                r = scan_pf(root_fd, a, &slots, &pf);
                if (r == -ENODEV)
                        r = 0;
                else if (r >= 0)
                        r = add_pf(&inv, pf);
        }
        if (r < 0) {
                inventory_done(&inv);
                return r;
        }
        sort_pfs(&inv);
        *ret = inv;
        return 0;
}

/* Among the first n, which are sorted. */
static bool has_pf(const struct inventory *inv, size_t n, struct address a) {
        const struct inventory first = { .pfs = inv->pfs, .n_pfs = n };

        return inventory_find_pf(&first, a) != NULL;
}

int inventory_scan_functions(int root_fd, bool (*wanted)(const struct pf *pf, void *userdata), void *userdata,
                             struct inventory *inv) {
        _cleanup_closedir_ DIR *d = root_opendir(root_fd, DEVICES);
        _cleanup_(slots_done) struct slots slots = { 0 };
        size_t n_sorted = inv->n_pfs;
        struct dirent *e;

        if (!d)
                return -errno;
        int r = read_slots(root_fd, &slots);
        while (r >= 0 && (e = readdir(d))) {
                struct pf *pf = NULL;
                struct address a;

                if (address_parse(e->d_name, &a) < 0 || has_pf(inv, n_sorted, a))
                        continue;
                r = scan_wanted(root_fd, a, &slots, wanted, userdata, &pf);
                if (r == -ENODEV)
                        r = 0;
                else if (pf)
                        r = add_pf(inv, pf);
        }
        sort_pfs(inv);
        return r;
}
