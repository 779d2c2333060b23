/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/worker-path: what the daemon takes of a worker's answer about a path. */

#include "common/limits.h"
#include "daemon/worker-path.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

#define PF_A  "0000:01:00.0"
#define VF_A  "0000:01:10.0"
#define WHOLE "0000:03:00.0"

/* The path of a whole function begins with itself. */
static void test_path_of_whole(void **state) {
        struct path_hop hops[2] = { { .kind = HOP_ENDPOINT }, { .kind = HOP_ROOT_PORT } };
        struct pf pf = { .whole = true };
        struct vf vf = { .pf = &pf };
        struct worker_reply p = { .value = { 0, 2, 8 } };

        assert_int_equal(address_parse(WHOLE, &pf.address), 0);
        assert_int_equal(address_parse("0000:00:01.0", &hops[1].address), 0);
        vf.address = hops[0].address = pf.address;
        memcpy(p.data, hops, sizeof(hops));
        worker_path_take_vf(&p, &vf);
        assert_int_equal(vf.hop.kind, HOP_ENDPOINT);
        assert_int_equal(pf.n_path, 2);
        assert_true(address_equal(pf.path[0].address, pf.address));
        assert_int_equal(pf.path[1].kind, HOP_ROOT_PORT);
        assert_int_equal(vf.vectors, 8);
        p.value[2] = 4; /* what is known once, or was set, stands */
        worker_path_take_vf(&p, &vf);
        assert_int_equal(vf.vectors, 8);
        vf.vectors = 0;
        p.value[2] = UINT64_MAX;
        worker_path_take_vf(&p, &vf);
        assert_int_equal(vf.vectors, MSIX_MAX);
        vf.vectors = 0;
        p.error = -ENODEV;
        worker_path_take_vf(&p, &vf);
        assert_int_equal(vf.vectors, 0);
}

/* What a failed look at one VF, or one that misses the PF, says of its siblings: nothing. */
static void test_path_of_one_of_several(void **state) {
        struct path_hop hops[3] = { { .kind = HOP_ENDPOINT, .flags = HOP_READABLE },
                                    { .kind = HOP_ENDPOINT, .flags = HOP_READABLE },
                                    { .kind = HOP_ROOT_PORT, .flags = HOP_READABLE } };
        struct worker_reply p = { .value = { 0, 3 } };
        struct pf pf = { 0 };
        struct vf vf = { .pf = &pf };

        assert_int_equal(address_parse(PF_A, &pf.address), 0);
        assert_int_equal(address_parse(VF_A, &vf.address), 0);
        assert_int_equal(address_parse("0000:00:01.0", &hops[2].address), 0);
        hops[0].address = vf.address;
        hops[1].address = pf.address;
        memcpy(p.data, hops, sizeof(hops));
        worker_path_take_vf(&p, &vf);
        assert_int_equal(vf.hop.flags, HOP_READABLE);
        assert_int_equal(pf.n_path, 2);

        p.error = -EIO;
        worker_path_take_vf(&p, &vf);
        assert_true(address_equal(vf.hop.address, vf.address));
        assert_int_equal(vf.hop.flags, 0);
        assert_int_equal(pf.n_path, 2);
        assert_int_equal(pf.path[1].kind, HOP_ROOT_PORT);
        p.error = 0;
        p.value[1] = 1;
        worker_path_take_vf(&p, &vf);
        assert_int_equal(vf.hop.flags, 0);
        assert_int_equal(pf.n_path, 2);
        worker_path_take_pf(&p, &pf); /* not its path */
        assert_int_equal(pf.n_path, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_path_of_whole),
                cmocka_unit_test(test_path_of_one_of_several),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
