/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a tenant may have of a pool, rule by rule. */

#include "policy/explain.h"
#include "common/macro.h"
#include "common/text.h"
#include "policy/promise.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
        struct explanations *e;
        bool no_memory;
};

/* One line; the next say() fills its value and why. */
static void say(struct writer *w, const char *rule, const char *value, const char *format, ...)
                __attribute__((format(printf, 4, 5)));

static void say(struct writer *w, const char *rule, const char *value, const char *format, ...) {
        struct explanation *items = reallocarray(w->e->items, w->e->n + 1, sizeof(*items));
        char why[400];
        va_list ap;

        if (!items) {
                w->no_memory = true;
                return;
        }
        va_start(ap, format);
        vsnprintf(why, sizeof(why), format, ap);
        va_end(ap);
        w->e->items = items;
        items[w->e->n] = (struct explanation){ strdup(rule), strdup(value), strdup(why) };
        w->no_memory = w->no_memory || !items[w->e->n].rule || !items[w->e->n].value || !items[w->e->n].why;
        w->e->n++;
}

static const char *number(char buf[32], uint64_t n, const char *unit) {
        size_t length = strlen(unit) - (n == 1 && strcmp(unit, "VFs") == 0);

        snprintf(buf, 32, "%llu %.*s", (unsigned long long) n, (int) length, unit);
        return buf;
}
#define NUMBER(n, unit) number((char[32]){ 0 }, (n), (unit))

/* In the largest unit that it is a whole number of. */
static const char *duration(char buf[32], uint64_t seconds) {
        return seconds % 86400 == 0  ? number(buf, seconds / 86400, "d")
               : seconds % 3600 == 0 ? number(buf, seconds / 3600, "h")
               : seconds % 60 == 0   ? number(buf, seconds / 60, "min")
                                     : number(buf, seconds, "s");
}

struct usage {
        size_t pool, total;             /* VFs of the tenant */
        size_t pfs, vfs, ready;         /* of the pool */
        size_t least_share, most_share; /* VFs that "pf_share" leaves of one of its PFs */
};

static void count_vf(const struct lease *l, const struct leased_vf *v, const char *pool, struct usage *u) {
        u->total++;
        u->pool += strcmp(l->pools[v->pool], pool) == 0;
}

static void count_pf(const struct pf *pf, const struct grant *g, struct usage *u) {
        size_t share = grant_share_of(g, pf);

        u->least_share = u->pfs == 0 ? share : MIN(u->least_share, share);
        u->most_share = MAX(u->most_share, share);
        u->pfs++;
        u->vfs += pf->n_vfs;
        for (size_t k = 0; k < pf->n_vfs; k++)
                u->ready += pf->vfs[k]->state == VF_READY;
}

static void count(const struct world *w, const struct tenant *t, const struct grant *g, struct usage *u) {
        const char *name = w->policy->pools[g->pool].name;

        for (size_t i = 0; i < w->n_leases; i++)
                for (size_t k = 0; strcmp(w->leases[i]->tenant, t->name) == 0 && k < w->leases[i]->n_vfs; k++)
                        count_vf(w->leases[i], &w->leases[i]->vfs[k], name, u);
        for (size_t i = 0; i < w->n_promises; i++) {
                const struct lease *l = w->promises[i];

                for (size_t k = 0; strcmp(l->tenant, t->name) == 0 && k < l->n_vfs; k++)
                        if (promise_is_open(w->inventory, &l->vfs[k]))
                                count_vf(l, &l->vfs[k], name, u);
        }
        for (size_t i = 0; i < w->inventory->n_pfs; i++)
                if (w->inventory->pfs[i]->pool == (int) g->pool)
                        count_pf(w->inventory->pfs[i], g, u);
}

static void explain_share(struct writer *w, const struct grant *g, const struct usage *u) {
        static const char rule[] = "of the VFs of each PF at most, but at least one";

        if (u->pfs == 0)
                say(w, "pf_share", NUMBER(g->pf_share, "%"), "%s", rule);
        else if (u->least_share == u->most_share)
                say(w, "pf_share", NUMBER(g->pf_share, "%"), "%s; that is %zu", rule, u->most_share);
        else
                say(w, "pf_share", NUMBER(g->pf_share, "%"), "%s; that is %zu to %zu, by the PF", rule,
                    u->least_share, u->most_share);
}

