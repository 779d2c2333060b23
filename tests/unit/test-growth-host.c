/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts of many VFs, and the decisions that are made on them. */

#include "tests/unit/test-growth-host.h"
#include "policy/allocate.h"
#include "policy/explain.h"
#include "policy/over-policy.h"
#include "policy/plan.h"

#include <stdio.h>

/* The pool of every other PF wants fewer VFs than there are, so that promises are in the way. */
static struct policy *make_policy(void) {
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                abort();
        fprintf(f, "{ \"version\": 1, \"pools\": {"
                   " \"net\": { \"functions\": [ { \"driver\": \"igb\" } ], \"vfs\": \"max\","
                   "   \"placement\": \"least-loaded\", \"accept\": [ \"shared-group\" ] },"
                   " \"less\": { \"functions\": [ { \"driver\": \"ice\" } ], \"vfs\": 1 } }, \"tenants\": {");
        for (unsigned i = 0; i < GROWTH_TENANTS; i++)
                fprintf(f,
                        "%s\"t%u\": { \"pools\": { \"less\": { \"quota\": 64 },"
                        " \"net\": { \"quota\": 64, \"pf_share\": \"50%%\", \"macs\": \"02:00:%02x:%02x:00:00/32\" } } }",
                        i ? "," : "", i, i >> 8, i & 255);
        fprintf(f, "} }");
        fclose(f);
        struct policy *p = policy_of(text);
        free(text);
        return p;
}

static void give_mac(struct lease *l, size_t n) {
        l->vfs[0].attributes.set = ATTR_MAC;
        l->vfs[0].attributes.mac = mac_from_number(0x020000000000 + n);
}

static void use_vf(struct host *h, struct pf *pf, unsigned k) {
        const char *pool = h->policy->pools[pf->pool].name;
        size_t n = h->n_leases + h->n_promises;
        char tenant[32], vm[32];

        snprintf(tenant, sizeof(tenant), "t%zu", n % (GROWTH_TENANTS - 1));
        snprintf(vm, sizeof(vm), "vm%zu", n / 50);
        switch (k % 4) {
        case 0:
                give_mac(host_add_lease(h, tenant, pool, vm, pf, k, 1), n);
                break;
        case 1:
                give_mac(host_add_promise(h, tenant, pool, vm, pf, k, 1), n);
                break;
        case 2:
                pf->vfs[k]->state = (k / 4 + pf->address.domain) % 2 ? VF_UNBOUND : VF_BOUND;
                break;
        default:
                break;
        }
}

struct host growth_host(unsigned vfs, unsigned vfs_per_pf, bool shared) {
        struct host h = { .policy = make_policy(), .inventory = { .can_fd = true, .can_node = true } };

        for (unsigned i = 0; i < vfs / vfs_per_pf; i++) {
                struct pf *pf = host_add_pf(&h, 0, vfs_per_pf * 2, 0);

                pf->address = (struct address){ i, 1, 0, 0 };
                pf->pool = !shared && i % 2;
                pf_set_vfs(pf, vfs_per_pf, VF_READY);
                for (unsigned k = 0; k < vfs_per_pf; k++)
                        if (shared) {
                                pf->vfs[k]->group = (int) (i * vfs_per_pf + k) / 2;
                                pf->vfs[k]->group_devices = 2;
                        } else
                                use_vf(&h, pf, k);
        }
        return h;
}

static void need(bool as_expected) {
        if (!as_expected)
                abort();
}

static int ask(const struct world *w, unsigned count) {
        const struct request r = { .tenant = "t999",
                                   .vm = "new",
                                   .wants = { { .pool = "net", .count = count } },
                                   .n_wants = 1,
                                   .numa_node = NUMA_NODE_ANY };
        struct allocation a;
        struct refusal why;

        return allocate(w, &r, &a, &why);
}

static void grant(const struct world *w) {
        need(ask(w, 4) == REASON_NONE);
}

/* Every group is looked at. */
static void look_for_group(const struct world *w) {
        need(ask(w, 3) == REASON_POOL_EMPTY);
}

static void plan(const struct world *w) {
        unsigned kinds[_STEP_KIND_MAX] = { 0 }, reserved = 0;
        struct plan p;

        need(plan_make(w, &p) == 0);
        for (size_t i = 0; i < p.n_steps; i++) {
                kinds[p.steps[i].kind]++;
                reserved += p.steps[i].reason == REASON_RESERVED;
        }
        need(kinds[STEP_RESIZE] == w->inventory->n_pfs && kinds[STEP_BIND] > 0);
        need(kinds[STEP_FENCE] > kinds[STEP_BIND] && reserved == 0); /* leases are told first */
        plan_done(&p);
}

/* Nothing is leased, so that promises are looked for. */
static void plan_promised(const struct world *w) {
        struct world none = *w;
        size_t reserved = 0;
        struct plan p;

        none.n_leases = 0;
        for (size_t i = 0; i < w->inventory->n_pfs; i++)
                for (size_t k = 0; k < w->inventory->pfs[i]->n_vfs; k++)
                        w->inventory->pfs[i]->vfs[k]->lease[0] = '\0';
        need(plan_make(&none, &p) == 0);
        for (size_t i = 0; i < p.n_steps; i++)
                reserved += p.steps[i].reason == REASON_RESERVED;
        need(reserved == w->inventory->n_pfs / 2);
        plan_done(&p);
}

static void judge(const struct world *w) {
        enum reason *leases = calloc(w->n_leases, sizeof(*leases)),
                    *promises = calloc(w->n_promises, sizeof(*promises));

        need(leases && promises && over_policy(w, leases, promises) == 0);
        free(leases);
        free(promises);
}

static void tell(const struct world *w) {
        struct explanations e;

        need(explain(w, "t1", "net", &e) == REASON_NONE);
        explanations_done(&e);
}

const struct decision decisions[] = {
        { "allocate", false, grant },    { "allocate, groups", true, look_for_group },
        { "plan", false, plan },         { "plan, promises", false, plan_promised },
        { "over policy", false, judge }, { "explain", false, tell },
};
const size_t n_decisions = sizeof(decisions) / sizeof(decisions[0]);
