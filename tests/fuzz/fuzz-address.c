/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI addresses, globs, numbers, sizes and names as people write them. */

#include "common/address.h"
#include "common/limits.h"
#include "common/macro.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define INPUT_MAX 256

static void try_address(const char *text) {
        char printed[ADDRESS_STR_MAX];
        struct address a, again;

        if (address_parse(text, &a) < 0)
                return;
        REQUIRE(a.device <= 31 && a.function <= 7);
        REQUIRE(address_parse(address_format(a, printed), &again) == 0);
        REQUIRE(address_equal(a, again));
        REQUIRE(address_glob(printed, a));
}

static void try_numbers(const char *text) {
        char printed[32];
        uint64_t v, again;

        if (parse_u64(text, 10, &v) == 0) {
                snprintf(printed, sizeof(printed), "%llu", (unsigned long long) v);
                REQUIRE(strspn(text, "0123456789") == strlen(text));
                REQUIRE(parse_u64(printed, 10, &again) == 0 && again == v);
        }
        if (parse_u64(text, 0, &v) == 0)
                REQUIRE(strcspn(text, " +-\t\n") == strlen(text));
        if (parse_u64(text, 16, &v) == 0) {
                snprintf(printed, sizeof(printed), "%llx", (unsigned long long) v);
                REQUIRE(parse_u64(printed, 16, &again) == 0 && again == v);
        }
        /* printed sizes are rounded down to one decimal; those without are exact */
        if (parse_size(text, &v) == 0 && !strchr(format_size(v, printed), '.'))
                REQUIRE(parse_size(printed, &again) == 0 && again <= v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char text[INPUT_MAX + 1];
        size_t n = MIN(size, (size_t) INPUT_MAX);

        memcpy(text, data, n);
        text[n] = '\0';
        try_address(text);
        try_numbers(text);
        address_glob(text, (struct address){ 0, 0x3b, 2, 1 });
        if (name_is_valid(text))
                REQUIRE(strlen(text) <= NAME_MAX_LEN && !strpbrk(text, "/ \n\"") && text[0] != '.' &&
                        text[0] != '-');
        return 0;
}