static void explain_quotas(struct writer *w, const struct world *world, const struct tenant *t,
                           const struct grant *g, const struct usage *u) {
        if (world->inventory)
                say(w, "quota", NUMBER(g->quota, "VFs"),
                    "of this pool at the same time; in use or reserved %zu, so %zu more", u->pool,
                    g->quota > u->pool ? g->quota - u->pool : 0);
        else
                say(w, "quota", NUMBER(g->quota, "VFs"), "of this pool at the same time");
        if (t->quota != QUOTA_NONE && world->inventory)
                say(w, "total quota", NUMBER(t->quota, "VFs"),
                    "of all pools together; in use or reserved %zu, so %zu more", u->total,
                    t->quota > u->total ? t->quota - u->total : 0);
        else if (t->quota != QUOTA_NONE)
                say(w, "total quota", NUMBER(t->quota, "VFs"), "of all pools together");
        say(w, "request", NUMBER(ACQUIRE_COUNT_MAX, "VFs"), "at once, of all pools together");
        if (g->pf_share > 0)
                explain_share(w, g, u);
        if (world->inventory)
                say(w, "pool", NUMBER(u->vfs, "VFs"),
                    "on %zu PF%s, %zu of them ready now; who is served first gets them", u->pfs,
                    u->pfs == 1 ? "" : "s", u->ready);
}

static void explain_count(struct writer *w, const struct pool *p) {
        switch (p->vfs.kind) {
        case COUNT_NUMBER:
                say(w, "vfs", NUMBER(p->vfs.n, "VFs"), "of each PF, or as many as it can have");
                break;
        case COUNT_MAX:
                say(w, "vfs", "max", "each PF has as many VFs as it can");
                break;
        case COUNT_PERCENT:
                say(w, "vfs", NUMBER(p->vfs.n, "%"), "of the VFs that each PF can have, but at least one");
                break;
        }
}

/* What the pool makes of its PFs and their VFs. */
static void explain_device(struct writer *w, const struct pool *p) {
        if (p->assign == ASSIGN_FUNCTION)
                say(w, "assign", "function", "whole functions are handed out, not VFs");
        else
                explain_count(w, p);
        if (p->driver)
                say(w, "driver", p->driver, "the VFIO driver that is bound, whatever others the kernel has");
        if (p->msix > 0)
                say(w, "msix", NUMBER(p->msix, "vectors"),
                    "of each VF; it is not leased with another number");
        if (p->eswitch == ESWITCH_SWITCHDEV)
                say(w, "eswitch", "switchdev",
                    "mode of the PF's switch: VFs are told MACs, rates and event queues, all else is the switch's");
        else if (p->eswitch == ESWITCH_LEGACY)
                say(w, "eswitch", "legacy", "mode of the PF's switch: VFs are told all by the PF's driver");
        if (p->max_io_eqs > 0)
                say(w, "max_io_eqs", NUMBER(p->max_io_eqs, "event queues"),
                    "at most for the driver of each VF; only in switchdev mode");
        if (p->drift == DRIFT_REPORT)
                say(w, "drift", "report", "what somebody else changes of a VF is shown, and left as it is");
}

/* "1, 2, 7, ..." */
static const char *list_nsids(const struct storage *s, char buf[64]) {
        size_t at = 0;

        for (size_t i = 0; i < s->n_list; i++) {
                if (at + sizeof(", 4294967293, ...") > 64) {
                        snprintf(buf + at, 64 - at, ", ...");
                        break;
                }
                at += (size_t) snprintf(buf + at, 64 - at, "%s%u", i ? ", " : "", s->list[i]);
        }
        return buf;
}

static void explain_namespaces(struct writer *w, const struct storage *s) {
        static const char *const erases[_ERASE_RULE_MAX] = {
                "after the lease the namespace is deleted with its data",
                "after the lease the namespace is formatted, with an erase of its data",
                "after the lease the key of the namespace's data is thrown away",
                "the data stay: what one VM leaves, the next one finds",
        };

        switch (s->namespaces) {
        case NAMESPACES_NONE:
                say(w, "namespaces", "none", "a VF sees no disk");
                return;
        case NAMESPACES_ATTACHED:
                say(w, "namespaces", "attached", "a VF sees the disks that are attached to its controller");
                break;
        case NAMESPACES_LISTED:
                say(w, "namespaces", list_nsids(s, (char[64]){ 0 }),
                    "each VF sees one of these, which nobody else has");
                break;
        case NAMESPACES_NEW:
                say(w, "namespaces", SIZE_STR(s->size),
                    "each VF sees a disk of this size, made for its lease");
                break;
        case _NAMESPACE_RULE_MAX:
                return;
        }
        say(w, "erase", erase_rule_to_string(s->erase), "%s", erases[s->erase]);
}

