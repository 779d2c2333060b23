/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a VF is told: the tenant's choice within what its grant allows. */

#include "common/macro.h"
#include "policy/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void list_vlans(const struct grant *g, char *buf, size_t size) {
        size_t at = 0;

        buf[0] = '\0';
        for (size_t i = 0; i < g->n_vlans && at + 16 < size; i++)
                at += (size_t) (g->vlans[i].first == g->vlans[i].last
                                                ? snprintf(buf + at, size - at, "%s%u", i ? ", " : "",
                                                           g->vlans[i].first)
                                                : snprintf(buf + at, size - at, "%s%u-%u", i ? ", " : "",
                                                           g->vlans[i].first, g->vlans[i].last));
}

static int choose_vlan(const struct grant *g, const struct vf_attributes *wish, struct vf_attributes *a,
                       char *detail, size_t size) {
        char vlans[160];

        if (!(wish->set & ATTR_VLAN))
                return REASON_NONE;
        if (!grant_allows_vlan(g, wish->vlan)) {
                list_vlans(g, vlans, sizeof(vlans));
                snprintf(detail, size, "VLAN %u; allowed: %s", wish->vlan,
                         vlans[0] ? vlans : "none to choose");
                return REASON_VLAN;
        }
        a->vlan = wish->vlan;
        return REASON_NONE;
}

/* The grant's rates are what a VF gets and the most that it may ask for. */
static int choose_rates(const struct vf_attributes *limit, const struct vf_attributes *wish,
                        struct vf_attributes *a, char *detail, size_t size) {
        bool max_limited = limit->set & ATTR_MAX_TX;

        if (wish->set & ATTR_MAX_TX) {
                if (max_limited && (wish->max_tx_mbps == 0 || wish->max_tx_mbps > limit->max_tx_mbps)) {
                        snprintf(detail, size, "at most %u Mbit/s", limit->max_tx_mbps);
                        return REASON_RATE;
                }
                a->max_tx_mbps = wish->max_tx_mbps;
                a->set |= ATTR_MAX_TX;
        }
        if (wish->set & ATTR_MIN_TX) {
                uint32_t most = limit->set & ATTR_MIN_TX ? limit->min_tx_mbps : 0;

                if (wish->min_tx_mbps > most) {
                        snprintf(detail, size, "at most %u Mbit/s can be guaranteed", most);
                        return REASON_RATE;
                }
                a->min_tx_mbps = wish->min_tx_mbps;
                a->set |= ATTR_MIN_TX;
        }
        if (!(a->set & ATTR_MIN_TX) || !(a->set & ATTR_MAX_TX) || a->max_tx_mbps == 0 ||
            a->min_tx_mbps <= a->max_tx_mbps)
                return REASON_NONE;
        if (wish->set & ATTR_MIN_TX) {
                snprintf(detail, size, "the minimum %u is above the maximum %u", a->min_tx_mbps,
                         a->max_tx_mbps);
                return REASON_RATE;
        }
        a->min_tx_mbps = a->max_tx_mbps; /* a lower maximum was chosen, the policy's minimum follows */
        return REASON_NONE;
}

int choose_attributes(const struct pool *pool, const struct grant *g, const struct want *w,
                      struct vf_attributes *ret, char *detail, size_t size) {
        *ret = g->attributes;
        if (pool->max_io_eqs > 0) {
                ret->set |= ATTR_MAX_IO_EQS;
                ret->max_io_eqs = pool->max_io_eqs;
        }
        if (w->chosen.set && (pool->class == POOL_CLASS_STORAGE || pool->assign == ASSIGN_FUNCTION)) {
                snprintf(detail, size, "pool %s", pool->name);
                return REASON_NO_ATTRIBUTES;
        }
        if (w->chosen.set & ATTR_MAC && (w->count != 1 || !grant_allows_mac(g, w->chosen.mac))) {
                snprintf(detail, size, "%s%s", MAC_STR(w->chosen.mac),
                         w->count != 1     ? " for more than one VF"
                         : g->macs_derived ? "; the MACs of this pool are derived"
                         : g->n_macs == 0  ? "; the policy gives the tenant no MACs in this pool"
                                           : " is not in the tenant's ranges");
                return REASON_MAC;
        }
        int r = choose_vlan(g, &w->chosen, ret, detail, size);
        return r != REASON_NONE ? r : choose_rates(&g->attributes, &w->chosen, ret, detail, size);
}

