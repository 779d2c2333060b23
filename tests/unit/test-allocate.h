/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Requests of one want, and a host with a policy for them: what the tests of allocate() share. */

#include "policy/allocate.h"
#include "tests/unit/test-policy-host.h"
#include "tests/unit/test.h"

#include <string.h>

#define GIB (1ULL << 30)
#define MIB (1ULL << 20)

static const char policy_text[] =
                "{ \"version\": 1, \"pools\": {"
                " \"net\": { \"vfs\": \"max\", \"functions\": [ { \"driver\": \"igb\" } ] },"
                " \"wide\": { \"vfs\": \"max\", \"placement\": \"spread\","
                "   \"functions\": [ { \"driver\": \"ice\" } ] },"
                " \"secret\": { \"vfs\": 1, \"functions\": [ { \"driver\": \"x\" } ] },"
                " \"even\": { \"vfs\": \"max\", \"placement\": \"least-loaded\","
                "   \"functions\": [ { \"driver\": \"y\" } ] } },"
                "\"tenants\": {"
                " \"red\": { \"memlock\": \"4G\", \"pools\": { \"net\": { \"quota\": 4 },"
                "   \"wide\": { \"quota\": 1000 }, \"even\": { \"quota\": 1000 } } },"
                " \"blue\": { \"pools\": { \"net\": { \"quota\": 40 }, \"wide\": { \"quota\": 0 },"
                "   \"even\": { \"quota\": 20 } } } } }";

/* A request of one want. */
struct simple {
        const char *tenant, *pool, *vm;
        unsigned count;
        enum hand_off hand_off;
        uint64_t memory;
        unsigned node; /* 1 + NUMA node of the VM, 0: not said */
};

struct answer {
        int r;
        struct allocation a;
        struct refusal why;
};

static inline struct answer ask_in(const struct world *world, const struct simple *r) {
        struct answer x = { 0 };

        memset(&x.why, 'x', sizeof(x.why));
        const struct request q = {
                .tenant = r->tenant,
                .vm = r->vm,
                .wants = { { .pool = r->pool, .count = r->count } },
                .n_wants = 1,
                .numa_node = r->node > 0 ? (int) r->node - 1 : NUMA_NODE_ANY,
                .hand_off = r->hand_off,
                .memory = r->memory,
        };
        x.r = allocate(world, &q, &x.a, &x.why);
        assert_non_null(memchr(x.why.detail, '\0', sizeof(x.why.detail)));
        assert_non_null(memchr(x.why.beyond, '\0', sizeof(x.why.beyond)));
        return x;
}

static inline struct answer ask(const struct host *h, const struct simple *r) {
        const struct world w = host_world(h);

        return ask_in(&w, r);
}

static inline struct simple request_for(const char *tenant, const char *pool, unsigned count) {
        return (struct simple){ .tenant = tenant, .pool = pool, .vm = "vm", .count = count };
}

static inline struct host new_host(void) {
        struct host h = { .policy = policy_of(policy_text),
                          .inventory = { .can_fd = true, .can_node = true } };

        return h;
}