static void explain_storage(struct writer *w, const struct pool *p) {
        const struct storage *s = &p->storage;

        if (p->class == POOL_CLASS_STORAGE || s->namespaces != NAMESPACES_NONE)
                explain_namespaces(w, s);
        if (s->queues > 0)
                say(w, "queues", NUMBER(s->queues, "queues"), "of each VF, the admin queue counted");
        if (s->interrupts > 0)
                say(w, "interrupts", NUMBER(s->interrupts, "interrupts"), "of each VF");
        if (s->host_disk)
                say(w, "host_disk", "allow", "PFs with a disk that the host uses give VFs too");
}

static void explain_lease(struct writer *w, const struct tenant *t) {
        if (t->max_lease > 0)
                say(w, "max_lease", duration((char[32]){ 0 }, t->max_lease),
                    "a lease ends then unless it is renewed; a renewal gives the same time again");
        else
                say(w, "max_lease", "none", "a lease lasts until it is released, or until its process ends");
        if (t->memlock > 0)
                say(w, "memlock", SIZE_STR(t->memlock), "the memory that one VM may lock, devices included");
        else
                say(w, "memlock", "none", "the process keeps the limit that it has (RLIMIT_MEMLOCK)");
}

static void explain_placement(struct writer *w, const struct pool *p, const struct usage *u) {
        static const char *const placements[_PLACEMENT_MAX] = {
                "one PF is filled before the next", "the PF with the fewest VFs in use comes first",
                "the PF with the smallest share of its VFs or bandwidth in use comes first"
        };
        char accept[256] = "";
        size_t at = 0;

        say(w, "placement", placement_to_string(p->placement), "%s", placements[p->placement]);
        say(w, "numa", numa_rule_to_string(p->numa),
            p->numa == NUMA_REQUIRE ? "a request must name the node of its VM, and gets VFs of that node only"
                                    : "PFs on the node of the VM come first, if the request names it");
        if (p->apart && u->pfs > 0)
                say(w, "anti_affinity", "true",
                    "VFs of one VM, or of one group of VMs, are on different PFs, of which there are %zu",
                    u->pfs);
        else if (p->apart)
                say(w, "anti_affinity", "true",
                    "VFs of one VM, or of one group of VMs, are on different PFs");
        for (unsigned i = 0; i < _FINDING_MAX; i++)
                if (p->accept & FINDING_BIT(i) && at < sizeof(accept))
                        at += (size_t) snprintf(accept + at, sizeof(accept) - at, "%s%s", at ? ", " : "",
                                                finding_name((enum finding_code) i));
        if (accept[0])
                say(w, "accept", accept, "VFs are leased although these stand against their isolation");
}

static void explain_vlans(struct writer *w, const struct grant *g) {
        char list[200] = "";
        size_t at = 0;

        for (size_t i = 0; i < g->n_vlans && at + 16 < sizeof(list); i++)
                at += (size_t) (g->vlans[i].first == g->vlans[i].last
                                                ? snprintf(list + at, sizeof(list) - at, "%s%u",
                                                           i ? ", " : "", g->vlans[i].first)
                                                : snprintf(list + at, sizeof(list) - at, "%s%u-%u",
                                                           i ? ", " : "", g->vlans[i].first,
                                                           g->vlans[i].last));
        if (g->n_vlans == 0)
                say(w, "vlans", "none", "VFs are untagged, there is nothing to choose");
        else
                say(w, "vlans", list, "may be chosen; a request that names none gets %u", g->vlans[0].first);
}

