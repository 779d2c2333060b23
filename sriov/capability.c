/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks through lists that a device made up: each step is counted, so that a loop ends. */

#include "sriov/capability.h"
#include "common/macro.h"
#include "common/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>

int capability_read_config(int root_fd, struct address a, uint8_t *config, size_t max) {
        _cleanup_close_ int fd =
                        root_openf(root_fd, O_RDONLY, "sys/bus/pci/devices/%s/config", ADDRESS_STR(a));
        size_t got = 0;

        if (fd < 0)
                return fd == -ENOENT ? -ENODEV : fd;
        while (got < max) {
                ssize_t n = pread(fd, config + got, max - got, (off_t) got);

                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                got += (size_t) n;
        }
        return (int) got;
}

static uint16_t get16(const uint8_t *p) {
        return (uint16_t) (p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p) {
        return get16(p) | (uint32_t) get16(p + 2) << 16;
}

/* PCI Local Bus 3.0, 6.7 */
size_t capability_find(const uint8_t *config, size_t n, uint8_t id) {
        size_t at;

        if (n < PCI_STD_HEADER_SIZEOF || !(get16(config + PCI_STATUS) & PCI_STATUS_CAP_LIST) ||
            get16(config + PCI_STATUS) == 0xffff)
                return 0;
        at = config[PCI_CAPABILITY_LIST] & 0xfcU;
        for (unsigned steps = 0; steps < 48 && at >= PCI_STD_HEADER_SIZEOF && at + 4 <= MIN(n, 256U);
             steps++) {
                if (config[at] == id)
                        return at;
                at = config[at + PCI_CAP_LIST_NEXT] & 0xfcU;
        }
        return 0;
}

/* PCIe 7.6.3 */
size_t capability_find_extended(const uint8_t *config, size_t n, uint16_t id) {
        size_t at = PCI_CFG_SPACE_SIZE;

        for (unsigned steps = 0; steps < (CONFIG_SPACE_SIZE - 256U) / 8 && at >= 256 && at + 4 <= n;
             steps++) {
                uint32_t header = get32(config + at);

                if (header == 0 || header == UINT32_MAX)
                        return 0;
                if (PCI_EXT_CAP_ID(header) == id)
                        return at;
                at = PCI_EXT_CAP_NEXT(header);
        }
        return 0;
}

unsigned capability_msix_vectors(const uint8_t *config, size_t n) {
        size_t at = capability_find(config, n, PCI_CAP_ID_MSIX);

        return at ? (get16(config + at + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1U : 0;
}

void capability_serial_number(const uint8_t *config, size_t n, char text[24]) {
        size_t at = capability_find_extended(config, n, PCI_EXT_CAP_ID_DSN);

        text[0] = '\0';
        if (at == 0 || at + 12 > n)
                return;
        uint64_t v = get32(config + at + 4) | (uint64_t) get32(config + at + 8) << 32;
        if (v == 0 || v == UINT64_MAX)
                return;
        for (unsigned i = 0; i < 8; i++)
                snprintf(text + 3 * i, 4, i < 7 ? "%02x-" : "%02x", (unsigned) (v >> (56 - 8 * i)) & 0xff);
}
