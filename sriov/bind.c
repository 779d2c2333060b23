/* SPDX-License-Identifier: GPL-2.0-or-later */
/* driver_override, unbind, drivers_probe; the driver link tells whether it worked. */

#include "sriov/bind.h"
#include "common/limits.h"
#include "common/root.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define DEVICE "sys/bus/pci/devices/%s/"

bool bind_is_vfio(const char *driver) {
        static const char suffix[] = "_vfio_pci";
        size_t n = strlen(driver), tail = sizeof(suffix) - 1;

        if (strcmp(driver, "vfio-pci") == 0)
                return true;
        if (n <= tail || n >= DRIVER_MAX || strcmp(driver + n - tail, suffix) != 0)
                return false;
        for (const char *c = driver; *c; c++)
                if (!islower((unsigned char) *c) && !isdigit((unsigned char) *c) && *c != '_')
                        return false;
        return true;
}

int bind_read_override(int root_fd, struct address vf, char *buf, size_t size) {
        int r = root_read(root_fd, buf, size, DEVICE "driver_override", ADDRESS_STR(vf));

        if (r >= 0 && strcmp(buf, "(null)") == 0) /* how the kernel prints "unset" */
                buf[0] = '\0';
        return r;
}

/* "" if unbound. -ENODEV if the device is gone. */
static int read_driver(int root_fd, struct address vf, char buf[DRIVER_MAX]) {
        int r = root_link_name(root_fd, buf, DRIVER_MAX, DEVICE "driver", ADDRESS_STR(vf));

        if (r != -ENOENT)
                return r;
        _cleanup_close_ int fd = root_openf(root_fd, O_PATH, DEVICE "vendor", ADDRESS_STR(vf));
        if (fd == -ENOENT)
                return -ENODEV;
        return fd < 0 ? fd : 0;
}

static int set_override(int root_fd, struct address vf, const char *driver, const char **step) {
        char now[DRIVER_MAX];

        *step = "reading driver_override";
        int r = bind_read_override(root_fd, vf, now, sizeof(now));
        if (r >= 0 && strcmp(now, driver) == 0)
                return 0;
        if (r < 0 && r != -EFBIG)
                return r;
        *step = "writing driver_override";
        r = root_write(root_fd, driver, DEVICE "driver_override", ADDRESS_STR(vf));
        if (r < 0)
                return r;
        *step = "reading driver_override back";
        r = bind_read_override(root_fd, vf, now, sizeof(now));
        if (r < 0)
                return r;
        return strcmp(now, driver) == 0 ? 0 : -EIO;
}

int bind_unbind(int root_fd, struct address vf, const char **step) {
        char driver[DRIVER_MAX];

        *step = "reading the driver link";
        int r = read_driver(root_fd, vf, driver);
        if (r < 0 || !driver[0])
                return r;
        *step = "unbinding the driver";
        r = root_write(root_fd, ADDRESS_STR(vf), "sys/bus/pci/drivers/%s/unbind", driver);
        /* -ENODEV: it is not bound to that driver any more; the link says what is true */
        if (r < 0 && r != -ENODEV)
                return r;
        r = read_driver(root_fd, vf, driver);
        if (r < 0)
                return r;
        return driver[0] ? -EBUSY : 0;
}

/* drivers_probe reports success even if the probe failed (drivers/base/bus.c:drivers_probe_store). */
static int probe(int root_fd, struct address vf, const char *driver, enum reason *reason, const char **step) {
        char now[DRIVER_MAX];

        *reason = REASON_PROBE_FAILED;
        *step = "the driver is not loaded";
        _cleanup_close_ int fd = root_openf(root_fd, O_PATH, "sys/bus/pci/drivers/%s", driver);
        if (fd < 0)
                return fd;
        *step = "writing drivers_probe";
        int r = root_write(root_fd, ADDRESS_STR(vf), "sys/bus/pci/drivers_probe");
        if (r < 0)
                return r;
        *step = "the driver did not bind";
        r = read_driver(root_fd, vf, now);
        if (r < 0)
                return r;
        if (strcmp(now, driver) != 0)
                return -ENXIO;
        *reason = REASON_NONE;
        return 0;
}

int bind_driver(int root_fd, struct address vf, const char *driver, enum reason *reason, const char **step) {
        char now[DRIVER_MAX];

        *reason = REASON_NONE;
        int r = set_override(root_fd, vf, driver, step);
        if (r < 0)
                return r == -ENOENT ? -ENODEV : r;
        *step = "reading the driver link";
        r = read_driver(root_fd, vf, now);
        if (r < 0)
                return r;
        if (strcmp(now, driver) == 0)
                return 0;
        if (now[0]) {
                r = bind_unbind(root_fd, vf, step);
                if (r < 0)
                        return r;
        }
        return probe(root_fd, vf, driver, reason, step);
}

int bind_renew(int root_fd, struct address vf, const char *driver, enum reason *reason, const char **step) {
        *reason = REASON_NONE;
        int r = set_override(root_fd, vf, driver, step); /* first, so that nothing else can bind in between */
        if (r >= 0)
                r = bind_unbind(root_fd, vf, step);
        if (r < 0)
                return r;
        return probe(root_fd, vf, driver, reason, step);
}
