/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* PCI addresses: domain, bus, device, function. A plain value: copy it, compare it, print it. */

#include <stdbool.h>
#include <stdint.h>

#define ADDRESS_STR_MAX 20 /* "0000:01:10.0" with room for 32-bit domains (Intel VMD: 10000:e1:00.0) */

struct address {
        uint32_t domain;
        uint8_t bus;
        uint8_t device;   /* 0..31 */
        uint8_t function; /* 0..7 */
};

/* Strict "DDDD:BB:DD.F", lower or upper case hex, four to eight domain digits. -EINVAL otherwise. */
int address_parse(const char *text, struct address *ret);

/* The kernel's spelling. buf holds ADDRESS_STR_MAX bytes; returns buf. */
const char *address_format(struct address a, char buf[ADDRESS_STR_MAX]);

/* Numeric order: domain, bus, device, function. */
int address_compare(struct address a, struct address b);

static inline bool address_equal(struct address a, struct address b) {
        return address_compare(a, b) == 0;
}

/* "0000:3b:00.*" style glob over the kernel's spelling ('*' and '?'). */
bool address_glob(const char *pattern, struct address a);

#define ADDRESS_STR(a) address_format(a, (char[ADDRESS_STR_MAX]){ 0 })
