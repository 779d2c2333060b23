/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of policy.d in any order, where that does not matter. */

#include "tests/unit/test-policy-chance.h"
#include "tests/unit/test.h"

#include <string.h>

static const char *file_of(struct text *t, struct chance *c, bool pools, int tenant) {
        text_put(t, "{ \"version\": 1");
        if (pools) {
                text_put(t, ", ");
                text_put_pools(t, c);
        }
        if (tenant >= 0) {
                text_put(t, ", \"tenants\": {");
                text_put_tenant(t, c, (unsigned) tenant);
                text_put(t, "}");
        }
        text_put(t, " }");
        return t->data;
}

/* Files of policy.d that define different tenants may come in any order. */
static void order_of_files_does_not_matter(void **state) {
        struct chance c = chance_begin();

        for (unsigned i = 0; i < 300; i++) {
                static struct text t[TENANTS + 1];
                struct policy_source one[TENANTS + 1], two[TENANTS + 1];
                struct policy_errors errors = { 0 };
                struct policy *p = NULL, *q = NULL;
                struct host h = chance_host(&c, 4);
                struct allocation a = { 0 }, b = { 0 };
                char detail[512], detail_b[512];

                for (unsigned k = 0; k <= TENANTS; k++) {
                        t[k].n = 0;
                        const char *text = file_of(&t[k], &c, k == 0, (int) k - 1);
                        one[k] = two[TENANTS - k] = (struct policy_source){ k == 0   ? "pools"
                                                                            : k == 1 ? "one"
                                                                            : k == 2 ? "two"
                                                                                     : "three",
                                                                            text, t[k].n };
                }
                assert_int_equal(policy_parse(one, TENANTS + 1, &p, &errors), 0);
                assert_int_equal(policy_parse(two, TENANTS + 1, &q, &errors), 0);
                struct request r = chance_request(&c);
                struct world w = host_world(&h);
                w.policy = p;
                int x = allocate(&w, &r, &a, detail, sizeof(detail));
                w.policy = q;
                assert_int_equal(allocate(&w, &r, &b, detail_b, sizeof(detail_b)), x);
                assert_string_equal(detail, detail_b);
                assert_memory_equal(&a, &b, sizeof(a));
                policy_free(p);
                policy_free(q);
                policy_errors_done(&errors);
                host_done(&h);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(order_of_files_does_not_matter),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
