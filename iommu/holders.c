/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A walk through /proc/<pid>/fd. */

#include "iommu/holders.h"
#include "common/macro.h"
#include "common/root.h"
#include "common/text.h"
#include "iommu/node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

struct wanted {
        dev_t *numbers; /* of group nodes and device nodes, sorted */
        size_t n;
        struct address *addresses; /* of the VFs, sorted */
        size_t n_addresses;
};

static int compare_numbers(const void *a, const void *b) {
        const dev_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static int compare_addresses(const void *a, const void *b) {
        const struct address *x = a, *y = b;

        return address_compare(*x, *y);
}

static void wanted_done(struct wanted *w) {
        free(w->numbers);
        free(w->addresses);
}

/* DONT_SYNC: what is known is enough, a dead file server must not hold us up. */
static bool is_wanted_node(int fd_dir, const char *name, const struct wanted *w) {
        struct statx st;

        if (statx(fd_dir, name, AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0 || !S_ISCHR(st.stx_mode))
                return false;
        dev_t number = makedev(st.stx_rdev_major, st.stx_rdev_minor);
        return w->n > 0 && bsearch(&number, w->numbers, w->n, sizeof(number), compare_numbers);
}

/* "vfio-device-syspath: /sys/devices/…/0000:01:10.0" */
static bool names_wanted(char *fdinfo, const struct wanted *w) {
        static const char key[] = "vfio-device-syspath:";
        char *line = strstr(fdinfo, key);

        if (!line)
                return false;
        line[strcspn(line, "\n")] = '\0';
        const char *last = strrchr(line, '/');
        struct address a;
        return last && address_parse(last + 1, &a) >= 0 &&
               bsearch(&a, w->addresses, w->n_addresses, sizeof(a), compare_addresses);
}

static bool is_wanted_device(int pid_dir, int fd_dir, const char *name, const struct wanted *w) {
        char target[64], fdinfo[1024];
        ssize_t n = readlinkat(fd_dir, name, target, sizeof(target) - 1);

        if (n < 0)
                return false;
        target[n] = '\0';
        return strcmp(target, "anon_inode:[vfio-device]") == 0 &&
               root_read(pid_dir, fdinfo, sizeof(fdinfo), "fdinfo/%s", name) >= 0 && names_wanted(fdinfo, w);
}

static bool process_holds(int pid_dir, const struct wanted *w) {
        _cleanup_closedir_ DIR *d = root_opendir(pid_dir, "fd");
        struct dirent *e;

        while (d && (e = readdir(d)))
                if (e->d_name[0] != '.' && (is_wanted_node(dirfd(d), e->d_name, w) ||
                                            is_wanted_device(pid_dir, dirfd(d), e->d_name, w)))
                        return true;
        return false;
}

static bool is_left_out(pid_t pid, const pid_t *except, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (except[i] == pid)
                        return true;
        return pid == getpid();
}

static int wanted_init(struct wanted *w, int root_fd, const struct vf *const *vfs, size_t n_vfs) {
        w->numbers = calloc(2 * n_vfs + 1, sizeof(*w->numbers));
        w->addresses = calloc(n_vfs + 1, sizeof(*w->addresses));
        if (!w->numbers || !w->addresses)
                return -ENOMEM;
        for (size_t i = 0; i < n_vfs; i++) {
                w->addresses[w->n_addresses++] = vfs[i]->address;
                if (node_group_number(root_fd, vfs[i], &w->numbers[w->n]) >= 0)
                        w->n++;
                if (node_cdev_number(root_fd, vfs[i], &w->numbers[w->n]) >= 0)
                        w->n++;
        }
        qsort(w->numbers, w->n, sizeof(*w->numbers), compare_numbers);
        qsort(w->addresses, w->n_addresses, sizeof(*w->addresses), compare_addresses);
        return 0;
}

int holders_find_any(int root_fd, const struct vf *const *vfs, size_t n_vfs, const pid_t *except,
                     size_t n_except, pid_t *pids, size_t max, size_t *ret_n) {
        _cleanup_(wanted_done) struct wanted w = { 0 };
        struct dirent *e;
        uint64_t pid;

        *ret_n = 0;
        int r = wanted_init(&w, root_fd, vfs, n_vfs);
        if (r < 0)
                return r;
        _cleanup_closedir_ DIR *d = root_opendir(root_fd, "proc");
        if (!d)
                return -errno;
        while (*ret_n < max && (e = readdir(d))) {
                if (parse_u64(e->d_name, 10, &pid) < 0 || pid > INT32_MAX ||
                    is_left_out((pid_t) pid, except, n_except))
                        continue;
                _cleanup_close_ int dir = root_openf(dirfd(d), O_PATH | O_DIRECTORY, "%s", e->d_name);
                if (dir >= 0 && process_holds(dir, &w))
                        pids[(*ret_n)++] = (pid_t) pid;
        }
        return 0;
}

int holders_find(int root_fd, const struct vf *vf, const pid_t *except, size_t n_except, pid_t *pids,
                 size_t max, size_t *ret_n) {
        return holders_find_any(root_fd, &vf, 1, except, n_except, pids, max, ret_n);
}
