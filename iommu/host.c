/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Device nodes, /proc/devices and module parameters. */

#include "iommu/host.h"
#include "common/macro.h"
#include "common/root.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* "240 vfio-dev" in /proc/devices. The class vfio-dev in sysfs proves nothing: it exists without device nodes
 * too. */
static bool lists_driver(char *text, const char *name) {
        char *rest = NULL;

        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                char *blank = strrchr(line, ' ');

                if (blank && strcmp(blank + 1, name) == 0)
                        return true;
        }
        return false;
}

static int has_char_driver(int root_fd, const char *name, bool *ret) {
        _cleanup_free_ char *text = NULL;
        int r = root_read_all(root_fd, "proc/devices", 65536, &text, NULL);

        *ret = r >= 0 && lists_driver(text, name);
        return r == -ENOENT ? 0 : r;
}

/* "Y"; absent: the module is not loaded or has no such parameter, so off. */
static int read_switch(int root_fd, const char *module, const char *parameter, char text[SWITCH_MAX],
                       bool *on) {
        int r = root_read(root_fd, text, SWITCH_MAX, "sys/module/%s/parameters/%s", module, parameter);

        if (r == -ENOENT) {
                *on = false;
                return 0;
        }
        if (r < 0)
                strcpy(text, "unreadable");
        *on = strcmp(text, "N") != 0;
        return r;
}

int host_read_switches(int root_fd, struct iommu_host *h) {
        char noiommu[SWITCH_MAX];
        bool type1, iommufd;
        int r[3];

        r[0] = read_switch(root_fd, "vfio_iommu_type1", "allow_unsafe_interrupts", h->type1_interrupts,
                           &type1);
        r[1] = read_switch(root_fd, "iommufd", "allow_unsafe_interrupts", h->iommufd_interrupts, &iommufd);
        r[2] = read_switch(root_fd, "vfio", "enable_unsafe_noiommu_mode", noiommu, &h->noiommu_mode);
        h->unsafe_interrupts = type1 || iommufd;
        return r[0] < 0 ? r[0] : r[1] < 0 ? r[1] : r[2];
}

/* Patched kernels take "pcie_acs_override=downstream,multifunction" and then report groups that are not
 * there. */
static int read_command_line(int root_fd, bool *acs_override) {
        _cleanup_free_ char *text = NULL;
        char *rest = NULL;
        int r = root_read_all(root_fd, "proc/cmdline", 65536, &text, NULL);

        *acs_override = r < 0;
        for (char *w = r < 0 ? NULL : strtok_r(text, " \t\n", &rest); w; w = strtok_r(NULL, " \t\n", &rest))
                if (strncmp(w, "pcie_acs_override", strlen("pcie_acs_override")) == 0)
                        *acs_override = true;
        return r;
}

int host_read(int root_fd, struct iommu_host *ret) {
        struct iommu_host h = {
                .container = root_exists(root_fd, "dev/vfio/vfio"),
                .iommufd = root_exists(root_fd, "dev/iommu"),
        };
        bool groups, nodes;
        int r[4];

        r[0] = has_char_driver(root_fd, "vfio", &groups);
        r[1] = has_char_driver(root_fd, "vfio-dev", &nodes);
        r[2] = host_read_switches(root_fd, &h);
        r[3] = read_command_line(root_fd, &h.acs_override);
        h.group_nodes = groups || h.container; /* containers cannot be without groups: drivers/vfio/Kconfig */
        h.cdev = nodes || root_exists(root_fd, "dev/vfio/devices");
        *ret = h;
        for (unsigned i = 0; i < ARRAY_SIZE(r); i++)
                if (r[i] < 0)
                        return r[i];
        return 0;
}

enum backend host_fence_backend(const struct iommu_host *host) {
        if (host->container && host->group_nodes)
                return BACKEND_GROUP;
        return host->iommufd && host->cdev ? BACKEND_IOMMUFD : BACKEND_NONE;
}
