/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/devlink-message and sriov/devlink-parse against what iproute2 and a kernel said to each other. */

#include "common/macro.h"
#include "sriov/devlink-message.h"
#include "sriov/devlink-uapi.h"
#include "tests/unit/captured-devlink.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

static const struct devlink_handle card = { "netdevsim", "netdevsim1" };
static const struct devlink_handle portsim = { "platform", "portsim" };
static const struct devlink_function whole = { .set = FUNCTION_HW_ADDR | FUNCTION_STATE | FUNCTION_MAX_IO_EQS,
                                               .hw_addr = { { 2, 0, 0, 0, 0, 5 } },
                                               .active = true,
                                               .max_io_eqs = 32 };

/* One or several messages, aligned as received ones are. */
struct bytes {
        uint8_t *data;
        size_t n;
};

static struct bytes bytes_of(const char *hex) {
        struct bytes b = { calloc(1, strlen(hex) / 2 + 1), strlen(hex) / 2 };

        assert_non_null(b.data);
        for (size_t i = 0; i < b.n; i++)
                assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &b.data[i]), 1);
        return b;
}

static const struct nlmsghdr *first(const struct bytes *b) {
        const struct nlmsghdr *h = (const void *) b->data;

        assert_true(NLMSG_OK(h, b->n));
        return h;
}

static const void *attributes(const struct nlmsghdr *h, size_t *ret) {
        assert_true(h->nlmsg_len >= NLMSG_HDRLEN + GENL_HDRLEN);
        *ret = h->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN;
        return (const char *) h + NLMSG_HDRLEN + GENL_HDRLEN;
}

/* Both have the same attributes, in whatever order; none is there twice. */
static void assert_same(const void *a, const void *b, size_t n) {
        struct nlattr *i, *there;
        int left, left_there;

        nla_for_each_attr(i, (struct nlattr *) (uintptr_t) a, (int) n, left) {
                unsigned same = 0;

                nla_for_each_attr(there, (struct nlattr *) (uintptr_t) b, (int) n, left_there) {
                        if (there->nla_type != i->nla_type)
                                continue;
                        same++;
                        assert_int_equal(there->nla_len, i->nla_len);
                        if (i->nla_type & NLA_F_NESTED)
                                assert_same(nla_data(i), nla_data(there), (size_t) nla_len(i));
                        else
                                assert_memory_equal(nla_data(i), nla_data(there), (size_t) nla_len(i));
                }
                assert_int_equal(same, 1);
        }
        assert_int_equal(left, 0);
}

/* Said by us as by iproute2, but for what the socket fills in. The end of a list is no acknowledgement, for
 * which iproute2 asks all the same. */
