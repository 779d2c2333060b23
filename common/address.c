/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI addresses: parse, print, compare. */

#include "common/address.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

/* Exactly min to max hex digits at *s; advances *s. */
static int take_hex(const char **s, int min, int max, uint32_t *ret) {
        uint32_t v = 0;
        int n = 0;

        for (; n < max && isxdigit((unsigned char) **s); n++, (*s)++) {
                char c = (char) tolower((unsigned char) **s);
                v = v << 4 | (uint32_t) (c <= '9' ? c - '0' : c - 'a' + 10);
        }
        if (n < min)
                return -EINVAL;
        *ret = v;
        return 0;
}

int address_parse(const char *text, struct address *ret) {
        uint32_t domain, bus, device, function;
        const char *s = text;

        if (take_hex(&s, 4, 8, &domain) < 0 || *s++ != ':' || take_hex(&s, 2, 2, &bus) < 0 || *s++ != ':' ||
            take_hex(&s, 2, 2, &device) < 0 || *s++ != '.' || take_hex(&s, 1, 1, &function) < 0 || *s)
                return -EINVAL;
        if (device > 31 || function > 7)
                return -EINVAL;
        *ret = (struct address){ domain, (uint8_t) bus, (uint8_t) device, (uint8_t) function };
        return 0;
}

const char *address_format(struct address a, char buf[ADDRESS_STR_MAX]) {
        snprintf(buf, ADDRESS_STR_MAX, "%04x:%02x:%02x.%x", a.domain, a.bus, a.device & 31U, a.function & 7U);
        return buf;
}

int address_compare(struct address a, struct address b) {
        uint64_t x = (uint64_t) a.domain << 16 | (uint64_t) a.bus << 8 | (uint64_t) a.device << 3 |
                     a.function;
        uint64_t y = (uint64_t) b.domain << 16 | (uint64_t) b.bus << 8 | (uint64_t) b.device << 3 |
                     b.function;

        return x < y ? -1 : x > y;
}

bool address_glob(const char *pattern, struct address a) {
        char buf[ADDRESS_STR_MAX];

        return fnmatch(pattern, address_format(a, buf), FNM_CASEFOLD) == 0;
}
