/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VPD, Device Serial Number, permanent MAC address, link speed, vectors for VFs. */

#include "sriov/identity.h"
#include "common/macro.h"
#include "common/root.h"
#include "sriov/capability.h"
#include "sriov/netdev.h"
#include "sriov/netlink.h"
#include "sriov/vpd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netdevice.h>
#include <time.h>

#define VPD_MAX       4096U /* bytes that are searched for the serial number */
#define VPD_STEP      16U   /* bytes of one read */
#define VPD_TIME_USEC 1000000U

static uint64_t now_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

/* No file: no VPD, or one that the kernel knows to be dangerous to read
 * (drivers/pci/vpd.c:quirk_blacklist_vpd). */
static void read_serial(int device_fd, char serial[SERIAL_MAX]) {
        _cleanup_close_ int fd = root_openf(device_fd, O_RDONLY, "vpd");
        uint64_t end = now_usec() + VPD_TIME_USEC;
        uint8_t data[VPD_MAX];
        size_t n = 0;

        while (fd >= 0 && n + VPD_STEP <= sizeof(data) && now_usec() < end) {
                ssize_t got = pread(fd, data + n, VPD_STEP, (off_t) n);

                if (got <= 0)
                        return;
                n += (size_t) got;
                if (vpd_find_serial(data, n, serial) != VPD_MORE)
                        return;
        }
}

static void read_mac(int root_fd, int device_fd, const struct netdev *netdev, struct mac *ret) {
        int type;
        char text[128];

        if (root_is_host(root_fd) && netlink_permanent_address(netdev->ifindex, ret) >= 0)
                return;
        *ret = (struct mac){ 0 };
        if (root_read_int(device_fd, &type, "net/%s/addr_assign_type", netdev->name) >= 0 &&
            type == NET_ADDR_PERM &&
            root_read(device_fd, text, sizeof(text), "net/%s/address", netdev->name) >= 0)
                mac_parse(text, ret);
}

/* -1, or -EINVAL from the read, for an interface that is down (net/core/net-sysfs.c:speed_show) */
static uint32_t read_speed(int device_fd, const char *netdev) {
        int mbps;

        return root_read_int(device_fd, &mbps, "net/%s/speed", netdev) >= 0 && mbps > 0 ? (uint32_t) mbps : 0;
}

int identity_read(int root_fd, struct address a, struct identity *ret, const char **step) {
        uint8_t config[CONFIG_SPACE_SIZE];
        struct netdev netdev;
        uint64_t vectors;

        *ret = (struct identity){ 0 };
        *step = "opening the device";
        _cleanup_close_ int fd =
                        root_openf(root_fd, O_PATH | O_DIRECTORY, "sys/bus/pci/devices/%s", ADDRESS_STR(a));
        if (fd < 0)
                return fd == -ENOENT ? -ENODEV : fd;
        *step = "reading the configuration space";
        int n = capability_read_config(root_fd, a, config, sizeof(config));
        if (n < 0)
                return n;
        capability_serial_number(config, (size_t) n, ret->dsn);
        read_serial(fd, ret->serial);
        if (root_read_u64(fd, &vectors, "sriov_vf_total_msix") >= 0)
                ret->vf_total_msix = (unsigned) MIN(vectors, (uint64_t) UINT32_MAX);
        if (netdev_find(fd, true, &netdev) >= 0) {
                read_mac(root_fd, fd, &netdev, &ret->mac);
                ret->link_mbps = read_speed(fd, netdev.name);
        }
        return 0;
}