static void explain_network(struct writer *w, const struct grant *g) {
        const struct vf_attributes *a = &g->attributes;
        char text[64];

        explain_vlans(w, g);
        for (size_t i = 0; i < g->n_macs; i++) {
                snprintf(text, sizeof(text), "%s/%u", MAC_STR(mac_from_number(g->macs[i].base)),
                         g->macs[i].prefix);
                say(w, "macs", text,
                    "a VF gets the lowest that nobody has, or the one that the request names");
        }
        if (g->macs_derived)
                say(w, "macs", "derived",
                    "each VF has its own on this host, also after a reboot; none can be chosen");
        else if (g->n_macs == 0)
                say(w, "macs", "none", "the policy gives no MACs; none can be chosen");
        if (a->set & ATTR_MIN_TX)
                say(w, "min_tx_mbps", NUMBER(a->min_tx_mbps, "Mbit/s"),
                    "guaranteed to each VF; a request may ask for less. Guarantees of one PF stay under its speed");
        if (a->set & ATTR_MAX_TX)
                say(w, "max_tx_mbps", NUMBER(a->max_tx_mbps, "Mbit/s"),
                    "the limit of each VF; a request may ask for less");
        if (a->set & ATTR_SPOOF_CHECK)
                say(w, "spoof_check", a->spoof_check ? "true" : "false", "%s",
                    a->spoof_check ? "packets with another source MAC or VLAN are dropped"
                                   : "the VM may send with any source MAC");
        if (a->set & ATTR_TRUST)
                say(w, "trust", a->trust ? "true" : "false", "%s",
                    a->trust ? "the VM may change its MAC and receive what is not for it"
                             : "the VM may not change its MAC or receive what is not for it");
        if (a->set & ATTR_LINK_STATE)
                say(w, "link_state", link_state_to_string((enum link_state) a->link_state),
                    "what the VF sees of the PF's link");
        if (a->set & ATTR_RSS_QUERY)
                say(w, "rss_query", a->rss_query ? "true" : "false", "%s",
                    a->rss_query ? "the VM may read how the PF spreads what it receives"
                                 : "the VM may not read how the PF spreads what it receives");
        if (g->wish)
                say(w, "wish", ATTRIBUTES_STR(g->wish), "left out where the driver of the PF cannot do it");
}

static int name_id(const struct principal *p, size_t n, char *buf, size_t size) {
        size_t at = 0;

        for (size_t i = 0; i < n && at < size; i++)
                at += (size_t) (p[i].name ? snprintf(buf + at, size - at, "%s%s", at ? ", " : "", p[i].name)
                                          : snprintf(buf + at, size - at, "%s%u", at ? ", " : "", p[i].id));
        return at > 0;
}

int explain(const struct world *world, const char *tenant, const char *pool, struct explanations *ret) {
        const struct tenant *t = policy_find_tenant(world->policy, tenant);
        int index = policy_find_pool(world->policy, pool);
        const struct grant *g = t && index >= 0 ? tenant_find_grant(t, (size_t) index) : NULL;
        struct writer w = { .e = ret };
        struct usage u = { 0 };
        char names[256];

        *ret = (struct explanations){ 0 };
        if (!t)
                return REASON_NO_SUCH_TENANT;
        if (!g)
                return REASON_NO_SUCH_POOL;
        const struct pool *p = &world->policy->pools[index];
        if (name_id(t->users, t->n_users, names, sizeof(names)))
                say(&w, "users", names, "may ask for this tenant, as may root and the group vfctl");
        if (name_id(t->groups, t->n_groups, names, sizeof(names)))
                say(&w, "groups", names, "their members may ask for this tenant");
        if (world->inventory)
                count(world, t, g, &u);
        explain_quotas(&w, world, t, g, &u);
        explain_lease(&w, t);
        explain_device(&w, p);
        explain_placement(&w, p, &u);
        if (p->assign == ASSIGN_VF && p->class != POOL_CLASS_NETWORK)
                explain_storage(&w, p);
        if (p->assign == ASSIGN_VF && p->class != POOL_CLASS_STORAGE)
                explain_network(&w, g);
        if (w.no_memory) {
                explanations_done(ret);
                return -ENOMEM;
        }
        return 0;
}

void explanations_done(struct explanations *e) {
        for (size_t i = 0; i < e->n; i++) {
                free(e->items[i].rule);
                free(e->items[i].value);
                free(e->items[i].why);
        }
        free(e->items);
        *e = (struct explanations){ 0 };
}
