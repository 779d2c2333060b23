/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Policies, hosts and requests by chance. */

#include "tests/unit/test-policy-chance.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const tenant_names[TENANTS] = { "red", "blue", "green" };
const char *const pool_names[POOLS] = { "net", "wide" }, *const pool_drivers[POOLS] = { "bnxt_en", "ice" };
static const char *const vm_names[] = { "vm1", "vm2", "vm3", "vm4" };

void text_put(struct text *t, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        t->n += (size_t) vsnprintf(t->data + t->n, sizeof(t->data) - t->n, format, ap);
        va_end(ap);
        if (t->n >= sizeof(t->data))
                abort();
}

void text_put_pool(struct text *t, struct chance *c, unsigned i) {
        static const char *const placements[] = { "pack", "spread", "least-loaded" };

        text_put(t,
                 "\"%s\": { \"vfs\": \"max\", \"placement\": \"%s\", \"numa\": \"%s\", \"anti_affinity\": %s,"
                 " \"functions\": [ { \"driver\": \"%s\" } ] }",
                 pool_names[i], placements[chance_below(c, 3)], chance_below(c, 4) ? "prefer" : "require",
                 chance_below(c, 5) ? "false" : "true", pool_drivers[i]);
}

/* What the drivers of some PFs can do, and are told only there. */
static void put_wishes(struct text *t, struct chance *c) {
        static const char *const wishes[] = { "min_tx_mbps", "max_tx_mbps", "spoof_check",
                                              "trust",       "link_state",  "rss_query" };
        unsigned n = 0;

        text_put(t, ", \"wish\": [");
        FOREACH_ARRAY(w, wishes, ARRAY_SIZE(wishes))
                if (chance_below(c, 4))
                        text_put(t, "%s \"%s\"", n++ ? "," : "", *w);
        text_put(t, " ]");
}

/* MACs of each tenant and pool from a range of its own, sometimes of two addresses only. */
void text_put_tenant(struct text *t, struct chance *c, unsigned i) {
        static const char *const links[] = { "auto", "enable", "disable" };

        text_put(t, "\"%s\": { \"users\": [ %u ],", tenant_names[i], 1000 + i);
        if (chance_below(c, 3) == 0)
                text_put(t, "\"quota\": %u,", 2 + chance_below(c, 8));
        text_put(t, "\"pools\": {");
        for (unsigned p = 0; p < POOLS; p++) {
                text_put(t, "%s \"%s\": { \"quota\": %u", p ? "," : "", pool_names[p],
                         1 + chance_below(c, 16));
                if (chance_below(c, 3) == 0)
                        text_put(t, ", \"pf_share\": \"%u%%\"", 1 + chance_below(c, 100));
                if (chance_below(c, 2))
                        text_put(t, ", \"vlans\": [ %u, \"%u-%u\" ]", 100 + i, 200 + 10 * i, 205 + 10 * i);
                if (chance_below(c, 2))
                        text_put(t, ", \"macs\": \"02:00:00:0%u:0%u:00/%u\"", i, p,
                                 chance_below(c, 4) ? 40 : 47);
                if (chance_below(c, 3) == 0)
                        text_put(t, ", \"min_tx_mbps\": %u", 1 + chance_below(c, 600));
                if (chance_below(c, 3) == 0)
                        text_put(t, ", \"max_tx_mbps\": %u", 600 + chance_below(c, 1000));
                if (chance_below(c, 6) == 0)
                        text_put(t, ", \"spoof_check\": %s", chance_below(c, 3) ? "true" : "false");
                if (chance_below(c, 6) == 0)
                        text_put(t, ", \"trust\": %s", chance_below(c, 2) ? "true" : "false");
                if (chance_below(c, 12) == 0)
                        text_put(t, ", \"link_state\": \"%s\"", links[chance_below(c, 3)]);
                if (chance_below(c, 40) == 0)
                        text_put(t, ", \"rss_query\": %s", chance_below(c, 2) ? "true" : "false");
                if (chance_below(c, 2) == 0)
                        put_wishes(t, c);
                text_put(t, "}");
        }
        text_put(t, "} }");
}

struct policy *chance_policy(struct chance *c) {
        struct text t = { .n = 0 };

        text_put(&t, "{ \"version\": 1, ");
        text_put(&t, "\"pools\": {");
        for (unsigned i = 0; i < POOLS; i++) {
                text_put(&t, "%s", i ? "," : "");
                text_put_pool(&t, c, i);
        }
        text_put(&t, "}, \"tenants\": {");
        for (unsigned i = 0; i < TENANTS; i++) {
                text_put(&t, "%s", i ? "," : "");
                text_put_tenant(&t, c, i);
        }
        text_put(&t, "} }");
        return policy_of(t.data);
}

