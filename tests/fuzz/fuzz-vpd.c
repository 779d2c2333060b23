/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Vital Product Data and capability lists: a card's bytes. */

#include "sriov/capability.h"
#include "sriov/hop.h"
#include "sriov/vpd.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_vpd(const uint8_t *data, size_t size) {
        char serial[SERIAL_MAX], shorter[SERIAL_MAX];
        enum vpd_result r = vpd_find_serial(data, size, serial);

        REQUIRE(memchr(serial, '\0', sizeof(serial)));
        REQUIRE((r == VPD_FOUND) == (serial[0] != '\0'));
        for (const char *c = serial; *c; c++)
                REQUIRE(*c >= ' ' && *c <= '~');
        REQUIRE(serial[0] != ' ');
        /* what fewer bytes decide is decided: more do not change it */
        enum vpd_result s = vpd_find_serial(data, size / 2, shorter);
        REQUIRE(s == VPD_MORE || (s == r && strcmp(serial, shorter) == 0));
}

static void check_capabilities(const uint8_t *data, size_t size) {
        char dsn[24];

        REQUIRE(capability_msix_vectors(data, size) <= 2048);
        for (unsigned id = 0; id < 32; id++) {
                size_t at = capability_find(data, size, (uint8_t) id);

                REQUIRE(at == 0 || (at >= 0x40 && at + 4 <= size && at < 256 && data[at] == id));
                at = capability_find_extended(data, size, (uint16_t) id);
                REQUIRE(at == 0 || (at >= 256 && at + 4 <= size));
        }
        capability_serial_number(data, size, dsn);
        REQUIRE(strlen(dsn) == 0 || strlen(dsn) == 23);
}

struct bytes {
        const uint8_t *data;
        size_t size, reads;
};

static int read_bytes(void *userdata, size_t at, void *buf, size_t n) {
        struct bytes *b = userdata;

        b->reads++;
        if (at + n > b->size)
                return -1;
        memcpy(buf, b->data + at, n);
        return 0;
}

/* What is not readable says nothing; what loops ends. */
static void check_hop(const uint8_t *data, size_t size) {
        struct path_hop h = { 0 };
        struct bytes b = { data, size, 0 };

        hop_read(read_bytes, &b, &h);
        REQUIRE(b.reads < 1000);
        REQUIRE(h.flags == 0 || h.flags & HOP_READABLE);
        REQUIRE((h.kind == HOP_UNKNOWN) == (h.flags == 0) && h.kind < _HOP_KIND_MAX);
        REQUIRE(h.flags & HOP_ACS || (h.acs_cap == 0 && h.acs_control == 0));
        REQUIRE(h.flags & HOP_SRIOV || h.num_vfs == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        check_vpd(data, size);
        check_capabilities(data, size);
        check_hop(data, size);
        return 0;
}
