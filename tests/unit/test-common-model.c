/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/model: names of states, finding PFs, freeing an inventory. */

#include "common/macro.h"
#include "common/model.h"
#include "tests/unit/test.h"

static void names_states(void **state) {
        static const char *const expected[] = {
                "absent",  "unmanaged", "unbound",    "bound",       "ready",
                "leasing", "leased",    "reclaiming", "quarantined", "stuck"
        };

        assert_int_equal(ARRAY_SIZE(expected), _VF_STATE_MAX);
        for (unsigned i = 0; i < _VF_STATE_MAX; i++) {
                assert_string_equal(vf_state_to_string((enum vf_state) i), expected[i]);
                assert_int_equal(vf_state_from_string(expected[i]), i);
        }
        assert_string_equal(vf_state_to_string(_VF_STATE_MAX), "unknown");
        assert_int_equal(vf_state_from_string("fenced"), _VF_STATE_MAX);
        assert_int_equal(vf_state_from_string(""), _VF_STATE_MAX);
}

static void names_hand_offs(void **state) {
        assert_string_equal(hand_off_to_string(HAND_OFF_AUTO), "auto");
        assert_string_equal(hand_off_to_string(HAND_OFF_FD), "fd");
        assert_string_equal(hand_off_to_string(HAND_OFF_NODE), "node");
        assert_string_equal(hand_off_to_string(_HAND_OFF_MAX), "unknown");
        for (unsigned i = 0; i < _HAND_OFF_MAX; i++)
                assert_int_equal(hand_off_from_string(hand_off_to_string((enum hand_off) i)), i);
        assert_int_equal(hand_off_from_string("FD"), _HAND_OFF_MAX);

        assert_string_equal(backend_to_string(BACKEND_NONE), "none");
        assert_string_equal(backend_to_string(BACKEND_GROUP), "group");
        assert_string_equal(backend_to_string(BACKEND_IOMMUFD), "iommufd");
        assert_string_equal(backend_to_string(_BACKEND_MAX), "unknown");
}

static struct pf *new_pf(uint8_t bus, size_t n_vfs) {
        struct pf *pf = calloc(1, sizeof(*pf));

        assert_non_null(pf);
        pf->address = (struct address){ 0, bus, 0, 0 };
        pf->vfs = calloc(n_vfs, sizeof(*pf->vfs));
        for (; pf->n_vfs < n_vfs; pf->n_vfs++)
                pf->vfs[pf->n_vfs] = calloc(1, sizeof(struct vf));
        return pf;
}

static void finds_pfs(void **state) {
        struct inventory inv = { 0 };

        assert_null(inventory_find_pf(&inv, (struct address){ 0, 1, 0, 0 }));

        /* every size from 1 to 9, so that each turn of the search is taken; buses 2, 4, 6 … exist */
        for (size_t n = 1; n <= 9; n++) {
                inv.pfs = calloc(n, sizeof(*inv.pfs));
                for (inv.n_pfs = 0; inv.n_pfs < n; inv.n_pfs++)
                        inv.pfs[inv.n_pfs] = new_pf((uint8_t) (2 * (inv.n_pfs + 1)), inv.n_pfs + 1);
                for (uint8_t bus = 0; bus <= 2 * n + 1; bus++) {
                        struct pf *expected = bus > 0 && bus % 2 == 0 ? inv.pfs[bus / 2 - 1] : NULL;

                        assert_ptr_equal(inventory_find_pf(&inv, (struct address){ 0, bus, 0, 0 }), expected);
                        assert_null(inventory_find_pf(&inv, (struct address){ 0, bus, 0, 1 }));
                }
                inventory_done(&inv);
                assert_null(inv.pfs);
                assert_int_equal(inv.n_pfs, 0);
        }
        assert_null(pf_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_states),
                cmocka_unit_test(names_hand_offs),
                cmocka_unit_test(finds_pfs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
