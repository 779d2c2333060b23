/* SPDX-License-Identifier: GPL-2.0-or-later */
/* allocate_ever() and allocate_competes(): what would be if VFs came back, against hosts on which they did.
 */

#include "tests/unit/test-policy-chance.h"
#include "tests/unit/test.h"

#include <string.h>

#define CASES    12000U
#define REQUESTS 14U

static bool is_of(const struct lease *l, const char *tenant) {
        return tenant && strcmp(l->tenant, tenant) == 0;
}

/* Everybody's leases but one tenant's are over, and whatever else keeps VFs from being ready is. */
static void all_come_back(struct host *h, const char *but) {
        for (size_t i = h->n_leases; i > 0; i--)
                if (!is_of(h->leases[i - 1], but))
                        host_give_back(h, i - 1);
        for (size_t i = 0; i < h->inventory.n_pfs; i++) {
                struct pf *pf = h->inventory.pfs[i];

                pf->drained = pf->stuck = false;
                if (!but && pf->link_mbps == 0) /* it comes up */
                        pf->link_mbps = UINT32_MAX;
                for (size_t k = 0; k < pf->n_vfs; k++)
                        if (!pf->vfs[k]->lease[0])
                                pf->vfs[k]->state = VF_READY;
        }
}

/* What is said of a host on which VFs came back is what such a host says. Placement by load may differ, which
 * matters only where VFs with different rates share PFs. */
static void foresees(struct host *h, struct chance *c, unsigned seen[2]) {
        struct world w = host_world(h);
        struct request r = chance_request(c);
        struct allocation a = { 0 };
        struct refusal why;

        r.n_wants = 1;
        int now = allocate(&w, &r, &a, &why), ever = allocate_ever(&w, &r, &why);
        bool competes = now != REASON_NONE && allocate_competes(&w, &r, (enum reason) now);
        all_come_back(h, r.tenant);
        w = host_world(h);
        int without_others = allocate(&w, &r, &a, &why);
        if (now != REASON_NONE && now != REASON_MAC_IN_USE && now != REASON_MACS_USED_UP)
                assert_int_equal(competes, without_others == REASON_NONE ||
                                                           without_others == REASON_POOL_EMPTY ||
                                                           without_others == REASON_NUMA ||
                                                           without_others == REASON_AFFINITY);
        all_come_back(h, NULL);
        w = host_world(h);
        assert_int_equal(allocate(&w, &r, &a, &why), ever);
        if (now == REASON_NONE)
                assert_int_equal(ever, REASON_NONE);
        else if (reason_may_pass((enum reason) now))
                seen[ever == REASON_NONE]++;
}

static void foresees_what_may_come_back(void **state) {
        struct chance c = chance_begin();
        unsigned seen[2] = { 0 };

        for (unsigned i = 0; i < CASES; i++) {
                struct host h = chance_host(&c, 1 + i * 6 / CASES);

                for (unsigned k = 0; k < REQUESTS; k++) {
                        const struct world w = host_world(&h);
                        const struct request r = chance_request(&c);
                        struct allocation a = { 0 };
                        struct refusal why;

                        if (allocate(&w, &r, &a, &why) == REASON_NONE)
                                host_take(&h, &r, &a, k + 1);
                }
                foresees(&h, &c, seen);
                host_done(&h);
        }
        printf("refused for ever: %u, for now: %u\n", seen[0], seen[1]);
        assert_true(seen[0] > CASES / 10 && seen[1] > CASES / 10);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(foresees_what_may_come_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
