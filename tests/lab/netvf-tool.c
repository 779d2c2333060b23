/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/netvf and sriov/netvf-stats on a real kernel, for suite_netdevsim_netvf.py: netdevsim has hundreds of
 * VFs, but none on a PCI bus, so no worker takes it.
 *   netvf-tool IFINDEX read N     a line for each VF: index, then the attributes
 *   netvf-tool IFINDEX set N      gives VF I values that are its own
 *   netvf-tool IFINDEX restore N  as if nobody had used them
 *   netvf-tool IFINDEX stats N    a line for each VF that the kernel tells of: index, then the counters
 * The last line of set and restore: "N changed in USEC us, FAILED failed"; of stats: "N read in USEC us". */

#include "common/macro.h"
#include "sriov/netvf-stats.h"
#include "sriov/netvf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct vf_attributes own(uint32_t i) {
        return (struct vf_attributes){ .set = ATTR_ALL,
                                       .mac = mac_from_number(0x025244000000 + i),
                                       .vlan = (uint16_t) (1 + i % VLAN_ID_MAX),
                                       .vlan_qos = (uint8_t) (i % 8),
                                       .vlan_protocol = i % 2 ? VLAN_8021AD : VLAN_8021Q,
                                       .min_tx_mbps = 1 + i,
                                       .max_tx_mbps = 1000 + i,
                                       .spoof_check = i % 3 == 0,
                                       .trust = i % 2,
                                       .link_state = (uint8_t) (i % 3),
                                       .rss_query = i % 5 == 0 };
}

static void print(const struct vf_change *c) {
        const struct vf_attributes *a = &c->attributes;

        printf("%u %s %u %u %s %u %u %d %d %s %d%s\n", c->index, MAC_STR(a->mac), a->vlan, a->vlan_qos,
               vlan_protocol_to_string((enum vlan_protocol) a->vlan_protocol), a->min_tx_mbps, a->max_tx_mbps,
               a->spoof_check, a->trust, link_state_to_string((enum link_state) a->link_state), a->rss_query,
               a->set ? "" : " unknown");
}

static uint64_t now_usec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

static int statistics(int ifindex) {
        _cleanup_free_ struct vf_statistics *s = NULL;
        uint64_t began = now_usec();
        const char *step;
        size_t n = 0;
        int r = netvf_stats_read_link(ifindex, &s, &n, &step);

        if (r < 0) {
                fprintf(stderr, "%s: %s\n", step, strerror(-r));
                return 1;
        }
        uint64_t took = now_usec() - began;
        for (size_t i = 0; i < n; i++) {
                printf("%u", s[i].index);
                for (unsigned c = 0; c < _COUNTER_MAX; c++)
                        printf(" %" PRIu64, s[i].counters.value[c]);
                puts("");
        }
        printf("%zu read in %" PRIu64 " us\n", n, took);
        return 0;
}

int main(int argc, char **argv) {
        if (argc != 4)
                return 64;
        if (strcmp(argv[2], "stats") == 0)
                return statistics(atoi(argv[1]));
        size_t n = (size_t) atoi(argv[3]), failed = 0;
        _cleanup_free_ struct vf_change *c = calloc(n, sizeof(*c));
        bool set = strcmp(argv[2], "set") == 0, restore = strcmp(argv[2], "restore") == 0;
        const char *step;

        for (uint32_t i = 0; c && i < n; i++) {
                c[i].index = i;
                c[i].mode = set ? VF_CHANGE_SET : restore ? VF_CHANGE_RESTORE : VF_CHANGE_READ;
                c[i].attributes =
                                set ? own(i) : (struct vf_attributes){ .set = ATTR_ALL, .spoof_check = true };
        }
        uint64_t began = now_usec();
        int r = c ? netvf_apply(atoi(argv[1]), c, n, &step) : -ENOMEM;
        uint64_t took = now_usec() - began;
        if (r < 0) {
                fprintf(stderr, "%s: %s\n", c ? step : "memory", strerror(-r));
                return 1;
        }
        for (size_t i = 0; i < n; i++) {
                print(&c[i]);
                if (c[i].error < 0)
                        printf("%u failed: %s: %s\n", c[i].index, ATTRIBUTES_STR(c[i].failed),
                               strerror(-c[i].error));
                failed += c[i].error < 0;
        }
        if (set || restore)
                printf("%zu changed in %llu us, %zu failed\n", n, (unsigned long long) took, failed);
        return failed > 0;
}
