/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Records of the kernel log, and taking their text apart from its left end. Pure. */

#include "common/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One record of /dev/kmsg. text and source point into what was parsed, are not terminated and keep the
 * kernel's escapes: a backslash in them starts \xNN. */
struct kmsg_record {
        unsigned level, facility; /* as in syslog(3); facility 0 is the kernel, user space cannot choose it */
        uint64_t seq;
        uint64_t usec;  /* the kernel's monotonic clock */
        bool continued; /* the rest of a line: its beginning is in another record */
        bool has_caller;
        uint32_t caller; /* the task, or with bit 31 the CPU; only with CONFIG_PRINTK_CALLER */
        const char *text;
        size_t n;
        const char *source; /* "+pci:0000:03:00.1": DEVICE= of the dictionary; NULL: has none */
        size_t n_source;
        bool has_device; /* source is a PCI function */
        struct address device;
};

/* What one read() of /dev/kmsg gave. 0, or -EBADMSG with *ret untouched: nothing to worry about, records that
 * do not fit the kernel's own buffer are cut. */
int kmsg_parse(const char *data, size_t n, struct kmsg_record *ret);

/* Text that is still to be read. All functions that begin with take_ consume what they look for and say true,
 * or consume nothing. */
struct cursor {
        const char *p, *end;
};

bool cursor_at_end(const struct cursor *c);
bool cursor_is(struct cursor c, const char *literal);

bool take_text(struct cursor *c, const char *literal);

/* What comes before the first byte of stop, or all; not empty. */
bool take_until(struct cursor *c, const char *stop, struct cursor *ret);

/* A whole number of min to max digits, the letters in lower case: what follows is no digit and no letter. */
bool take_digits(struct cursor *c, int base, int min, int max, uint64_t *ret);
bool take_decimal(struct cursor *c, uint64_t *ret);
/* With or without 0x: the prefix comes and goes between kernels. */
bool take_hex(struct cursor *c, uint64_t *ret);

/* "03:00.1", "0000:03:00.1", and VT-d's "0x03:0x00.1" of 5.14 and 5.15. */
bool take_function(struct cursor *c, bool *has_domain, struct address *ret);
/* "0000:03:00.1" */
bool take_full_function(struct cursor *c, struct address *ret);