/* The MACs that somebody has or is promised, and those of the PFs: sorted numbers. */
struct macs {
        uint64_t *items;
        size_t n;
};

static int compare_numbers(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static void collect(struct macs *m, const struct lease *l) {
        for (size_t i = 0; i < l->n_vfs; i++)
                if (l->vfs[i].attributes.set & ATTR_MAC)
                        m->items[m->n++] = mac_to_number(l->vfs[i].attributes.mac);
}

static bool is_own_promise(const struct placing *p, const struct lease *l) {
        return strcmp(l->tenant, p->request->tenant) == 0 && strcmp(l->vm, p->request->vm) == 0;
}

static int macs_in_use(const struct placing *p, struct macs *m) {
        const struct world *w = p->world;
        size_t n = ACQUIRE_COUNT_MAX; /* room for those of the allocation itself */

        for (size_t i = 0; i < w->n_leases; i++)
                n += w->leases[i]->n_vfs;
        for (size_t i = 0; i < w->n_promises; i++)
                n += w->promises[i]->n_vfs;
        n += w->inventory->n_pfs;
        m->items = calloc(n, sizeof(*m->items));
        if (!m->items)
                return -ENOMEM;
        for (size_t i = 0; i < w->n_leases; i++)
                if (!placing_is_returned(p, w->leases[i]))
                        collect(m, w->leases[i]);
        for (size_t i = 0; i < w->n_promises; i++)
                if (!is_own_promise(p, w->promises[i]) && !placing_is_returned(p, w->promises[i]))
                        collect(m, w->promises[i]);
        /* of a card: its switch would give a tenant the host's packets */
        for (size_t i = 0; i < w->inventory->n_pfs; i++)
                if (mac_is_unicast(w->inventory->pfs[i]->mac))
                        m->items[m->n++] = mac_to_number(w->inventory->pfs[i]->mac);
        qsort(m->items, m->n, sizeof(*m->items), compare_numbers);
        size_t n_once = 0;
        for (size_t i = 0; i < m->n; i++) /* promised to a VM, and in its lease too */
                if (n_once == 0 || m->items[n_once - 1] != m->items[i])
                        m->items[n_once++] = m->items[i];
        m->n = n_once;
        return 0;
}

/* Where it is or would be. */
static size_t find(const struct macs *m, uint64_t mac, bool *found) {
        size_t low = 0, high = m->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (m->items[middle] < mac)
                        low = middle + 1;
                else
                        high = middle;
        }
        *found = low < m->n && m->items[low] == mac;
        return low;
}

static void insert(struct macs *m, uint64_t mac) {
        bool found;
        size_t at = find(m, mac, &found);

        if (found)
                return;
        memmove(m->items + at + 1, m->items + at, (m->n - at) * sizeof(*m->items));
        m->items[at] = mac;
        m->n++;
}

/* The lowest of the ranges that nobody has: a walk along the sorted ones in use. */
static bool lowest_free(const struct grant *g, const struct macs *m, uint64_t *ret) {
        for (size_t i = 0; i < g->n_macs; i++) {
                uint64_t mac = g->macs[i].base, last = mac | (((uint64_t) 1 << (48 - g->macs[i].prefix)) - 1);
                bool found;
                size_t at;

                if (!mac_is_unicast(mac_from_number(mac)))
                        mac++; /* all zeroes is nobody's address */
                for (at = find(m, mac, &found); at < m->n && m->items[at] == mac && mac <= last; at++)
                        mac++;
                if (mac <= last) {
                        *ret = mac;
                        return true;
                }
        }
        return false;
}

