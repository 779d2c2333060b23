/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/worker-eswitch: the state of a switch there and back, and what a daemon must not believe. */

#include "common/macro.h"
#include "daemon/worker-eswitch.h"
#include "daemon/worker-memfd.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char names[3][IFNAME_MAX] = { "eth0_0", "", "fifteen-letters" };

static void test_there_and_back(void **state) {
        char(*out)[IFNAME_MAX] = NULL;
        struct worker_reply reply = { 0 };
        enum eswitch_mode mode;
        int fd = -1;
        size_t n;

        assert_int_equal(worker_eswitch_seal(ESWITCH_SWITCHDEV, names, 3, &reply, &fd), 0);
        assert_int_equal(ftruncate(fd, 1), -1); /* sealed */
        assert_int_equal(worker_eswitch_take(&reply, fd, &mode, &out, &n), 0);
        assert_int_equal(mode, ESWITCH_SWITCHDEV);
        assert_int_equal(n, 3);
        assert_memory_equal(out, names, sizeof(names));
        free(out);
        assert_int_equal(close(fd), 0); /* the caller's */

        fd = -1;
        assert_int_equal(worker_eswitch_seal(ESWITCH_NONE, names, 0, &reply, &fd), 0);
        assert_int_equal(fd, -1);
        assert_int_equal(worker_eswitch_take(&reply, fd, &mode, &out, &n), 0);
        assert_true(mode == ESWITCH_NONE && n == 0);
        free(out);
}

static int take(uint64_t mode, uint64_t n, int fd) {
        const struct worker_reply reply = { .value = { mode, n } };
        char(*out)[IFNAME_MAX] = NULL;
        enum eswitch_mode got;
        size_t got_n;

        int r = worker_eswitch_take(&reply, fd, &got, &out, &got_n);
        if (r >= 0)
                free(out);
        return r;
}

static void test_not_believed(void **state) {
        struct worker_reply reply = { 0 };
        char endless[1][IFNAME_MAX];
        int fd = -1, long_name = -1;

        memset(endless, 'a', sizeof(endless));
        assert_int_equal(worker_eswitch_seal(ESWITCH_SWITCHDEV, names, 3, &reply, &fd), 0);
        assert_int_equal(worker_eswitch_seal(ESWITCH_SWITCHDEV, endless, 1, &reply, &long_name), 0);
        assert_int_equal(take(ESWITCH_LEGACY, 3, fd), 0);
        assert_int_equal(take(ESWITCH_UNKNOWN, 3, fd), -EPROTO);
        assert_int_equal(take(_ESWITCH_MODE_MAX, 3, fd), -EPROTO);
        assert_int_equal(take(1ULL << 32 | ESWITCH_LEGACY, 3, fd), -EPROTO);
        assert_int_equal(take(ESWITCH_LEGACY, 2, fd), -EPROTO);
        assert_int_equal(take(ESWITCH_LEGACY, 4, fd), -EPROTO);
        assert_int_equal(take(ESWITCH_LEGACY, UINT64_MAX, fd), -EPROTO);
        assert_int_equal(take(ESWITCH_LEGACY, 3, -1), -EPROTO);
        assert_int_equal(take(ESWITCH_LEGACY, 1, long_name), -EPROTO);
        int open_fd = memfd_create("not sealed", MFD_CLOEXEC);
        assert_int_equal(ftruncate(open_fd, sizeof(names)), 0);
        assert_int_equal(take(ESWITCH_LEGACY, 3, open_fd), -EPROTO);
        close(open_fd);
        close(fd);
        close(long_name);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_not_believed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
