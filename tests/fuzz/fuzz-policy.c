/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy parser: a NUL parts the input into files. What is refused has errors with places, in order; what
 * is accepted is whole: every grant has a pool, every name is good and there once. */

#include "common/limits.h"
#include "common/macro.h"
#include "common/text.h"
#include "policy/policy.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#define INPUT_MAX   16384
#define SOURCES_MAX 4

static size_t split(const char *text, size_t size, struct policy_source sources[SOURCES_MAX]) {
        static const char *const names[SOURCES_MAX] = { "a.json", "b.json", "c.json", "d.json" };
        size_t n = 0;

        while (n < SOURCES_MAX) {
                const char *end = n < SOURCES_MAX - 1 ? memchr(text, '\0', size) : NULL;
                size_t length = end ? (size_t) (end - text) : size;

                sources[n] = (struct policy_source){ names[n], text, length };
                n++;
                if (!end)
                        break;
                text = end + 1;
                size -= length + 1;
        }
        return n;
}

static void require_errors(const struct policy_errors *e) {
        REQUIRE(e->n > 0);
        for (size_t i = 0; i < e->n; i++) {
                const struct policy_error *p = &e->items[i], *before = i ? p - 1 : NULL;

                REQUIRE(p->message[0] && p->file[0]);
                REQUIRE(i == 1000 || (p->at.line > 0 && p->at.column > 0));
                REQUIRE(i == 1000 || !before || strcmp(before->file, p->file) < 0 ||
                        (strcmp(before->file, p->file) == 0 && before->at.line <= p->at.line));
        }
}

static void require_grant(const struct policy *p, const struct grant *g) {
        const struct vf_attributes *a = &g->attributes;

        REQUIRE(g->pool < p->n_pools && g->pf_share <= 100);
        REQUIRE(!(a->set & ATTR_MAC) && !(a->set & ATTR_VLAN) == (g->n_vlans == 0));
        REQUIRE(!(a->set & ATTR_VLAN) || grant_allows_vlan(g, a->vlan));
        REQUIRE(!(a->set & ATTR_MIN_TX) || !(a->set & ATTR_MAX_TX) || a->min_tx_mbps <= a->max_tx_mbps);
        REQUIRE(a->set == 0 ||
                (p->pools[g->pool].assign == ASSIGN_VF && p->pools[g->pool].class != POOL_CLASS_STORAGE));
        for (size_t i = 0; i < g->n_macs; i++)
                REQUIRE(mac_is_unicast(mac_from_number(g->macs[i].base)) &&
                        grant_allows_mac(g, mac_from_number(g->macs[i].base)));
}

static void require_policy(const struct policy *p) {
        for (size_t i = 0; i < p->n_pools; i++) {
                REQUIRE(name_is_valid(p->pools[i].name));
                REQUIRE(policy_find_pool(p, p->pools[i].name) == (int) i);
                REQUIRE(p->pools[i].n_functions > 0);
                REQUIRE((p->pools[i].assign == ASSIGN_VF) == (pool_vf_count(&p->pools[i], 64) > 0));
        }
        for (size_t i = 0; i < p->n_tenants; i++) {
                const struct tenant *t = &p->tenants[i];

                REQUIRE(name_is_valid(t->name) && policy_find_tenant(p, t->name) == t);
                for (size_t j = 0; j < t->n_grants; j++) {
                        require_grant(p, &t->grants[j]);
                        REQUIRE(tenant_find_grant(t, t->grants[j].pool) == &t->grants[j]);
                }
                for (size_t j = 0; j < t->n_users; j++)
                        REQUIRE(t->users[j].name ? !t->users[j].resolved
                                                 : t->users[j].resolved && t->users[j].id != 0);
                REQUIRE(!tenant_has_user(t, 0, NULL, 0));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct policy_source sources[SOURCES_MAX] = { 0 };
        struct policy_errors errors = { 0 };
        struct policy *p = NULL;

        if (size > INPUT_MAX)
                return 0;
        int r = policy_parse(sources, split((const char *) data, size, sources), &p, &errors);
        REQUIRE(r == 0 || r == -EINVAL);
        if (r == 0) {
                REQUIRE(p && errors.n == 0);
                require_policy(p);
        } else {
                REQUIRE(!p);
                require_errors(&errors);
        }
        policy_free(p);
        policy_errors_done(&errors);
        return 0;
}
