/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/worker-changeset: there and back, and what neither side must believe. */

#include "common/macro.h"
#include "daemon/worker-changeset.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct vf_change good = { .index = 3,
                                       .mode = VF_CHANGE_SET,
                                       .attributes = { .set = ATTR_ALL,
                                                       .mac = { { 2, 0, 0, 0, 0, 1 } },
                                                       .vlan = 7,
                                                       .vlan_protocol = VLAN_8021AD,
                                                       .spoof_check = true,
                                                       .link_state = LINK_STATE_DISABLE,
                                                       .function_state = FUNCTION_STATE_INACTIVE,
                                                       .max_io_eqs = UINT32_MAX } };

static int there_and_back(const struct vf_change *c, size_t n, size_t n_read, struct vf_change **ret) {
        int fd = changeset_write(c, n);

        assert_true(fd >= 0);
        int r = changeset_read(fd, n_read, 8, ret);
        close(fd);
        return r;
}

static void test_good(void **state) {
        const struct vf_change c[] = { { .mode = VF_CHANGE_READ }, good };
        struct vf_change *got;

        assert_int_equal(there_and_back(c, 2, 2, &got), 0);
        assert_memory_equal(got, c, sizeof(c));
        free(got);
        assert_int_equal(there_and_back(c, 2, 1, &got), -EINVAL);
        assert_int_equal(there_and_back(c, 1, 2, &got), -EINVAL);
        assert_int_equal(there_and_back(c, 1, 0, &got), -EINVAL);
}

/* One thing wrong with the second of two. */
static void test_bad(void **state) {
        struct vf_change bad[13], *got;

        FOREACH_ARRAY(b, bad, ARRAY_SIZE(bad))
                *b = good;
        bad[0].index = 1; /* not above the first's */
        bad[1].index = 8;
        bad[2].mode = _VF_CHANGE_MODE_MAX;
        bad[3].wish = ATTR_ALL + 1;
        bad[4].failed = ATTR_ALL + 1;
        bad[5].error = 1;
        bad[6].attributes.set = ATTR_ALL + 1;
        bad[7].attributes.mac.byte[0] = 1;
        bad[8].attributes.vlan_qos = VLAN_QOS_MAX + 1;
        bad[9].attributes.vlan_protocol = _VLAN_PROTOCOL_MAX;
        bad[10].attributes.link_state = _LINK_STATE_MAX;
        bad[11].attributes.function_state = _FUNCTION_STATE_MAX;
        memset(&bad[12].attributes.trust, 2, 1);
        FOREACH_ARRAY(b, bad, ARRAY_SIZE(bad)) {
                const struct vf_change c[] = { { .index = 1 }, *b };

                assert_int_equal(there_and_back(c, 2, 2, &got), -EINVAL);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_good), cmocka_unit_test(test_bad) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
