/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hangs below a function: the links of /sys/class name every block device and network interface with its
 * whole way, whatever lies between (SCSI hosts, USB, virtio, VMD).
 *
 * /proc/1 and not /proc/self: a service manager may have given us a mount namespace with less in it
 * (systemd's ProtectHome= unmounts what is below /home) and a network namespace of our own. */

#include "sriov/function.h"
#include "common/limits.h"
#include "common/macro.h"
#include "common/root.h"
#include "common/text.h"
#include "sriov/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#define DEVICE     "sys/bus/pci/devices/%s/"
#define UPPERS_MAX 8U /* interfaces stacked on each other */

#define CLAIM_TRIES 5U
#define CLAIM_NSEC  20000000L /* between two of them */

struct search {
        int root_fd;
        char below[ADDRESS_STR_MAX + 2]; /* "/0000:01:00.0/" */
        uint32_t nsid;                   /* only that namespace; 0: all block devices */
        char subsystem[260];             /* "/nvme-subsys0/", "" if it is no NVMe controller */
        char (*defaults)[IFNAME_MAX];    /* interfaces with a default route, as /proc has them */
        size_t n_defaults;
        int *ifindexes; /* and as rtnetlink has them */
        size_t n_ifindexes;
        char *why;
        size_t size;
};

static void search_done(struct search *s) {
        free(s->defaults);
        free(s->ifindexes);
}

static __attribute__((format(printf, 2, 3))) int in_use(struct search *s, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vsnprintf(s->why, s->size, format, ap);
        va_end(ap);
        return 1;
}

static int open_proc(int root_fd, const char *path, FILE **ret) {
        _cleanup_close_ int fd = root_openf(root_fd, O_RDONLY, "%s", path);

        if (fd < 0)
                return fd;
        *ret = fdopen(fd, "r");
        if (!*ret)
                return -errno;
        TAKE_FD(fd);
        return 0;
}

/* --- VFs and display --- */

static int check_device(struct search *s, struct address a) {
        _cleanup_closedir_ DIR *d = root_opendir(s->root_fd, DEVICE, ADDRESS_STR(a));
        struct dirent *e;
        uint64_t primary;

        if (!d)
                return errno == ENOENT ? -ENODEV : -errno;
        while ((e = readdir(d)))
                if (strncmp(e->d_name, "virtfn", 6) == 0)
                        return in_use(s, "it has VFs");
        int r = root_read_u64(s->root_fd, &primary, DEVICE "boot_vga", ADDRESS_STR(a));
        if (r < 0 && r != -ENOENT)
                return r;
        return r >= 0 && primary != 0 ? in_use(s, "it is the primary display") : 0;
}

/* --- block devices --- */

/* Multipath gives the disk a device of its own below the subsystem (drivers/nvme/host/multipath.c), which has
 * links to its controllers (drivers/nvme/host/core.c:nvme_init_subsystem). A PCI function is one controller.
 */
static int find_subsystem(struct search *s) {
        _cleanup_closedir_ DIR *all = root_opendir(s->root_fd, "sys/class/nvme-subsystem");
        char target[512];
        struct dirent *e, *c;

        if (!all)
                return errno == ENOENT ? 0 : -errno;
        while ((e = readdir(all))) {
                if (e->d_name[0] == '.')
                        continue;
                _cleanup_closedir_ DIR *d =
                                root_opendir(s->root_fd, "sys/class/nvme-subsystem/%s", e->d_name);
                while (d && (c = readdir(d))) {
                        ssize_t n = readlinkat(dirfd(d), c->d_name, target, sizeof(target) - 1);

                        if (n < 0)
                                continue; /* no link */
                        target[n] = '\0';
                        if (strstr(target, s->below))
                                snprintf(s->subsystem, sizeof(s->subsystem), "/%s/", e->d_name);
                }
        }
        return 0;
}

/* "… 259:2 / /home rw … shared:1 - ext4 /dev/nvme0n1p2 rw" (proc(5)). btrfs has a number of its own there,
 * and only its source shows the device. */
static bool mount_is_on(char *line, const char *number, const char *node) {
        char *rest = NULL, *dash = strstr(line, " - "), *source;
        unsigned field = 0;

        if (dash) {
                *dash = '\0';
                strtok_r(dash + 3, " ", &rest);
                source = strtok_r(NULL, " ", &rest);
                if (source && strcmp(source, node) == 0)
                        return true;
        }
        for (char *w = strtok_r(line, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
                if (++field == 3)
                        return strcmp(w, number) == 0;
        return false;
}

static int check_mounts(struct search *s, const char *name, const char *number, const char *node) {
        _cleanup_fclose_ FILE *f = NULL;
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        int r = open_proc(s->root_fd, "proc/1/mountinfo", &f);
        if (r < 0)
                return r;
        while (getline(&line, &size, f) > 0)
                if (mount_is_on(line, number, node))
                        return in_use(s, "%s is mounted", name);
        return ferror(f) ? -EIO : 0;
}

static int check_swap(struct search *s, const char *name, const char *node) {
        _cleanup_fclose_ FILE *f = NULL;
        _cleanup_free_ char *line = NULL;
        size_t size = 0, n = strlen(node);

        int r = open_proc(s->root_fd, "proc/swaps", &f);
        if (r < 0)
                return r == -ENOENT ? 0 : r; /* a kernel without swap */
        while (getline(&line, &size, f) > 0)
                if (strncmp(line, node, n) == 0 && line[n] == ' ')
                        return in_use(s, "%s is swap", name);
        return ferror(f) ? -EIO : 0;
}

static int check_holders(struct search *s, const char *name) {
        _cleanup_closedir_ DIR *d = root_opendir(s->root_fd, "sys/class/block/%s/holders", name);
        struct dirent *e;

        if (!d)
                return errno == ENOENT ? 0 : -errno;
        while ((e = readdir(d)))
                if (e->d_name[0] != '.')
                        return in_use(s, "%s is part of %s", name, e->d_name);
        return 0;
}

/* Everything that needs a block device for itself claims it (block/bdev.c:bd_prepare_to_claim): file systems
 * in whatever namespace, swap, md, dm, ZFS. Without O_CREAT, O_EXCL asks for the same and fails if it is
 * claimed; nothing is changed.
 *
 * It is a claim, too, until the descriptor is closed: another worker that looks at the same time, or at
 * another partition of the disk, gets EBUSY of it. That is over in no time, and a real user's claim lasts. */
static int check_claim(struct search *s, const char *name, const char *node) {
        int r = -EBUSY;

        for (unsigned i = 0; r == -EBUSY && i < CLAIM_TRIES; i++) {
                if (i > 0)
                        nanosleep(&(struct timespec){ .tv_nsec = CLAIM_NSEC }, NULL);
                _cleanup_close_ int fd =
                                root_openf(s->root_fd, O_RDONLY | O_EXCL | O_NONBLOCK, "%s", node + 1);
                r = MIN(fd, 0);
        }
        if (r == -EBUSY)
                return in_use(s, "%s is claimed by the kernel", name);
        return r == -ENOMEDIUM || r == -ENXIO ? 0 : r;
}

/* A partition's is its disk's. One that does not say is looked at. */
static bool is_other_namespace(const struct search *s, const char *name) {
        uint64_t nsid;

        if (s->nsid == 0 || (root_read_u64(s->root_fd, &nsid, "sys/class/block/%s/nsid", name) < 0 &&
                             root_read_u64(s->root_fd, &nsid, "sys/class/block/%s/../nsid", name) < 0))
                return false;
        return nsid != s->nsid;
}

static int check_block(struct search *s, const char *name) {
        char number[32], node[DRIVER_MAX + 8];

        if (is_other_namespace(s, name))
                return 0;
        int r = check_holders(s, name);
        if (r != 0)
                return r;
        r = root_read(s->root_fd, number, sizeof(number), "sys/class/block/%s/dev", name);
        if (r < 0)
                return r == -ENOENT ? 0 : r; /* the hidden path of a multipath disk */
        if (snprintf(node, sizeof(node), "/dev/%s", name) >= (int) sizeof(node))
                return -ENAMETOOLONG;
        for (char *c = node; *c;
             c++) /* how sysfs writes a '/' of the name (lib/kobject.c:kobject_set_name_vargs) */
                if (*c == '!')
                        *c = '/';
        r = check_mounts(s, name, number, node);
        if (r == 0)
                r = check_swap(s, name, node);
        if (r == 0)
                r = check_claim(s, name, node);
        return r;
}

/* --- network interfaces --- */

static int add_default(struct search *s, const char *name) {
        char(*more)[IFNAME_MAX] = reallocarray(s->defaults, s->n_defaults + 1, sizeof(*more));

        if (!more)
                return -ENOMEM;
        s->defaults = more;
        text_copy(s->defaults[s->n_defaults++], IFNAME_MAX, name);
        return 0;
}

/* "ens1 00000000 0102A8C0 0003 0 0 100 00000000 0 0 0": name, destination, …, the eighth is the mask. Only
 * the main table, and of several next hops only the first (net/ipv4/fib_trie.c:fib_route_seq_show): netlink
 * has the others. */
static int read_routes4(struct search *s) {
        _cleanup_fclose_ FILE *f = NULL;
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        int r = open_proc(s->root_fd, "proc/1/net/route", &f);

        while (r >= 0 && getline(&line, &size, f) > 0) {
                char name[32], destination[16], mask[16];

                if (sscanf(line, "%31s %15s %*s %*s %*s %*s %*s %15s", name, destination, mask) == 3 &&
                    strcmp(destination, "00000000") == 0 && strcmp(mask, "00000000") == 0)
                        r = add_default(s, name);
        }
        return r >= 0 && ferror(f) ? -EIO : r;
}

/* "0…0 00 0…0 00 fe80… 00000400 00000001 00000000 00000003 ens1": destination and its length, …, name last */
static int read_routes6(struct search *s) {
        _cleanup_fclose_ FILE *f = NULL;
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        int r = open_proc(s->root_fd, "proc/1/net/ipv6_route", &f);

        if (r == -ENOENT)
                return 0; /* IPv6 is off */
        while (r >= 0 && getline(&line, &size, f) > 0) {
                char name[32], destination[40], length[8];

                if (sscanf(line, "%39s %7s %*s %*s %*s %*s %*s %*s %*s %31s", destination, length, name) ==
                                    3 &&
                    strspn(destination, "0") == strlen(destination) && strcmp(length, "00") == 0)
                        r = add_default(s, name);
        }
        return r >= 0 && ferror(f) ? -EIO : r;
}

static int find_defaults(struct search *s) {
        int r = read_routes4(s);

        if (r >= 0)
                r = read_routes6(s);
        if (r >= 0 && root_is_host(s->root_fd))
                r = netlink_default_routes(&s->ifindexes, &s->n_ifindexes);
        return r;
}

static bool has_default(const struct search *s, const char *name) {
        int ifindex;

        for (size_t i = 0; i < s->n_defaults; i++)
                if (strcmp(s->defaults[i], name) == 0)
                        return true;
        if (root_read_int(s->root_fd, &ifindex, "sys/class/net/%s/ifindex", name) < 0)
                return false;
        for (size_t i = 0; i < s->n_ifindexes; i++)
                if (s->ifindexes[i] == ifindex)
                        return true;
        return false;
}

/* upper_NAME links lead to whatever is stacked on an interface (net/core/dev.c:netdev_adjacent_sysfs_add).
 * Open vSwitch has one master for all its ports, and the route on a port that nothing leads to from here: its
 * ports all count. */
static int check_netdev(struct search *s, const char *name, unsigned depth) {
        _cleanup_closedir_ DIR *d = root_opendir(s->root_fd, "sys/class/net/%s", name);
        struct dirent *e;
        int r = 0;

        if (depth == UPPERS_MAX)
                return -ELOOP;
        if (!d)
                return -errno;
        if (has_default(s, name))
                return in_use(s, "the default route goes through %s", name);
        if (strcmp(name, "ovs-system") == 0)
                return in_use(s, "%s may carry the default route", name);
        while (r == 0 && (e = readdir(d)))
                if (strncmp(e->d_name, "upper_", 6) == 0)
                        r = check_netdev(s, e->d_name + 6, depth + 1);
        return r;
}

static int check_interface(struct search *s, const char *name) {
        return check_netdev(s, name, 0);
}

/* --- both --- */

static int check_class(struct search *s, const char *class,
                       int (*check)(struct search *s, const char *name)) {
        _cleanup_closedir_ DIR *d = root_opendir(s->root_fd, "sys/class/%s", class);
        struct dirent *e;
        char target[512];
        int r = 0;

        if (!d)
                return -errno;
        while (r == 0 && (e = readdir(d))) {
                ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);

                if (n < 0) /* ".", "..", bonding_masters; or it is just going away */
                        continue;
                target[n] = '\0';
                if (strstr(target, s->below) || (s->subsystem[0] && strstr(target, s->subsystem)))
                        r = check(s, e->d_name);
        }
        return r;
}

int function_disk_in_use(int root_fd, struct address a, uint32_t nsid, char *why, size_t size) {
        struct search s = { .root_fd = root_fd, .nsid = nsid, .why = why, .size = size };

        why[0] = '\0';
        snprintf(s.below, sizeof(s.below), "/%s/", ADDRESS_STR(a));
        int r = find_subsystem(&s);
        return r == 0 ? check_class(&s, "block", check_block) : r;
}

int function_in_use(int root_fd, struct address a, char *why, size_t size) {
        _cleanup_(search_done) struct search s = { .root_fd = root_fd, .why = why, .size = size };

        why[0] = '\0';
        snprintf(s.below, sizeof(s.below), "/%s/", ADDRESS_STR(a));
        int r = check_device(&s, a);
        if (r == 0)
                r = find_subsystem(&s);
        if (r == 0)
                r = check_class(&s, "block", check_block);
        if (r == 0)
                r = find_defaults(&s);
        if (r == 0)
                r = check_class(&s, "net", check_interface);
        return r;
}
