/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's list of VFs: whatever is found is within what a VF can be told. */

#include "sriov/netvf-stats.h"
#include "sriov/netvf.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        void *copy = malloc(size + 1); /* aligned, as a received message is */

        if (!copy)
                return 0;
        memcpy(copy, data, size);
        struct vf_attributes a[4];
        if (netvf_parse(copy, size, a, 4) == 0)
                for (unsigned i = 0; i < 4; i++) {
                        REQUIRE(!(a[i].set & ATTR_MAC) || !(a[i].mac.byte[0] & 1));
                        REQUIRE(a[i].vlan <= 4095 && a[i].vlan_qos <= 7);
                        REQUIRE(a[i].vlan_protocol < _VLAN_PROTOCOL_MAX && a[i].link_state < _LINK_STATE_MAX);
                }
        struct vf_statistics *list = NULL;
        size_t n = 0;
        if (netvf_stats_parse(copy, size, &list, &n) == 0)
                for (size_t i = 1; i < n; i++)
                        REQUIRE(list[i].index > list[i - 1].index);
        free(list);
        free(copy);
        return 0;
}