static void assert_said(struct nl_msg *msg, int built, const char *captured) {
        struct bytes b = bytes_of(captured);
        const struct nlmsghdr *theirs = first(&b), *ours = nlmsg_hdr(msg);
        uint16_t ignored = (theirs->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP ? NLM_F_ACK : 0;
        size_t n_theirs, n_ours;
        const void *a = attributes(theirs, &n_theirs), *o = attributes(ours, &n_ours);

        assert_int_equal(built, 0);
        assert_int_equal(theirs->nlmsg_len, b.n);
        assert_int_equal(ours->nlmsg_type, theirs->nlmsg_type);
        assert_int_equal(ours->nlmsg_flags & ~ignored, theirs->nlmsg_flags & ~ignored);
        assert_memory_equal((const char *) ours + NLMSG_HDRLEN, (const char *) theirs + NLMSG_HDRLEN,
                            sizeof(struct genlmsghdr));
        assert_int_equal(n_ours, n_theirs);
        assert_same(o, a, n_ours);
        free(b.data);
        nlmsg_free(msg);
}

/* A message to fill, and the number that the family had. */
static struct nl_msg *begin(const char *captured, int *family) {
        struct bytes b = bytes_of(captured);
        struct nl_msg *msg = nlmsg_alloc();

        assert_non_null(msg);
        *family = first(&b)->nlmsg_type;
        free(b.data);
        return msg;
}

static void test_eswitch(void **state) {
        int f;
        struct nl_msg *m = begin(asked_eswitch_legacy, &f);

        assert_said(m, devlink_ask_eswitch(m, f, &card), asked_eswitch_legacy);
        m = begin(asked_eswitch_set, &f);
        assert_said(m, devlink_tell_eswitch(m, f, &card, ESWITCH_SWITCHDEV), asked_eswitch_set);
}

static void test_ports(void **state) {
        int f;
        struct nl_msg *m = begin(asked_ports, &f);

        assert_said(m, devlink_ask_ports(m, f, &card), asked_ports);
        m = begin(asked_port, &f);
        assert_said(m, devlink_ask_port(m, f, &card, CAPTURED_PORT), asked_port);
}

static void test_function(void **state) {
        static const struct {
                const char *captured;
                uint32_t set;
                bool active;
        } cases[] = {
                { asked_function_address, FUNCTION_HW_ADDR, false },
                { asked_function_queues, FUNCTION_MAX_IO_EQS, false },
                { asked_function_inactive, FUNCTION_STATE, false },
                { asked_function_all, FUNCTION_HW_ADDR | FUNCTION_STATE | FUNCTION_MAX_IO_EQS, true },
        };

        int f;

        FOREACH_ARRAY(c, cases, ARRAY_SIZE(cases)) {
                struct devlink_function want = whole;
                struct nl_msg *m = begin(c->captured, &f);

                want.set = c->set;
                want.active = c->active;
                assert_said(m, devlink_tell_function(m, f, &card, CAPTURED_PORT, &want), c->captured);
        }
        struct nl_msg *m = begin(asked_portsim_all, &f);
        assert_said(m, devlink_tell_function(m, f, &portsim, 2, &whole), asked_portsim_all);
}

/* What cannot be told is not: no message goes out. */
static void test_function_that_cannot_be_told(void **state) {
        const uint32_t sets[] = { 0, FUNCTION_OPSTATE, FUNCTION_CAPS, FUNCTION_HW_ADDR | FUNCTION_CAPS };

        FOREACH_ARRAY(set, sets, ARRAY_SIZE(sets)) {
                struct devlink_function want = whole;
                struct nl_msg *m = nlmsg_alloc();

                want.set = *set;
                assert_int_equal(devlink_tell_function(m, 20, &card, 1, &want), -EINVAL);
                nlmsg_free(m);
        }
}

static void test_rate(void **state) {
        const struct devlink_rate rate = { 10 * BYTES_PER_MBIT, 2500 * BYTES_PER_MBIT };
        int f;
        struct nl_msg *m = begin(asked_rate, &f);

        assert_said(m, devlink_ask_rate(m, f, &card, CAPTURED_PORT), asked_rate);
        m = begin(asked_rate_set, &f);
        assert_said(m, devlink_tell_rate(m, f, &card, CAPTURED_PORT, &rate), asked_rate_set);
}

static int build(unsigned what, struct nl_msg *m) {
        const struct devlink_rate rate = { 1, 2 };

        return what == 0   ? devlink_tell_eswitch(m, 20, &card, ESWITCH_SWITCHDEV)
               : what == 1 ? devlink_ask_ports(m, 20, &card)
               : what == 2 ? devlink_ask_port(m, 20, &card, 1)
               : what == 3 ? devlink_tell_function(m, 20, &card, 1, &whole)
                           : devlink_tell_rate(m, 20, &card, 1, &rate);
}

/* A message without room for all of it is an error, wherever it ends. */
static void test_no_room(void **state) {
        for (unsigned what = 0; what < 5; what++) {
                struct nl_msg *m = nlmsg_alloc();

                assert_int_equal(build(what, m), 0);
                size_t needed = nlmsg_hdr(m)->nlmsg_len;
                nlmsg_free(m);
                for (size_t room = NLMSG_HDRLEN; room <= needed; room += NLMSG_ALIGNTO) {
                        m = nlmsg_alloc_size(room);
                        assert_int_equal(build(what, m), room < needed ? -ENOMEM : 0);
                        nlmsg_free(m);
                }
        }
}

static void test_answers_of_eswitch(void **state) {
        static const struct {
                const char *captured;
                enum eswitch_mode mode;
        } cases[] = { { answer_eswitch_legacy, ESWITCH_LEGACY },
                      { answer_eswitch_switchdev, ESWITCH_SWITCHDEV } };

        FOREACH_ARRAY(c, cases, ARRAY_SIZE(cases)) {
                struct bytes b = bytes_of(c->captured);
                enum eswitch_mode mode;
                size_t n;
                const void *a = attributes(first(&b), &n);

                assert_int_equal(devlink_parse_eswitch(a, n, &card, &mode), 0);
                assert_int_equal(mode, c->mode);
                free(b.data);
        }
}

/* The uplink and the VFs' ports, each with an interface of its own. */
static void test_answers_of_ports(void **state) {
        struct bytes b = bytes_of(answer_ports);
        struct nlmsghdr *h = (void *) b.data;
        size_t n, vfs = 0, others = 0;
        int left = (int) b.n;
        struct devlink_port p;

        for (; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
                const void *a = attributes(h, &n);

                assert_int_equal(devlink_parse_port(a, n, &card, &p), 0);
                assert_true(p.set & PORT_HAS_FLAVOUR && p.ifindex > 0 && p.netdev[0]);
                assert_int_equal(p.function.set, 0);
                if (p.flavour != DEVLINK_PORT_FLAVOUR_PCI_VF) {
                        assert_int_equal(p.flavour, DEVLINK_PORT_FLAVOUR_PHYSICAL);
                        others++;
                        continue;
                }
                assert_int_equal(p.set, PORT_HAS_FLAVOUR | PORT_HAS_PF | PORT_HAS_VF | PORT_HAS_CONTROLLER);
                assert_true(p.pf == 0 && p.vf == vfs && p.controller == 0 && !p.external);
                assert_true(p.vf != 1 || p.index == CAPTURED_PORT);
                vfs++;
        }
        assert_int_equal(left, 0);
        assert_true(vfs == 3 && others == 1);
        free(b.data);

        b = bytes_of(answer_port);
        const void *a = attributes(first(&b), &n);
        assert_int_equal(devlink_parse_port(a, n, &card, &p), 0);
        assert_true(p.index == CAPTURED_PORT && p.vf == 1);
        free(b.data);
}

/* As the kernel says it, before and after it was told. */
static void test_answers_of_functions(void **state) {
        static const struct {
                const char *captured;
                uint64_t mac;
                bool active;
                uint32_t queues;
        } cases[] = {
                { answer_portsim_before, 0, false, 8 },
                { answer_portsim_after, 0x020000000005, true, 32 },
                { answer_portsim_ports, 0, false, 8 }, /* the first of them */
        };

        FOREACH_ARRAY(c, cases, ARRAY_SIZE(cases)) {
                struct bytes b = bytes_of(c->captured);
                struct devlink_port p;
                size_t n;
                const void *a = attributes(first(&b), &n);

                assert_int_equal(devlink_parse_port(a, n, &portsim, &p), 0);
                assert_true(p.flavour == DEVLINK_PORT_FLAVOUR_PCI_VF && p.index == p.vf + 1U);
                assert_true(p.ifindex == 0 && !p.netdev[0]);
                assert_int_equal(p.function.set,
                                 FUNCTION_HW_ADDR | FUNCTION_STATE | FUNCTION_OPSTATE | FUNCTION_MAX_IO_EQS);
                assert_int_equal(mac_to_number(p.function.hw_addr), c->mac);
                assert_true(p.function.active == c->active && p.function.attached == c->active);
                assert_int_equal(p.function.max_io_eqs, c->queues);
                assert_int_equal(devlink_parse_port(a, n, &card, &p), -ENOENT);
                free(b.data);
        }
}

static void test_answers_of_rate(void **state) {
        static const struct {
                const char *captured;
                uint64_t share, max;
        } cases[] = { { answer_rate_none, 0, 0 }, { answer_rate, 10, 2500 } };

        FOREACH_ARRAY(c, cases, ARRAY_SIZE(cases)) {
                struct bytes b = bytes_of(c->captured);
                struct devlink_rate rate;
                size_t n;
                const void *a = attributes(first(&b), &n);

                assert_int_equal(devlink_parse_rate(a, n, &card, CAPTURED_PORT, &rate), 0);
                assert_true(rate.tx_share == c->share * BYTES_PER_MBIT &&
                            rate.tx_max == c->max * BYTES_PER_MBIT);
                assert_int_equal(devlink_parse_rate(a, n, &card, CAPTURED_PORT + 1, &rate), -ENOENT);
                free(b.data);
        }
}

/* iproute2 asks for capped errors too, so the kernel's words follow the number and the head of the request.
 */
static void test_refusals(void **state) {
        static const struct {
                const char *captured;
                int error;
                const char *words;
        } cases[] = {
                { answer_function_address, -EOPNOTSUPP, "function attributes" },
                { answer_function_queues, -EOPNOTSUPP, "max_io_eqs" },
                { answer_function_inactive, -EOPNOTSUPP, "state" },
                { answer_rate_too_high, -EINVAL, "maximum speed" },
                { answer_portsim_too_many, -EINVAL, "portsim: Supplied value out of range" },
        };

        FOREACH_ARRAY(c, cases, ARRAY_SIZE(cases)) {
                struct bytes b = bytes_of(c->captured);
                const struct nlmsghdr *h = first(&b);
                const struct nlmsgerr *e = NLMSG_DATA(h);
                size_t head = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(*e));
                struct devlink_detail detail;

                assert_int_equal(h->nlmsg_type, NLMSG_ERROR);
                assert_int_equal(e->error, c->error);
                assert_int_equal(h->nlmsg_flags & (NLM_F_CAPPED | NLM_F_ACK_TLVS),
                                 NLM_F_CAPPED | NLM_F_ACK_TLVS);
                devlink_parse_detail((const char *) h + head, h->nlmsg_len - head, &detail);
                if (!strstr(detail.text, c->words))
                        fail_msg("%s", detail.text);
                free(b.data);
        }
}

static void test_news(void **state) {
        static const struct {
                const char *captured;
                const struct devlink_handle *from;
        } news[] = { { news_rate, &card }, { news_mode, &card }, { news_function, &portsim } };

        FOREACH_ARRAY(i, news, ARRAY_SIZE(news)) {
                struct bytes b = bytes_of(i->captured);
                const struct nlmsghdr *h = first(&b);
                struct devlink_handle from;

                assert_int_equal(devlink_parse_news(NLMSG_DATA(h), h->nlmsg_len - NLMSG_HDRLEN, &from), 0);
                assert_string_equal(from.bus, i->from->bus);
                assert_string_equal(from.device, i->from->device);
                free(b.data);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_eswitch),
                cmocka_unit_test(test_ports),
                cmocka_unit_test(test_function),
                cmocka_unit_test(test_function_that_cannot_be_told),
                cmocka_unit_test(test_rate),
                cmocka_unit_test(test_no_room),
                cmocka_unit_test(test_answers_of_eswitch),
                cmocka_unit_test(test_answers_of_ports),
                cmocka_unit_test(test_answers_of_functions),
                cmocka_unit_test(test_answers_of_rate),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_news),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
