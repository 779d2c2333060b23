/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resources, one of which is the read-only one (VPD-R), in which there are fields. Every step goes forward.
 */

#include "sriov/vpd.h"

#include <stdbool.h>
#include <string.h>

#define LARGE      0x80U /* a large resource: two bytes of length follow; else the tag has it */
#define VPD_R      0x90U
#define END        0x0fU /* of a small tag, bits 6:3 */
#define FIELD_HEAD 3U    /* two bytes keyword, one byte length */

static bool is_padding(uint8_t c) {
        return c == ' ' || c == '\0';
}

static enum vpd_result take_serial(const uint8_t *text, size_t n, char serial[SERIAL_MAX]) {
        while (n > 0 && is_padding(text[n - 1]))
                n--;
        while (n > 0 && is_padding(text[0]))
                text++, n--;
        if (n == 0 || n >= SERIAL_MAX)
                return VPD_NONE;
        for (size_t i = 0; i < n; i++)
                if (text[i] < ' ' || text[i] > '~')
                        return VPD_NONE;
        memcpy(serial, text, n);
        serial[n] = '\0';
        return VPD_FOUND;
}

/* The fields of VPD-R, which begins at `at` and has its end at `end`; n bytes are known. */
static enum vpd_result find_field(const uint8_t *data, size_t n, size_t at, size_t end,
                                  char serial[SERIAL_MAX]) {
        while (at + FIELD_HEAD <= end) {
                if (at + FIELD_HEAD > n)
                        return VPD_MORE;
                size_t length = data[at + 2], next = at + FIELD_HEAD + length;

                if (next > end || data[at] < ' ' || data[at] > '~')
                        return VPD_NONE;
                if (memcmp(data + at, "RV", 2) == 0) /* checksum and padding: the last one */
                        return VPD_NONE;
                if (memcmp(data + at, "SN", 2) == 0)
                        return next > n ? VPD_MORE : take_serial(data + at + FIELD_HEAD, length, serial);
                at = next;
        }
        return VPD_NONE;
}

enum vpd_result vpd_find_serial(const uint8_t *data, size_t n, char serial[SERIAL_MAX]) {
        size_t at = 0;

        serial[0] = '\0';
        while (at < n) {
                uint8_t tag = data[at];

                if (tag == 0x00 || tag == 0xff) /* erased or absent memory */
                        return VPD_NONE;
                if (!(tag & LARGE)) {
                        if (tag >> 3 == END)
                                return VPD_NONE;
                        at += 1 + (tag & 7U);
                        continue;
                }
                if (n - at < 3)
                        return VPD_MORE;
                size_t length = data[at + 1] | (size_t) data[at + 2] << 8;
                if (tag == VPD_R)
                        return find_field(data, n, at + 3, at + 3 + length, serial);
                at += 3 + length;
        }
        return VPD_MORE;
}
