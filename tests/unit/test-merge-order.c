/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of policy.d in any order, where that does not matter: as long as no two pools select the same PF. */

#include "common/text.h"
#include "policy/explain.h"
#include "policy/plan.h"
#include "tests/unit/test-policy-chance.h"
#include "tests/unit/test.h"

#include <string.h>

/* Every pool and tenant in a file of its own, and so "defaults" and "faults". */
#define FILES (POOLS + TENANTS + 2)

static void put_defaults(struct text *t, struct chance *c) {
        text_put(t, "\"defaults\": { \"memlock\": \"%uG\", \"max_lease\": \"%uh\", \"pools\": {",
                 1 + chance_below(c, 9), 1 + chance_below(c, 9));
        for (unsigned i = 0; i < POOLS; i++)
                text_put(t,
                         "%s \"%s\": { \"pf_share\": \"%u%%\", \"vlans\": [ %u ], \"spoof_check\": %s,"
                         " \"link_state\": \"enable\" }",
                         i ? "," : "", pool_names[i], 30 + chance_below(c, 70), 1 + chance_below(c, 100),
                         chance_below(c, 2) ? "true" : "false");
        text_put(t, "} }");
}

static void put_file(struct text *t, struct chance *c, unsigned i) {
        t->n = 0;
        text_put(t, "{ \"version\": 1, ");
        if (i < POOLS) {
                text_put(t, "\"pools\": {");
                text_put_pool(t, c, i);
                text_put(t, "}");
        } else if (i < POOLS + TENANTS) {
                text_put(t, "\"tenants\": {");
                text_put_tenant(t, c, i - POOLS);
                text_put(t, "}");
        } else if (i == POOLS + TENANTS)
                put_defaults(t, c);
        else
                text_put(t, "\"faults\": { \"dma\": { \"limit\": %u, \"seconds\": %u, \"action\": \"%s\" } }",
                         1 + chance_below(c, 9), 1 + chance_below(c, 99),
                         chance_below(c, 2) ? "log" : "quarantine");
        text_put(t, " }");
}

static void shuffle(struct policy_source files[FILES], struct chance *c) {
        for (unsigned i = FILES - 1; i > 0; i--) {
                unsigned k = chance_below(c, i + 1);
                struct policy_source swap = files[i];

                files[i] = files[k];
                files[k] = swap;
        }
}

/* The host under the policy of the files in this order. */
static struct world world_of(struct host *h, const struct policy_source files[FILES]) {
        struct policy_errors errors = { 0 };
        size_t one, two;

        policy_free(h->policy);
        assert_int_equal(policy_parse(files, FILES, &h->policy, &errors), 0);
        for (size_t i = 0; i < h->inventory.n_pfs; i++)
                h->inventory.pfs[i]->pool = policy_pool_of(h->policy, h->inventory.pfs[i], &one, &two);
        return host_world(h);
}

/* All that is said under a policy: what each tenant may have, what there is to do, what follows from faults.
 */
static char *describe(const struct world *w) {
        const struct fault_rule *f = &w->policy->dma_faults;
        struct plan p;
        char *text = NULL, step[256];

        for (unsigned t = 0; t < TENANTS; t++)
                for (unsigned k = 0; k < POOLS; k++) {
                        struct explanations e;

                        assert_int_equal(explain(w, tenant_names[t], pool_names[k], &e), REASON_NONE);
                        FOREACH_ARRAY(i, e.items, e.n)
                                text_append(&text, "%s %s %s\n", i->rule, i->value, i->why);
                        explanations_done(&e);
                }
        assert_int_equal(plan_make(w, &p), 0);
        FOREACH_ARRAY(s, p.steps, p.n_steps)
                text_append(&text, "%s: %s\n", step_describe(s, step, sizeof(step)), s->because);
        plan_done(&p);
        text_append(&text, "%u %u %d\n", f->limit, f->seconds, f->action);
        return text;
}

static void order_of_files_does_not_matter(void **state) {
        struct chance c = chance_begin();
        unsigned granted = 0;

        for (unsigned i = 0; i < 400; i++) {
                static struct text texts[FILES];
                struct policy_source files[FILES];
                struct host h = chance_host(&c, 4);
                struct request r = chance_request(&c);
                struct allocation a = { 0 }, b = { 0 };
                struct refusal why, why_b;

                for (unsigned k = 0; k < FILES; k++) {
                        put_file(&texts[k], &c, k);
                        files[k] = (struct policy_source){ "file", texts[k].data, texts[k].n };
                }
                for (size_t k = 0; k < h.inventory.n_pfs; k++)
                        text_copy(h.inventory.pfs[k]->driver, sizeof(h.inventory.pfs[k]->driver),
                                  pool_drivers[chance_below(&c, POOLS)]);
                struct world w = world_of(&h, files);
                _cleanup_free_ char *said = describe(&w);
                int no = allocate(&w, &r, &a, &why);
                granted += no == REASON_NONE;
                for (unsigned k = 0; k < 4; k++) {
                        shuffle(files, &c);
                        w = world_of(&h, files);
                        _cleanup_free_ char *again = describe(&w);
                        assert_string_equal(again, said);
                        memset(&b, 0, sizeof(b));
                        assert_int_equal(allocate(&w, &r, &b, &why_b), no);
                        assert_string_equal(why_b.detail, why.detail);
                        assert_string_equal(why_b.beyond, why.beyond);
                        assert_memory_equal(&a, &b, sizeof(a));
                }
                host_done(&h);
        }
        assert_true(granted > 40);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(order_of_files_does_not_matter),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