struct host chance_host(struct chance *c, unsigned size) {
        struct host h = { .policy = chance_policy(c), .inventory = { .can_fd = true, .can_node = true } };
        unsigned n = 1 + chance_below(c, size);

        for (unsigned i = 0; i < n; i++) {
                unsigned vfs = 1 + chance_below(c, 2 * size);
                struct pf *pf = host_add_pf(&h, i + 1, vfs, vfs);

                if (chance_below(c, 4) == 0) /* do less than others: see net-driver.c */
                        text_copy(pf->driver, sizeof(pf->driver), chance_below(c, 4) ? "igb" : "fsl_enetc");
                pf->pool = (int) chance_below(c, POOLS);
                pf->numa_node = (int) chance_below(c, 3) - 1;
                pf->link_mbps = chance_below(c, 3) ? 1000 : 0;
                pf->drained = chance_below(c, 12) == 0;
                pf->stuck = chance_below(c, 20) == 0;
                for (unsigned k = 0; k < vfs; k++)
                        if (chance_below(c, 12) == 0)
                                pf->vfs[k]->state = VF_QUARANTINED;
        }
        return h;
}

struct request chance_request(struct chance *c) {
        struct request r = { .tenant = tenant_names[chance_below(c, TENANTS)],
                             .vm = vm_names[chance_below(c, ARRAY_SIZE(vm_names))],
                             .group = chance_below(c, 4) ? NULL : "pair",
                             .n_wants = 1 + chance_below(c, 2) * chance_below(c, 2),
                             .apart = chance_below(c, 4) == 0,
                             .numa_node = chance_below(c, 2) ? NUMA_NODE_ANY : (int) chance_below(c, 2) };

        r.together = !r.apart && chance_below(c, 6) == 0;
        for (size_t i = 0; i < r.n_wants; i++) {
                struct want *w = &r.wants[i];

                *w = (struct want){ .pool = pool_names[chance_below(c, POOLS)],
                                    .count = 1 + chance_below(c, 3) };
                if (chance_below(c, 14) == 0) {
                        w->chosen.set |= ATTR_VLAN;
                        w->chosen.vlan = (uint16_t) (100 + chance_below(c, 130));
                }
                if (chance_below(c, 14) == 0) {
                        w->chosen.set |= ATTR_MIN_TX;
                        w->chosen.min_tx_mbps = chance_below(c, 500);
                }
                if (w->count == 1 && chance_below(c, 4) == 0) {
                        w->chosen.set |= ATTR_MAC;
                        w->chosen.mac = mac_from_number(0x020000000000 + (chance_below(c, 3) << 16) +
                                                        (chance_below(c, 2) << 8) + chance_below(c, 2));
                }
        }
        return r;
}

const char *request_group(const struct request *r) {
        return r->group ? r->group : r->vm;
}

void host_take(struct host *h, const struct request *r, const struct allocation *a, unsigned serial) {
        struct lease *l = host_add_lease(h, r->tenant, r->wants[0].pool, r->vm, a->vfs[0].vf->pf, 0, 0);

        snprintf(l->id, sizeof(l->id), "%016x", serial);
        text_copy(l->group, sizeof(l->group), request_group(r));
        l->apart = a->apart;
        l->hand_off = a->hand_off;
        for (size_t i = 1; i < r->n_wants; i++)
                text_copy(l->pools[l->n_pools++], sizeof(l->pools[0]), r->wants[i].pool);
        for (size_t i = 0; i < a->n_vfs; i++) {
                struct vf *vf = a->vfs[i].vf;

                l->vfs[l->n_vfs++] = (struct leased_vf){ .address = vf->address,
                                                         .pf = vf->pf->address,
                                                         .pool = a->vfs[i].want,
                                                         .attributes = a->vfs[i].attributes };
                vf->state = VF_LEASED;
                memcpy(vf->lease, l->id, sizeof(vf->lease));
        }
}

void host_give_back(struct host *h, size_t i) {
        struct lease *l = h->leases[i];

        for (size_t p = 0; p < h->inventory.n_pfs; p++)
                for (size_t k = 0; k < h->inventory.pfs[p]->n_vfs; k++) {
                        struct vf *vf = h->inventory.pfs[p]->vfs[k];

                        if (strcmp(vf->lease, l->id) != 0)
                                continue;
                        vf->state = VF_READY;
                        vf->lease[0] = '\0';
                }
        free(l);
        memmove(h->leases + i, h->leases + i + 1, (--h->n_leases - i) * sizeof(*h->leases));
}
