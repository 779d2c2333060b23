/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/devlink.h and sriov/representor.h for the lab:
 * devlink-tool BUS DEVICE mode [legacy|switchdev] | ports | rate PORT [SHARE MAX] | address PORT MAC |
 * watch MS COUNT (COUNT news at the most; "lost" if some were) | representors NETDEV PF N | vf-set VF SHARE
 * MAX [MAC] | vf-vlan VF ID | vf-wish-vlan VF ID | vf-queues VF N | vf-baseline VF | function PORT |
 * vfs-set N | vfs-baseline N (N VFs at once, VF I with rates of its own, I + 1 and 1000 + I; a line for each:
 * index and both rates). Rates in Mbit/s. What fails is "ERRNO: the kernel's text", and exit code 1. */

#include "common/macro.h"
#include "common/root.h"
#include "common/text.h"
#include "sriov/devlink-vf.h"
#include "sriov/devlinkwatch.h"
#include "sriov/representor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

static struct devlink_handle handle;
static struct devlink_detail detail;

static int mode(int argc, char **argv) {
        enum eswitch_mode m = ESWITCH_LEGACY;
        int r;

        if (argc > 0)
                r = devlink_eswitch_set(&handle,
                                        strcmp(argv[0], "switchdev") == 0 ? ESWITCH_SWITCHDEV
                                                                          : ESWITCH_LEGACY,
                                        &detail);
        else if ((r = devlink_eswitch_get(&handle, &m, &detail)) >= 0)
                puts(m == ESWITCH_SWITCHDEV ? "switchdev" : "legacy");
        return r;
}

static int ports(void) {
        _cleanup_free_ struct devlink_port *list = NULL;
        size_t n = 0;
        int r = devlink_ports(&handle, &list, &n, &detail);

        for (size_t i = 0; r >= 0 && i < n; i++)
                printf("%" PRIu32 " %u %d %d %s\n", list[i].index, list[i].flavour,
                       list[i].set & PORT_HAS_PF ? list[i].pf : -1,
                       list[i].set & PORT_HAS_VF ? list[i].vf : -1, list[i].netdev[0] ? list[i].netdev : "-");
        return r;
}

static int rate(uint32_t port, int argc, char **argv) {
        struct devlink_rate rate;
        uint64_t share, max;
        int r;

        if (argc == 2) {
                if (parse_u64(argv[0], 10, &share) < 0 || parse_u64(argv[1], 10, &max) < 0)
                        return -EINVAL;
                rate = (struct devlink_rate){ share * BYTES_PER_MBIT, max * BYTES_PER_MBIT };
                return devlink_rate_set(&handle, port, &rate, &detail);
        }
        r = devlink_rate_get(&handle, port, &rate, &detail);
        if (r >= 0)
                printf("%" PRIu64 " %" PRIu64 "\n", rate.tx_share, rate.tx_max);
        return r;
}

static int address(uint32_t port, const char *mac) {
        struct devlink_function f = { .set = FUNCTION_HW_ADDR };

        if (mac_parse(mac, &f.hw_addr) < 0)
                return -EINVAL;
        return devlink_function_set(&handle, port, &f, &detail);
}

/* "MAC STATE EVENT-QUEUES", "-" for what is not told. */
static int function(uint32_t port) {
        struct devlink_port p;
        int r = devlink_port_get(&handle, port, &p, &detail);

        if (r < 0)
                return r;
        printf("%s %s ", p.function.set & FUNCTION_HW_ADDR ? MAC_STR(p.function.hw_addr) : "-",
               !(p.function.set & FUNCTION_STATE) ? "-"
               : p.function.active                ? "active"
                                                  : "inactive");
        if (p.function.set & FUNCTION_MAX_IO_EQS)
                printf("%" PRIu32 "\n", p.function.max_io_eqs);
        else
                puts("-");
        return 0;
}

