/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's answers and news of devlink: whatever is found is printable, ended and within bounds. */

#include "sriov/devlink.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const struct devlink_handle card = { "pci", "0000:06:00.0" };
        struct devlink_detail detail;
        struct devlink_rate rate;
        struct devlink_port port;
        struct devlink_handle news;
        enum eswitch_mode mode;
        void *copy = malloc(size + 1); /* aligned, as a received message is */

        if (!copy)
                return 0;
        memcpy(copy, data, size);
        if (devlink_parse_eswitch(copy, size, &card, &mode) == 0)
                REQUIRE(mode < _ESWITCH_MODE_MAX);
        if (devlink_parse_port(copy, size, &card, &port) == 0)
                REQUIRE(memchr(port.netdev, '\0', sizeof(port.netdev)));
        (void) devlink_parse_rate(copy, size, &card, 1, &rate);
        devlink_parse_detail(copy, size, &detail);
        REQUIRE(strlen(detail.text) < sizeof(detail.text));
        if (devlink_parse_news(copy, size, &news) == 0) { /* a whole message, and of any device */
                REQUIRE(news.bus[0] && memchr(news.bus, '\0', sizeof(news.bus)));
                REQUIRE(news.device[0] && memchr(news.device, '\0', sizeof(news.device)));
        }
        free(copy);
        return 0;
}
