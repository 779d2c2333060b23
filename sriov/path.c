/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions on a path: by the links of sysfs, then each by its configuration space. */

#include "sriov/path.h"
#include "common/macro.h"
#include "common/root.h"
#include "sriov/hop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int read_config(void *userdata, size_t at, void *buf, size_t n) {
        ssize_t got = pread(*(const int *) userdata, buf, n, (off_t) at);

        if (got < 0)
                return -errno;
        return (size_t) got == n ? 0 : -EIO;
}

static void read_all(int root_fd, struct path_hop *hops, size_t n) {
        FOREACH_ARRAY(h, hops, n) {
                _cleanup_close_ int fd = root_openf(root_fd, O_RDONLY, "sys/bus/pci/devices/%s/config",
                                                    ADDRESS_STR(h->address));

                if (fd >= 0)
                        hop_read(read_config, &fd, h);
        }
}

static int read_link(int root_fd, struct address a, const char *name, char *buf, size_t size) {
        _cleanup_close_ int fd = root_openf(root_fd, O_PATH | O_DIRECTORY, "sys/bus/pci/devices");
        char path[64];

        if (fd < 0)
                return fd;
        snprintf(path, sizeof(path), "%s%s", ADDRESS_STR(a), name);
        ssize_t n = readlinkat(fd, path, buf, size - 1);
        if (n < 0)
                return errno == ENOENT || errno == ENOTDIR ? -ENODEV : -errno;
        buf[n] = '\0';
        return 0;
}

static int add_hop(struct path_hop *hops, size_t *n, struct address a) {
        if (*n == PATH_HOPS_MAX)
                return -E2BIG;
        hops[(*n)++] = (struct path_hop){ .address = a };
        return 0;
}

/* "../../../devices/pci0000:00/0000:00:02.0/0000:01:10.0": from the end, every part that is an address. */
static int add_bridges(char *target, struct path_hop *hops, size_t *n) {
        struct address a;
        char *slash = strrchr(target, '/'); /* the function itself */

        while (slash) {
                *slash = '\0';
                slash = strrchr(target, '/');
                if (!slash || address_parse(slash + 1, &a) < 0)
                        return 0;
                int r = add_hop(hops, n, a);
                if (r < 0)
                        return r;
        }
        return 0;
}

int path_read(int root_fd, struct address a, struct path_hop hops[PATH_HOPS_MAX], size_t *n) {
        char target[512], physfn[512];
        struct address pf;

        *n = 0;
        int r = read_link(root_fd, a, "", target, sizeof(target));
        if (r < 0)
                return r;
        r = add_hop(hops, n, a);
        if (r >= 0 && read_link(root_fd, a, "/physfn", physfn, sizeof(physfn)) >= 0) {
                const char *slash = strrchr(physfn, '/');

                if (address_parse(slash ? slash + 1 : physfn, &pf) >= 0)
                        r = add_hop(hops, n, pf);
        }
        if (r >= 0)
                r = add_bridges(target, hops, n);
        if (r < 0)
                return r;
        read_all(root_fd, hops, *n);
        return 0;
}
