/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statistics of VFs: IFLA_VF_STATS in the kernel's list of VFs. */

#include "sriov/netvf-stats.h"
#include "common/macro.h"
#include "sriov/netlink.h"
#include "sriov/netvf-list.h"
#include "sriov/netvf-message.h"
#include "sriov/netvf.h"

#include <errno.h>
#include <netlink/attr.h>
#include <string.h>

/* All counters or none: a part would be shown as if the rest were zero. */
static bool take(struct nlattr *stats, struct vf_counters *ret) {
        static const int types[_COUNTER_MAX] = {
                [COUNTER_RX_PACKETS] = IFLA_VF_STATS_RX_PACKETS,
                [COUNTER_TX_PACKETS] = IFLA_VF_STATS_TX_PACKETS,
                [COUNTER_RX_BYTES] = IFLA_VF_STATS_RX_BYTES,
                [COUNTER_TX_BYTES] = IFLA_VF_STATS_TX_BYTES,
                [COUNTER_BROADCAST] = IFLA_VF_STATS_BROADCAST,
                [COUNTER_MULTICAST] = IFLA_VF_STATS_MULTICAST,
                [COUNTER_RX_DROPPED] = IFLA_VF_STATS_RX_DROPPED,
                [COUNTER_TX_DROPPED] = IFLA_VF_STATS_TX_DROPPED,
        };
        struct nlattr *tb[IFLA_VF_STATS_MAX + 1];

        if (!stats || nla_parse_nested(tb, IFLA_VF_STATS_MAX, stats, NULL) < 0)
                return false;
        for (size_t i = 0; i < _COUNTER_MAX; i++) {
                if (!tb[types[i]] || nla_len(tb[types[i]]) != (int) sizeof(uint64_t))
                        return false;
                memcpy(&ret->value[i], nla_data(tb[types[i]]), sizeof(uint64_t)); /* aligned to 4 only */
        }
        return true;
}

int netvf_stats_parse(const void *payload, size_t size, struct vf_statistics **ret, size_t *ret_n) {
        struct nlattr *tb[IFLA_VF_MAX + 1];
        struct netvf_list list;
        unsigned index;
        size_t n = 0;

        int r = netvf_list_open(payload, size, &list);
        if (r < 0)
                return r;
        struct vf_statistics *s = calloc((size_t) list.n + 1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        while (netvf_list_next(&list, &index, tb))
                if (take(tb[IFLA_VF_STATS], &s[n].counters))
                        s[n++].index = index;
        *ret = s;
        *ret_n = n;
        return 0;
}

struct answer {
        struct vf_statistics *list;
        size_t n;
};

static int on_link(const void *payload, size_t size, void *userdata) {
        struct answer *a = userdata;

        return a->list ? -EBADMSG : netvf_stats_parse(payload, size, &a->list, &a->n);
}

int netvf_stats_read_link(int ifindex, struct vf_statistics **ret, size_t *ret_n, const char **step) {
        struct answer a = { 0 };

        *step = "reading the statistics";
        int r = netlink_link(ifindex, NETVF_MASK_STATISTICS, on_link, &a);
        if (r >= 0 && !a.list)
                r = -ENODATA;
        if (r < 0) {
                free(a.list);
                return r;
        }
        *ret = a.list;
        *ret_n = a.n;
        return 0;
}

int netvf_stats_read(int root_fd, struct address pf, struct vf_statistics **ret, size_t *ret_n,
                     const char **step) {
        int ifindex;

        *step = "the PF has no network interface";
        int r = netvf_find(root_fd, pf, &ifindex);
        return r < 0 ? r : netvf_stats_read_link(ifindex, ret, ret_n, step);
}
