/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Bus Master bit. */

#include "sriov/busmaster.h"
#include "common/macro.h"
#include "common/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>

int busmaster_off(int root_fd, struct address a, const char **step) {
        uint8_t command[2];

        *step = "opening the configuration space";
        _cleanup_close_ int fd = root_openf(root_fd, O_RDWR, "sys/bus/pci/devices/%s/config", ADDRESS_STR(a));
        if (fd < 0)
                return fd;
        *step = "reading the command register";
        if (pread(fd, command, sizeof(command), PCI_COMMAND) != sizeof(command))
                return -EIO;
        if (command[0] == 0xff && command[1] == 0xff)
                return -EIO;
        *step = "writing the command register";
        command[0] &= (uint8_t) ~PCI_COMMAND_MASTER;
        ssize_t n = pwrite(fd, command, sizeof(command), PCI_COMMAND);
        if (n != sizeof(command))
                return n < 0 ? -errno : -EIO;
        *step = "Bus Master stayed on";
        if (pread(fd, command, sizeof(command), PCI_COMMAND) != sizeof(command) ||
            command[0] & PCI_COMMAND_MASTER)
                return -EIO;
        return 0;
}
