/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers that outlive a reset. */

#include "iommu/leftover.h"
#include "common/macro.h"
#include "common/root.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Offsets in BAR 0, 32 bits each, from the first to the last. */
struct registers {
        uint16_t first, last;
};

/* NVMe base spec 2.0, 3.7.2: a controller reset leaves the admin queue's attributes and addresses alone;
 * other resets clear them, but not every controller does (QEMU 10.0). They are guest addresses of the last
 * owner. */
static const struct registers nvme[] = { { 0x24, 0x34 } };

/* 82576 and I350 VFs. Mailbox memory belongs to PF and VF together, so a VF's reset leaves it; ixgbe's PF
 * driver clears it (drivers/net/ethernet/intel/ixgbe/ixgbe_sriov.c:ixgbe_vf_clear_mbx), igb's does not.
 * Interrupt moderation and allocation, header split and rings are kept by the emulated function
 * (hw/net/igb_core.c:igb_core_vf_reset). */
static const struct registers igbvf[] = { { 0x0800, 0x083c }, { 0x0f0c, 0x0f0c }, { 0x1680, 0x1688 },
                                          { 0x1700, 0x1700 }, { 0x1740, 0x1740 }, { 0x2800, 0x280c },
                                          { 0x3800, 0x3808 }, { 0x3838, 0x383c } };

static const struct {
        uint32_t vendor, device; /* 0: any */
        uint32_t class;          /* 0: any */
        const struct registers *registers;
        size_t n;
} kinds[] = {
        { 0, 0, 0x010802, nvme, ARRAY_SIZE(nvme) },
        { 0x8086, 0x10ca, 0, igbvf, ARRAY_SIZE(igbvf) },
        { 0x8086, 0x1520, 0, igbvf, ARRAY_SIZE(igbvf) },
};

/* One device for as long as its memory space is switched on. */
struct bar {
        int fd;
        off_t memory, config;
};

static int region_offset(int fd, unsigned index, off_t *ret) {
        struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

        if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info) < 0)
                return -errno;
        *ret = (off_t) info.offset;
        return info.size > 0 ? 0 : -ENODEV;
}

static int set_command(const struct bar *b, uint16_t command) {
        ssize_t n = pwrite(b->fd, &command, sizeof(command), b->config + PCI_COMMAND);

        return n == sizeof(command) ? 0 : n < 0 ? -errno : -EIO;
}

static int clear_registers(const struct bar *b, const struct registers *r, const char **step) {
        for (unsigned at = r->first; at <= r->last; at += 4) {
                uint32_t value = 0;

                *step = "writing a register that outlives a reset";
                if (pwrite(b->fd, &value, sizeof(value), b->memory + at) != sizeof(value))
                        return -errno;
                *step = "a register kept its value over reset and write";
                if (pread(b->fd, &value, sizeof(value), b->memory + at) != sizeof(value) || value != 0)
                        return -EIO;
        }
        return 0;
}

static int clear_all(int fd, const struct registers *registers, size_t n, const char **step) {
        struct bar b = { .fd = fd };

        *step = "finding the registers of the function";
        int r = region_offset(fd, VFIO_PCI_BAR0_REGION_INDEX, &b.memory);
        if (r >= 0)
                r = region_offset(fd, VFIO_PCI_CONFIG_REGION_INDEX, &b.config);
        if (r < 0)
                return r;
        *step = "switching on its memory space";
        r = set_command(&b, PCI_COMMAND_MEMORY);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = clear_registers(&b, &registers[i], step);
        int off = set_command(&b, 0);
        return r < 0 ? r : off;
}

static int read_id(int root_fd, const struct vf *vf, const char *file, uint64_t *ret) {
        return root_read_u64(root_fd, ret, "sys/bus/pci/devices/%s/%s", ADDRESS_STR(vf->address), file);
}

int leftover_clear(int root_fd, const struct vf *vf, int device_fd, const char **step) {
        uint64_t vendor, device, class;

        *step = "reading what kind of function it is";
        int r = read_id(root_fd, vf, "vendor", &vendor);
        if (r >= 0)
                r = read_id(root_fd, vf, "device", &device);
        if (r >= 0)
                r = read_id(root_fd, vf, "class", &class);
        if (r < 0)
                return r;
        FOREACH_ARRAY(k, kinds, ARRAY_SIZE(kinds))
                if ((k->vendor == 0 || (k->vendor == vendor && k->device == device)) &&
                    (k->class == 0 || k->class == class))
                        return clear_all(device_fd, k->registers, k->n, step);
        return 0;
}
