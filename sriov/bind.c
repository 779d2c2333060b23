/* SPDX-License-Identifier: GPL-2.0-or-later */
/* driver_override, unbind, sriov_vf_msix_count, drivers_probe; the driver link and the configuration space
 * tell whether it worked. */

#include "sriov/bind.h"
#include "common/limits.h"
#include "common/root.h"
#include "sriov/capability.h"
#include "sriov/variant.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define DEVICE "sys/bus/pci/devices/%s/"

static bool ends_in(const char *text, const char *tail) {
        size_t n = strlen(text), m = strlen(tail);

        return n > m && strcmp(text + n - m, tail) == 0;
}

bool bind_is_vfio(const char *driver) {
        char joint = ends_in(driver, "_vfio_pci") ? '_' : '-';

        if (strcmp(driver, "vfio-pci") == 0)
                return true;
        if (strlen(driver) >= DRIVER_MAX || (joint == '-' && !ends_in(driver, "-vfio-pci")))
                return false;
        for (const char *c = driver; *c; c++)
                if (!islower((unsigned char) *c) && !isdigit((unsigned char) *c) && *c != joint)
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
        /* -ENODEV: it is not bound to that driver any more; the link says what is true. -ENOENT: so it is
         * while a driver is being loaded, which looks at every device before its files are there, though
         * autoprobe keeps it off (drivers/base/bus.c:bus_add_driver) */
        bool loading = r == -ENOENT;
        if (r < 0 && r != -ENODEV && !loading)
                return r;
        r = read_driver(root_fd, vf, driver);
        if (r < 0)
                return r;
        return !driver[0] ? 0 : loading ? -EAGAIN : -EBUSY;
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

static int read_vectors(int root_fd, struct address vf, unsigned *ret) {
        uint8_t config[256];
        int n = capability_read_config(root_fd, vf, config, sizeof(config));

        if (n < 0)
                return n;
        *ret = capability_msix_vectors(config, (size_t) n);
        return 0;
}

/* Only while no driver has it, vfio-pci included (drivers/pci/iov.c:sriov_vf_msix_count_store). */
static int set_vectors(int root_fd, struct address vf, unsigned msix, enum reason *reason,
                       const char **step) {
        char text[16];
        unsigned now;

        *reason = REASON_MSIX;
        *step = "writing sriov_vf_msix_count";
        snprintf(text, sizeof(text), "%u", msix);
        int r = root_write(root_fd, text, DEVICE "sriov_vf_msix_count", ADDRESS_STR(vf));
        if (r < 0)
                return r == -ENOENT ? -EOPNOTSUPP : r; /* no VF, or a kernel before 5.13 */
        *step = "reading the MSI-X capability back";
        r = read_vectors(root_fd, vf, &now);
        if (r < 0)
                return r;
        *step = "the VF has another number of MSI-X vectors than was written";
        if (now != msix)
                return -EIO;
        *reason = REASON_NONE;
        return 0;
}

/* The text of *step outlives us, and a worker does one thing at a time. */
static int find_best(int root_fd, struct address vf, char driver[DRIVER_MAX], enum reason *reason,
                     const char **step) {
        static char not_loaded[DRIVER_MAX + 32];

        *step = "finding the best driver";
        int r = variant_best(root_fd, vf, driver);
        if (r == -EAGAIN) {
                snprintf(not_loaded, sizeof(not_loaded), "the driver %s is not loaded", driver);
                *step = not_loaded;
                *reason = REASON_PROBE_FAILED;
        }
        return r;
}

int bind_driver(int root_fd, struct address vf, const char *driver, unsigned msix, enum reason *reason,
                const char **step) {
        char now[DRIVER_MAX], best[DRIVER_MAX];
        unsigned vectors = 0;

        *reason = REASON_NONE;
        int r = driver[0] ? 0 : find_best(root_fd, vf, best, reason, step);
        if (r < 0)
                return r;
        if (!driver[0])
                driver = best;
        *step = "reading the MSI-X capability";
        r = msix > 0 ? read_vectors(root_fd, vf, &vectors) : 0;
        if (r >= 0)
                r = set_override(root_fd, vf, driver, step);
        if (r < 0)
                return r == -ENOENT ? -ENODEV : r;
        *step = "reading the driver link";
        r = read_driver(root_fd, vf, now);
        if (r < 0)
                return r;
        if (vectors == msix && strcmp(now, driver) == 0)
                return 0;
        if (now[0])
                r = bind_unbind(root_fd, vf, step);
        if (r >= 0 && vectors != msix)
                r = set_vectors(root_fd, vf, msix, reason, step);
        return r < 0 ? r : probe(root_fd, vf, driver, reason, step);
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
