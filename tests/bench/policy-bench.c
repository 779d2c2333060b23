/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How allocate() and plan_make() grow with the number of VFs: 64, 512, 4,096 on 16 PFs, half of them leased,
 * and 1,000 tenants. Prints microseconds, and how many times the work per VF is that of the smallest host:
 * about 1 is linear. */

#include "policy/allocate.h"
#include "policy/plan.h"
#include "tests/unit/test-policy-host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PFS     16U
#define TENANTS 1000U

static double now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

static struct policy *make_policy(void) {
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                abort();
        fprintf(f,
                "{ \"version\": 1, \"pools\": { \"net\": { \"functions\": [ { \"driver\": \"igb\" } ], \"vfs\": \"max\","
                " \"placement\": \"least-loaded\" } }, \"tenants\": {");
        for (unsigned i = 0; i < TENANTS; i++)
                fprintf(f,
                        "%s\"t%u\": { \"pools\": { \"net\": { \"quota\": 64, \"macs\": \"02:00:%02x:%02x:00:00/32\" } } }",
                        i ? "," : "", i, i >> 8, i & 255);
        fprintf(f, "} }");
        fclose(f);
        struct policy *p = policy_of(text);
        free(text);
        return p;
}

/* Every other VF belongs to a lease of its own. */
static struct host make_host(unsigned vfs) {
        struct host h = { .policy = make_policy(), .inventory = { .can_fd = true, .can_node = true } };

        for (unsigned i = 0; i < PFS; i++) {
                struct pf *pf = host_add_pf(&h, 8 * i + 1, vfs / PFS * 2, vfs / PFS);

                pf->pool = 0;
                for (unsigned k = 0; k < vfs / PFS; k += 2) {
                        char tenant[16];

                        snprintf(tenant, sizeof(tenant), "t%u", (i * vfs / PFS + k) % TENANTS);
                        struct lease *l = host_add_lease(&h, tenant, "net", "vm", pf, k, 1);
                        l->vfs[0].attributes.set = ATTR_MAC;
                        l->vfs[0].attributes.mac = mac_from_number(0x020000000000 + h.n_leases);
                }
        }
        return h;
}

static double time_allocate(const struct host *h) {
        const struct world w = host_world(h);
        const struct request r = { .tenant = "t999",
                                   .vm = "new",
                                   .wants = { { .pool = "net", .count = 4 } },
                                   .n_wants = 1,
                                   .numa_node = NUMA_NODE_ANY };
        const unsigned rounds = 400;
        struct allocation a;
        char detail[256];
        double begun = now();

        for (unsigned i = 0; i < rounds; i++)
                if (allocate(&w, &r, &a, detail, sizeof(detail)) != REASON_NONE)
                        abort();
        return (now() - begun) / rounds;
}

static double time_plan(const struct host *h) {
        const struct world w = host_world(h);
        const unsigned rounds = 100;
        double begun = now();

        for (unsigned i = 0; i < rounds; i++) {
                struct plan p;

                if (plan_make(&w, &p) < 0 || p.n_steps != PFS)
                        abort();
                plan_done(&p);
        }
        return (now() - begun) / rounds;
}

int main(void) {
        static const unsigned sizes[] = { 64, 512, 4096 };
        double first[2] = { 0 };

        for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                struct host h = make_host(sizes[i]);
                double t[2] = { time_allocate(&h) / sizes[i], time_plan(&h) / sizes[i] };

                for (unsigned k = 0; k < 2; k++) {
                        first[k] = i == 0 ? t[k] : first[k];
                        printf("%-8s %5u VFs %10.1f us %6.2f times the work per VF\n",
                               k ? "plan" : "allocate", sizes[i], t[k] * sizes[i], t[k] / first[k]);
                }
                host_done(&h);
        }
        return 0;
}
