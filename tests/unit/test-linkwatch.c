/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/linkwatch with the kernel of this machine: news, and news that were lost. No privilege is needed:
 * what the monitor's own socket asks is answered into the same queue, in the same messages. */

#include "common/macro.h"
#include "sriov/linkwatch.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#define LOOPBACK 1 /* include/linux/netdevice.h: LOOPBACK_IFINDEX, in each network namespace */
#define MANY     200U

static void ask(const struct linkwatch *w) {
        struct {
                struct nlmsghdr head;
                struct ifinfomsg info;
        } message = { { sizeof(message), RTM_GETLINK, NLM_F_REQUEST, 0, 0 }, { .ifi_index = LOOPBACK } };

        (void) send(linkwatch_fd(w), &message, sizeof(message), 0); /* ENOBUFS here is the same news */
}

/* How often it said each. */
struct news {
        unsigned changed, lost;
};

static struct news read_all(struct linkwatch *w) {
        struct news n = { 0 };
        int ifindex, r;

        while ((r = linkwatch_next(w, &ifindex)) != 0) {
                assert_true(r == 1 || r == -ENOBUFS);
                assert_true(r < 0 || ifindex == LOOPBACK);
                *(r > 0 ? &n.changed : &n.lost) += 1;
        }
        return n;
}

static void test_news(void **state) {
        _cleanup_(linkwatch_freep) struct linkwatch *w = NULL;

        assert_int_equal(linkwatch_new(&w), 0);
        ask(w);
        assert_int_equal(poll(&(struct pollfd){ linkwatch_fd(w), POLLIN, 0 }, 1, 10000), 1);
        struct news n = read_all(w);
        assert_int_equal(n.changed, 1);
        assert_int_equal(n.lost, 0);
}

/* More than the queue holds: it is said once that some were lost, what is left is told, and then it goes on.
 */
static void test_lost(void **state) {
        _cleanup_(linkwatch_freep) struct linkwatch *w = NULL;

        assert_int_equal(linkwatch_new(&w), 0);
        assert_int_equal(setsockopt(linkwatch_fd(w), SOL_SOCKET, SO_RCVBUF, &(int){ 16384 }, sizeof(int)), 0);
        for (unsigned i = 0; i < MANY; i++)
                ask(w);
        struct news n = read_all(w);
        assert_in_range(n.lost, 1, 1);
        assert_in_range(n.changed, 1, MANY - 1);
        ask(w);
        n = read_all(w);
        assert_int_equal(n.changed, 1);
        assert_int_equal(n.lost, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_news),
                cmocka_unit_test(test_lost),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
