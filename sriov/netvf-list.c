/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IFLA_VFINFO_LIST. The kernel writes all its VFs, then closes it with a length of 16 bits and no check
 * (net/core/rtnetlink.c:rtnl_fill_vf, nla_nest_end()): above 221 VFs with statistics, 334 without, that
 * length is what is left of the true one modulo 65536, while the message's own length has 32 bits and is
 * right.
 *
 * So the list is walked by the lengths of its entries, which have some 300 bytes and cannot wrap. Nothing is
 * ever searched for: the list begins where the attributes before it end, each entry where the one before it
 * ends. The walk stops at the first attribute that is no VF with a higher index than the last. That place
 * must be the end that the list's length names, modulo 65536, and from there well-formed attributes must lead
 * exactly to the end of the message. */

#include "sriov/netvf-list.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdint.h>

#define WRAP 65536U

/* The number of IFLA_VF_INFO outside of the list is IFLA_ADDRESS, which is shorter than a VF's MAC (36 bytes)
 * with its header: MAX_ADDR_LEN is 32. */
static bool read_vf(struct nlattr *a, int left, unsigned *index, struct nlattr *tb[IFLA_VF_MAX + 1]) {
        if (!nla_ok(a, left) || nla_type(a) != IFLA_VF_INFO ||
            nla_parse_nested(tb, IFLA_VF_MAX, a, NULL) < 0 || !tb[IFLA_VF_MAC] ||
            nla_len(tb[IFLA_VF_MAC]) < (int) sizeof(struct ifla_vf_mac))
                return false;
        *index = ((const struct ifla_vf_mac *) nla_data(tb[IFLA_VF_MAC]))->vf;
        return true;
}

static bool well_formed(struct nlattr *a, int left) {
        while (nla_ok(a, left))
                a = nla_next(a, &left);
        return left <= 0; /* below: the last one lacks its padding */
}

/* The list and what is left of the message from it on. Its own length may be anything, zero included. */
static struct nlattr *find_list(struct nlattr *a, int *left, struct nlattr **num) {
        for (; *left >= NLA_HDRLEN; a = nla_next(a, left)) {
                if (nla_type(a) == IFLA_VFINFO_LIST)
                        return a;
                if (!nla_ok(a, *left))
                        return NULL;
                if (nla_type(a) == IFLA_NUM_VF)
                        *num = a;
        }
        return NULL;
}

int netvf_list_open(const void *payload, size_t size, struct netvf_list *ret) {
        const size_t head = NLMSG_ALIGN(sizeof(struct ifinfomsg));
        struct nlattr *tb[IFLA_VF_MAX + 1], *num = NULL;
        unsigned index, last = 0;

        if (size < head || size > INT32_MAX)
                return -EBADMSG;
        int left = (int) (size - head);
        struct nlattr *list = find_list((void *) ((char *) (uintptr_t) payload + head), &left, &num);
        if (!num || nla_len(num) < (int) sizeof(uint32_t))
                return -EBADMSG;
        *ret = (struct netvf_list){ .num = nla_get_u32(num) };
        if (!list) /* the driver tells nothing of its VFs */
                return 0;
        struct nlattr *a = (void *) ((char *) list + NLA_HDRLEN);
        left -= NLA_HDRLEN;
        ret->next = a;
        ret->left = left;
        while (ret->n < ret->num && read_vf(a, left, &index, tb) && index < ret->num &&
               (ret->n == 0 || index > last)) {
                last = index;
                ret->n++;
                a = nla_next(a, &left);
        }
        size_t length = (size_t) ((char *) a - (char *) list);
        return length % WRAP == list->nla_len && well_formed(a, left) ? 0 : -EMSGSIZE;
}

bool netvf_list_next(struct netvf_list *l, unsigned *ret_index, struct nlattr *ret_tb[IFLA_VF_MAX + 1]) {
        if (l->taken == l->n || !read_vf(l->next, l->left, ret_index, ret_tb))
                return false;
        l->taken++;
        l->next = nla_next(l->next, &l->left);
        return true;
}