static int representors(const char *netdev, uint32_t pf, size_t n) {
        _cleanup_free_ char(*names)[IFNAME_MAX] = calloc(n, sizeof(*names));
        _cleanup_close_ int root = root_open("/");
        char id[SWITCH_ID_MAX];

        if (!names)
                return -ENOMEM;
        int r = representor_switch_id(root, netdev, id);
        if (r >= 0)
                r = representor_find(root, id, -1, pf, names, n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                puts(names[i][0] ? names[i] : "-");
        return r;
}

/* "ready", then after the time has passed what is there: nobody reads meanwhile, so that it can overflow. */
static int watch(unsigned ms, uint64_t count) {
        _cleanup_(devlinkwatch_freep) struct devlinkwatch *w = NULL;
        struct devlink_handle h;
        int r = devlinkwatch_new(&w);

        if (r < 0)
                return r;
        puts("ready");
        fflush(stdout);
        poll(NULL, 0, (int) ms);
        for (; count > 0 && (r = devlinkwatch_next(w, &h)) != 0; count--)
                if (r == -ENOBUFS)
                        puts("lost");
                else if (r < 0)
                        return r;
                else
                        printf("%s %s\n", h.bus, h.device);
        return 0;
}

/* SHARE MAX [MAC], ID, or nothing. */
static int vf(const char *verb, uint32_t index, int argc, char **argv) {
        bool baseline = strcmp(verb, "vf-baseline") == 0;
        struct vf_change c = { .index = index, .mode = baseline ? VF_CHANGE_RESTORE : VF_CHANGE_SET };
        struct vf_attributes *a = &c.attributes;
        uint64_t share = 0, max = 0;
        const char *step = "";

        if ((argc > 0 && parse_u64(argv[0], 10, &share) < 0) ||
            (argc > 1 && parse_u64(argv[1], 10, &max) < 0) || (argc > 2 && mac_parse(argv[2], &a->mac) < 0))
                return -EINVAL;
        a->min_tx_mbps = (uint32_t) share;
        a->max_tx_mbps = (uint32_t) max;
        a->vlan = (uint16_t) share;
        a->set = baseline   ? ATTR_ALL & ~ATTR_MAX_IO_EQS
                 : argc > 2 ? ATTR_MAC | ATTR_MIN_TX | ATTR_MAX_TX
                 : argc > 1 ? ATTR_MIN_TX | ATTR_MAX_TX
                            : ATTR_VLAN | ATTR_MAX_TX;
        a->max_io_eqs = (uint32_t) share;
        if (strcmp(verb, "vf-queues") == 0)
                a->set = ATTR_MAX_IO_EQS;
        if (strcmp(verb, "vf-wish-vlan") == 0)
                c.wish = ATTR_VLAN;
        int r = devlink_vf_apply(&handle, 0, &c, 1, &detail, &step);
        if (r < 0)
                fprintf(stderr, "%s: ", step);
        else if (c.error < 0)
                fprintf(stderr, "%s: ", ATTRIBUTES_STR(c.failed));
        return r < 0 ? r : c.error;
}

static int vfs(bool baseline, size_t n) {
        _cleanup_free_ struct vf_change *c = calloc(n + 1, sizeof(*c));
        const char *step = "";

        if (!c)
                return -ENOMEM;
        for (uint32_t i = 0; i < n; i++)
                c[i] = (struct vf_change){ .index = i,
                                           .mode = baseline ? VF_CHANGE_RESTORE : VF_CHANGE_SET,
                                           .attributes = { .set = ATTR_MIN_TX | ATTR_MAX_TX,
                                                           .min_tx_mbps = baseline ? 0 : i + 1,
                                                           .max_tx_mbps = baseline ? 0 : 1000 + i } };
        int r = devlink_vf_apply(&handle, 0, c, n, &detail, &step);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                printf("%u %u %u\n", c[i].index, c[i].attributes.min_tx_mbps, c[i].attributes.max_tx_mbps);
                r = c[i].error;
        }
        return r;
}

int main(int argc, char **argv) {
        uint64_t a = 0, b = 0;
        int r = -EINVAL;

        if (argc < 4)
                return 2;
        text_copy(handle.bus, sizeof(handle.bus), argv[1]);
        text_copy(handle.device, sizeof(handle.device), argv[2]);
        if (strcmp(argv[3], "mode") == 0)
                r = mode(argc - 4, argv + 4);
        else if (strcmp(argv[3], "ports") == 0)
                r = ports();
        else if (strcmp(argv[3], "rate") == 0 && argc > 4 && parse_u64(argv[4], 10, &a) >= 0)
                r = rate((uint32_t) a, argc - 5, argv + 5);
        else if (strcmp(argv[3], "address") == 0 && argc == 6 && parse_u64(argv[4], 10, &a) >= 0)
                r = address((uint32_t) a, argv[5]);
        else if (strcmp(argv[3], "function") == 0 && argc == 5 && parse_u64(argv[4], 10, &a) >= 0)
                r = function((uint32_t) a);
        else if (strcmp(argv[3], "watch") == 0 && argc == 6 && parse_u64(argv[4], 10, &a) >= 0 &&
                 parse_u64(argv[5], 10, &b) >= 0)
                r = watch((unsigned) a, b);
        else if (strncmp(argv[3], "vfs-", 4) == 0 && argc == 5 && parse_u64(argv[4], 10, &a) >= 0)
                r = vfs(strcmp(argv[3], "vfs-baseline") == 0, a);
        else if (strncmp(argv[3], "vf-", 3) == 0 && argc > 4 && parse_u64(argv[4], 10, &a) >= 0)
                r = vf(argv[3], (uint32_t) a, argc - 5, argv + 5);
        else if (strcmp(argv[3], "representors") == 0 && argc == 7 && parse_u64(argv[5], 10, &a) >= 0 &&
                 parse_u64(argv[6], 10, &b) >= 0)
                r = representors(argv[4], (uint32_t) a, b);
        if (r < 0)
                fprintf(stderr, "%s: %s\n", strerrorname_np(-r), detail.text);
        return r < 0;
}
