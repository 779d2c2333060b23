/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names by libpci. Its default error handler ends the process, so ours jumps out instead. */

#include "sriov/names.h"
#include "common/log.h"
#include "common/text.h"

#include <pci/pci.h>
#include <setjmp.h>
#include <stdarg.h>

static struct pci_access *names;
static jmp_buf escape;

static __attribute__((noreturn, format(printf, 1, 2))) void on_error(char *format, ...) {
        log_debug("libpci gave up: %s", format);
        longjmp(escape, 1);
}

static __attribute__((format(printf, 1, 2))) void on_message(char *format, ...) {
}

static const char *look_up(uint16_t vendor, uint16_t device, char *buf, size_t size) {
        if (!names) {
                names = pci_alloc();
                if (!names)
                        return NULL;
                names->error = on_error;
                names->warning = on_message;
                names->debug = on_message;
        }
        return pci_lookup_name(names, buf, (int) size,
                               PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | PCI_LOOKUP_NO_NUMBERS, vendor, device);
}

const char *names_device(uint16_t vendor, uint16_t device, char *buf, size_t size) {
        char found[256] = "";

        buf[0] = '\0';
        if (setjmp(escape) != 0)
                return buf;
        const char *name = look_up(vendor, device, found, sizeof(found));
        if (name)
                text_copy(buf, size, name);
        return buf;
}