/* What was promised goes to the VF that was promised with it, else to another of the same pool. */
static bool promised_mac(const struct placing *p, const struct chosen_vf *c, bool same_vf,
                         const struct macs *m, uint64_t *ret) {
        const struct world *w = p->world;
        bool used;

        for (size_t i = 0; i < w->n_promises; i++) {
                const struct lease *l = w->promises[i];

                if (!is_own_promise(p, l))
                        continue;
                for (size_t k = 0; k < l->n_vfs; k++) {
                        const struct leased_vf *v = &l->vfs[k];

                        if (!(v->attributes.set & ATTR_MAC) ||
                            strcmp(l->pools[v->pool], p->request->wants[c->want].pool) != 0 ||
                            (same_vf && !address_equal(v->address, c->vf->address)) ||
                            !grant_may_keep_mac(p->grants[c->want], v->attributes.mac))
                                continue;
                        *ret = mac_to_number(v->attributes.mac);
                        find(m, *ret, &used);
                        if (!used)
                                return true;
                }
        }
        return false;
}

static void give(struct chosen_vf *c, struct macs *m, uint64_t mac) {
        c->attributes.mac = mac_from_number(mac);
        c->attributes.set |= ATTR_MAC;
        insert(m, mac);
}

/* Nobody else's, whoever chose it. */
static uint64_t free_derived(const struct placing *p, const struct chosen_vf *c, const struct macs *m) {
        bool used = true;
        uint64_t mac = 0;

        for (uint32_t attempt = 0; used; attempt++) {
                mac = derived_mac(p->world->host_id, c->vf, attempt);
                find(m, mac, &used);
        }
        return mac;
}

static int give_chosen(const struct placing *p, struct allocation *a, struct macs *m, char *detail,
                       size_t size) {
        for (size_t i = 0; i < a->n_vfs; i++) {
                const struct vf_attributes *wish = &p->request->wants[a->vfs[i].want].chosen;
                bool used;

                if (!(wish->set & ATTR_MAC))
                        continue;
                find(m, mac_to_number(wish->mac), &used);
                if (used) {
                        snprintf(detail, size, "%s", MAC_STR(wish->mac));
                        return REASON_MAC_IN_USE;
                }
                give(&a->vfs[i], m, mac_to_number(wish->mac));
        }
        return REASON_NONE;
}

/* The addresses of a list are the tenant's alone, so their number tells nothing of others. */
static int refuse_macs(const struct placing *p, const struct allocation *a, const struct chosen_vf *c,
                       char *detail, size_t size) {
        const struct grant *g = p->grants[c->want];
        unsigned long long have = 0;
        size_t wanted = 0, given = 0;

        for (size_t i = 0; i < g->n_macs; i++)
                have += 1ULL << (48 - g->macs[i].prefix);
        for (size_t i = 0; i < a->n_vfs; i++)
                if (p->grants[a->vfs[i].want] == g) {
                        wanted++;
                        given += (a->vfs[i].attributes.set & ATTR_MAC) != 0;
                }
        snprintf(detail, size, "pool %s: MACs for %zu of %zu VFs; the policy gives the tenant %llu there",
                 p->request->wants[c->want].pool, given, wanted, have);
        return REASON_MACS_USED_UP;
}

int choose_macs(const struct placing *p, struct allocation *a, char *detail, size_t size) {
        _cleanup_free_ uint64_t *owned = NULL;
        struct macs m = { 0 };
        uint64_t mac;

        int r = macs_in_use(p, &m);
        owned = m.items;
        if (r < 0)
                return r;
        r = give_chosen(p, a, &m, detail, size);
        for (unsigned pass = 0; r == REASON_NONE && pass < 3; pass++)
                for (size_t i = 0; i < a->n_vfs; i++) {
                        struct chosen_vf *c = &a->vfs[i];
                        const struct grant *g = p->grants[c->want];

                        if (c->attributes.set & ATTR_MAC || (g->n_macs == 0 && !g->macs_derived))
                                continue;
                        if (pass < 2 ? promised_mac(p, c, pass == 0, &m, &mac) : lowest_free(g, &m, &mac))
                                give(c, &m, mac);
                        else if (pass == 2 && g->macs_derived)
                                give(c, &m, free_derived(p, c, &m));
                        else if (pass == 2)
                                return refuse_macs(p, a, c, detail, size);
                }
        return r;
}
