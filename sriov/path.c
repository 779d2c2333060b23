/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capabilities of the functions on a path, read with libpci. Its error handler must not return and its own
 * ends the process, so ours jumps out. */

#include "sriov/path.h"
#include "common/log.h"
#include "common/macro.h"
#include "common/root.h"

#include <errno.h>
#include <fcntl.h>
#include <pci/pci.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

static jmp_buf escape;

static __attribute__((noreturn, format(printf, 1, 2))) void on_error(char *format, ...) {
        log_debug("libpci gave up: %s", format);
        longjmp(escape, 1);
}

static __attribute__((format(printf, 1, 2))) void on_message(char *format, ...) {
}

/* libpci takes a path, not a directory fd; /proc/self/fd makes one of the other. */
static struct pci_access *access_new(int root_fd) {
        struct pci_access *p = pci_alloc();
        char path[64];

        if (!p)
                return NULL;
        snprintf(path, sizeof(path), "/proc/self/fd/%d/sys/bus/pci", root_fd);
        p->method = PCI_ACCESS_SYS_BUS_PCI;
        p->error = on_error;
        p->warning = p->debug = on_message;
        pci_set_param(p, (char *) "sysfs.path", path);
        return p;
}

/* PCIe base spec 7.5.3.2, Device/Port Type */
static enum hop_kind kind_of(unsigned port_type) {
        switch (port_type) {
        case PCI_EXP_TYPE_ENDPOINT:
        case PCI_EXP_TYPE_LEG_END:
        case PCI_EXP_TYPE_ROOT_INT_EP:
                return HOP_ENDPOINT;
        case PCI_EXP_TYPE_ROOT_PORT:
                return HOP_ROOT_PORT;
        case PCI_EXP_TYPE_UPSTREAM:
                return HOP_UPSTREAM;
        case PCI_EXP_TYPE_DOWNSTREAM:
                return HOP_DOWNSTREAM;
        case PCI_EXP_TYPE_PCI_BRIDGE:
        case PCI_EXP_TYPE_PCIE_BRIDGE:
                return HOP_BRIDGE;
        default:
                return HOP_UNKNOWN;
        }
}

static void read_service(struct pci_dev *d, unsigned id, int control, unsigned enable, uint16_t has,
                         uint16_t on, struct path_hop *h) {
        const struct pci_cap *cap = pci_find_cap(d, id, PCI_CAP_EXTENDED);

        if (!cap)
                return;
        h->flags |= has;
        if (pci_read_word(d, (int) cap->addr + control) & enable)
                h->flags |= on;
}

static void read_hop(struct pci_dev *d, struct path_hop *h) {
        /* A VF's vendor and device id read all ones (SR-IOV spec 3.4.1), its status register does not */
        if (pci_read_word(d, PCI_STATUS) == 0xffff)
                return;
        pci_fill_info(d, PCI_FILL_CAPS | PCI_FILL_EXT_CAPS);
        const struct pci_cap *express = pci_find_cap(d, PCI_CAP_ID_EXP, PCI_CAP_NORMAL);
        bool bridge = (pci_read_byte(d, PCI_HEADER_TYPE) & 0x7f) == PCI_HEADER_TYPE_BRIDGE;
        if (express)
                h->kind = (uint8_t) kind_of((pci_read_word(d, (int) express->addr + PCI_EXP_FLAGS) &
                                             PCI_EXP_FLAGS_TYPE) >>
                                            4);
        else
                h->kind = bridge ? HOP_BRIDGE : HOP_ENDPOINT;
        if (h->kind == HOP_UNKNOWN)
                return;
        h->flags |= HOP_READABLE;
        read_service(d, PCI_EXT_CAP_ID_ATS, PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE, HOP_ATS, HOP_ATS_ON, h);
        read_service(d, PCI_EXT_CAP_ID_PRI, PCI_PRI_CTRL, PCI_PRI_CTRL_ENABLE, HOP_PRI, HOP_PRI_ON, h);
        read_service(d, PCI_EXT_CAP_ID_PASID, PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE, HOP_PASID, HOP_PASID_ON,
                     h);
        const struct pci_cap *acs = pci_find_cap(d, PCI_EXT_CAP_ID_ACS, PCI_CAP_EXTENDED);
        if (acs) {
                h->flags |= HOP_ACS;
                h->acs_cap = pci_read_word(d, (int) acs->addr + PCI_ACS_CAP);
                h->acs_control = pci_read_word(d, (int) acs->addr + PCI_ACS_CTRL);
        }
}

static void read_all(int root_fd, struct path_hop *hops, size_t n) {
        struct pci_access *volatile p = access_new(root_fd);

        if (!p)
                return;
        if (setjmp(escape) == 0) {
                pci_init(p);
                for (size_t i = 0; i < n; i++) {
                        struct address a = hops[i].address;
                        struct pci_dev *d = pci_get_dev(p, (int) a.domain, a.bus, a.device, a.function);

                        if (!d)
                                continue;
                        read_hop(d, &hops[i]);
                        pci_free_dev(d);
                }
        }
        if (setjmp(escape) == 0)
                pci_cleanup(p);
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
