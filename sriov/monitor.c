/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The udev monitor. */

#include "sriov/monitor.h"
#include "common/log.h"
#include "common/root.h"
#include "common/text.h"

#include <errno.h>
#include <libudev.h>
#include <string.h>

/* 4,096 VFs make 9 events each of about 1 KiB as the kernel counts; without privilege rmem_max bounds it */
#define RECEIVE_BUFFER (128 * 1024 * 1024)

struct monitor {
        struct udev *udev;
        struct udev_monitor *monitor;
};

static const char *const actions[] = {
        [MONITOR_ADD] = "add",   [MONITOR_REMOVE] = "remove", [MONITOR_CHANGE] = "change",
        [MONITOR_BIND] = "bind", [MONITOR_UNBIND] = "unbind",
};

enum monitor_kind monitor_kind_from_action(const char *action) {
        for (unsigned i = 0; action && i < ARRAY_SIZE(actions); i++)
                if (strcmp(actions[i], action) == 0)
                        return (enum monitor_kind) i;
        return MONITOR_OTHER;
}

bool monitor_path_address(const char *devpath, struct address *ret) {
        bool found = false;

        while (devpath && *devpath) {
                const char *end = strchrnul(devpath, '/');
                char part[ADDRESS_STR_MAX];
                size_t n = (size_t) (end - devpath);

                if (n > 0 && n < sizeof(part)) {
                        memcpy(part, devpath, n);
                        part[n] = '\0';
                        if (address_parse(part, ret) >= 0)
                                found = true;
                }
                devpath = *end ? end + 1 : end;
        }
        return found;
}

static int monitor_listen(struct monitor *m, const char *group) {
        static const char *const subsystems[] = { "pci", "vfio", "vfio-dev", "net" };

        m->monitor = udev_monitor_new_from_netlink(m->udev, group);
        if (!m->monitor)
                return errno > 0 ? -errno : -EOPNOTSUPP;
        for (unsigned i = 0; i < ARRAY_SIZE(subsystems); i++) {
                int r = udev_monitor_filter_add_match_subsystem_devtype(m->monitor, subsystems[i], NULL);

                if (r < 0)
                        return r;
        }
        udev_monitor_set_receive_buffer_size(m->monitor, RECEIVE_BUFFER); /* as much as is allowed */
        return udev_monitor_enable_receiving(m->monitor);
}

int monitor_new(int root_fd, struct monitor **ret) {
        /* The group "udev" stays silent without udevd (systemd, device-monitor.c) */
        const char *group = root_exists(root_fd, "run/udev/control") ? "udev" : "kernel";
        struct monitor *m = calloc(1, sizeof(*m));

        *ret = NULL;
        if (!m)
                return -ENOMEM;
        m->udev = udev_new();
        int r = m->udev ? monitor_listen(m, group) : -ENOMEM;
        if (r >= 0) {
                *ret = m;
                return 0;
        }
        monitor_free(m);
        if (r == -ENOMEM)
                return r;
        log_warning("no kernel events about devices, changes show only at rescans: %s", errno_text(r));
        return 0;
}

struct monitor *monitor_free(struct monitor *m) {
        if (!m)
                return NULL;
        udev_monitor_unref(m->monitor);
        udev_unref(m->udev);
        free(m);
        return NULL;
}

int monitor_fd(const struct monitor *m) {
        return udev_monitor_get_fd(m->monitor);
}

int monitor_next(struct monitor *m, struct monitor_event *ret) {
        struct udev_device *d;

        do {
                errno = 0;
                d = udev_monitor_receive_device(m->monitor);
        } while (!d && errno == EINTR);
        if (!d)
                return errno == EAGAIN || errno == 0 ? 0 : -errno;
        const char *subsystem = udev_device_get_subsystem(d);
        const char *error = udev_device_get_property_value(d, "ERROR_EVENT");
        *ret = (struct monitor_event){ .kind = monitor_kind_from_action(udev_device_get_action(d)) };
        ret->has_address = monitor_path_address(udev_device_get_devpath(d), &ret->address);
        text_copy(ret->subsystem, sizeof(ret->subsystem), subsystem ? subsystem : "");
        text_copy(ret->error_event, sizeof(ret->error_event), error ? error : "");
        udev_device_unref(d);
        return 1;
}
