/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/worker-nvme: a controller's state there and back, and what a daemon must not believe. */

#include "common/macro.h"
#include "daemon/worker-nvme.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static struct nvme_secondary secondaries[] = { { 1, 1, 2, 1, 1, { 0 } },
                                               { 2, 2, 0, 0, 0, { 0 } },
                                               { 7, 0, 0, 0, 0, { 0 } } };
static struct nvme_namespace namespaces[] = { { 1, 512, 1 << 20, 0, 0, { 0 } },
                                              { 5, 4096, 1ULL << 40, 77, 1, { 0 } } };
static struct nvme_attachment attachments[] = { { 1, 0, 0 }, { 5, 1, 0 }, { 5, 2, 0 } };

static struct nvme_state example(void) {
        return (struct nvme_state){
                .primary = { .can = NVME_CAN_VIRTUALIZE | NVME_HOST_USES,
                             .queues = { .flexible = 8, .secondary_max = 4 },
                             .model = "QEMU NVMe Ctrl",
                             .serial = "a1",
                             .firmware = "8.2",
                             .n_secondaries = ARRAY_SIZE(secondaries),
                             .n_namespaces = ARRAY_SIZE(namespaces),
                             .n_attachments = ARRAY_SIZE(attachments) },
                .secondaries = secondaries,
                .namespaces = namespaces,
                .attachments = attachments,
        };
}

static int take(int fd, struct nvme_state *ret) {
        static const struct worker_reply fine;

        return worker_nvme_take(&fine, fd, ret);
}

static void test_there_and_back(void **state) {
        struct nvme_state in = example(), out = { 0 };
        int fd = -1;

        assert_int_equal(worker_nvme_seal(&in, &fd), 0);
        assert_int_equal(ftruncate(fd, 1), -1); /* sealed */
        assert_int_equal(take(fd, &out), 0);
        assert_memory_equal(&out.primary, &in.primary, sizeof(in.primary));
        assert_memory_equal(out.secondaries, secondaries, sizeof(secondaries));
        assert_memory_equal(out.namespaces, namespaces, sizeof(namespaces));
        assert_memory_equal(out.attachments, attachments, sizeof(attachments));
        nvme_state_done(&out);
        assert_int_equal(close(fd), 0); /* the caller's */
}

static void test_nothing_but_a_controller(void **state) {
        struct nvme_state in = { .primary = { .controller = 9 } }, out = { 0 };
        int fd = -1;

        assert_int_equal(worker_nvme_seal(&in, &fd), 0);
        assert_int_equal(take(fd, &out), 0);
        assert_int_equal(out.primary.controller, 9);
        nvme_state_done(&out);
        close(fd);
}

/* A state that is as wrong as a worker's may be, taken. */
static int take_of(const struct nvme_state *in) {
        struct nvme_state out = { 0 };
        int fd = -1;

        assert_int_equal(worker_nvme_seal(in, &fd), 0);
        int r = take(fd, &out);
        if (r < 0) {
                assert_null(out.secondaries);
                assert_null(out.namespaces);
                assert_null(out.attachments);
        }
        nvme_state_done(&out);
        close(fd);
        return r;
}

static void test_wrong_lists(void **state) {
        struct nvme_secondary c[2];
        struct nvme_namespace n[2];
        struct nvme_attachment a[2];
        struct nvme_state s = { .primary = { .n_secondaries = 2, .n_namespaces = 2, .n_attachments = 2 },
                                .secondaries = c,
                                .namespaces = n,
                                .attachments = a };
        const struct {
                struct nvme_secondary c[2];
                struct nvme_namespace n[2];
                struct nvme_attachment a[2];
                int expected;
        } cases[] = {
                { { { 0 }, { .controller = 1 } },
                  { { .nsid = 1 }, { .nsid = 2 } },
                  { { 1, 0, 0 }, { 1, 1, 0 } },
                  0 },
                { { { .controller = 1 }, { .controller = 1 } },
                  { { .nsid = 1 }, { .nsid = 2 } },
                  { { 1, 0, 0 }, { 1, 1, 0 } },
                  -EPROTO },
                { { { .controller = 2 }, { .controller = 1 } },
                  { { .nsid = 1 }, { .nsid = 2 } },
                  { { 1, 0, 0 }, { 1, 1, 0 } },
                  -EPROTO },
                { { { 0 }, { .controller = 1, .online = 2 } },
                  { { .nsid = 1 }, { .nsid = 2 } },
                  { { 1, 0, 0 }, { 1, 1, 0 } },
                  -EPROTO },
                { { { 0 }, { .controller = 1 } },
                  { { .nsid = 0 }, { .nsid = 2 } },
                  { { 1, 0, 0 }, { 1, 1, 0 } },
                  -EPROTO },
                { { { 0 }, { .controller = 1 } },
                  { { .nsid = 2 }, { .nsid = 2 } },
                  { { 1, 0, 0 }, { 1, 1, 0 } },
                  -EPROTO },
                { { { 0 }, { .controller = 1 } },
                  { { .nsid = 1 }, { .nsid = 2, .shared = 9 } },
                  { { 1, 0, 0 }, { 1, 1, 0 } },
                  -EPROTO },
                { { { 0 }, { .controller = 1 } },
                  { { .nsid = 1 }, { .nsid = 2 } },
                  { { 0, 0, 0 }, { 1, 1, 0 } },
                  -EPROTO },
                { { { 0 }, { .controller = 1 } },
                  { { .nsid = 1 }, { .nsid = 2 } },
                  { { 2, 0, 0 }, { 1, 1, 0 } },
                  -EPROTO },
        };

        FOREACH_ARRAY(one, cases, ARRAY_SIZE(cases)) {
                memcpy(c, one->c, sizeof(c));
                memcpy(n, one->n, sizeof(n));
                memcpy(a, one->a, sizeof(a));
                assert_int_equal(take_of(&s), one->expected);
        }
}

static void test_wrong_primary(void **state) {
        struct nvme_state s = example();

        s.primary.can = 0x40;
        assert_int_equal(take_of(&s), -EPROTO);
        s = example();
        memset(s.primary.model, 'x', sizeof(s.primary.model));
        assert_int_equal(take_of(&s), -EPROTO);
        s = example();
        memset(s.primary.serial, 'x', sizeof(s.primary.serial));
        assert_int_equal(take_of(&s), -EPROTO);
        s = example();
        memset(s.primary.firmware, 'x', sizeof(s.primary.firmware));
        assert_int_equal(take_of(&s), -EPROTO);
}

/* What a device calls itself is shown, in JSON among others. */
static void test_name_becomes_text(void **state) {
        struct nvme_state in = example(), out = { 0 };
        int fd = -1;

        snprintf(in.primary.model, sizeof(in.primary.model), "A\xff\n\x1b[31m");
        assert_int_equal(worker_nvme_seal(&in, &fd), 0);
        assert_int_equal(take(fd, &out), 0);
        assert_string_equal(out.primary.model, "A???[31m");
        nvme_state_done(&out);
        close(fd);
}

static int memory(const void *data, size_t size, unsigned seals) {
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
        return fd;
}

/* Counts of more than is there, of more than there can be, and those whose sizes would wrap. */
static void test_wrong_counts(void **state) {
        static const uint32_t counts[] = { 1,
                                           NVME_SECONDARIES_MAX,
                                           NVME_SECONDARIES_MAX + 1,
                                           NVME_ATTACHMENTS_MAX + 1,
                                           0x80000000U,
                                           UINT32_MAX };
        struct nvme_state out = { 0 };

        FOREACH_ARRAY(count, counts, ARRAY_SIZE(counts))
                for (unsigned which = 0; which < 3; which++) {
                        struct nvme_primary p = { 0 };
                        *(which == 0   ? &p.n_secondaries
                          : which == 1 ? &p.n_namespaces
                                       : &p.n_attachments) = *count;
                        int fd = memory(&p, sizeof(p), SEALS);

                        assert_int_equal(take(fd, &out), -EPROTO);
                        close(fd);
                }
}

static void test_no_such_file(void **state) {
        struct nvme_primary p[2] = { 0 };
        struct nvme_state out = { 0 };
        static const unsigned seals[] = { 0, F_SEAL_WRITE | F_SEAL_SHRINK, SEALS & ~(unsigned) F_SEAL_WRITE };
        int ends[2];

        assert_int_equal(take(-1, &out), -EPROTO);
        FOREACH_ARRAY(one, seals, ARRAY_SIZE(seals)) {
                int fd = memory(p, sizeof(p[0]), *one);

                assert_int_equal(take(fd, &out), -EPROTO);
                close(fd);
        }
        static const size_t sizes[] = { 0, 1, sizeof(p[0]) - 1, sizeof(p[0]) + 1, sizeof(p) };
        FOREACH_ARRAY(size, sizes, ARRAY_SIZE(sizes)) {
                int fd = memory(p, *size, SEALS);

                assert_int_equal(take(fd, &out), -EPROTO);
                close(fd);
        }
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(take(ends[0], &out), -EPROTO);
        close(ends[0]);
        close(ends[1]);
}

static void test_failed_reply(void **state) {
        struct worker_reply failed = { .error = -EIO };
        struct nvme_state out = { 0 };

        assert_int_equal(worker_nvme_take(&failed, -1, &out), -EIO);
}

/* Any bit of it changed: it is taken or not, but what is taken keeps the promises. */
static void test_damaged(void **state) {
        struct nvme_state s = example(), out;
        uint8_t data[sizeof(s.primary) + sizeof(secondaries) + sizeof(namespaces) + sizeof(attachments)];
        int fd = -1;

        assert_int_equal(worker_nvme_seal(&s, &fd), 0);
        assert_int_equal(pread(fd, data, sizeof(data), 0), sizeof(data));
        close(fd);
        for (size_t bit = 0; bit < sizeof(data) * 8; bit++) {
                data[bit / 8] ^= (uint8_t) (1U << bit % 8);
                fd = memory(data, sizeof(data), SEALS);
                if (take(fd, &out) == 0) {
                        assert_int_equal(out.primary.n_secondaries, ARRAY_SIZE(secondaries));
                        assert_true(strlen(out.primary.model) < sizeof(out.primary.model));
                        for (size_t i = 1; i < out.primary.n_secondaries; i++)
                                assert_true(out.secondaries[i].controller >
                                            out.secondaries[i - 1].controller);
                        nvme_state_done(&out);
                }
                close(fd);
                data[bit / 8] ^= (uint8_t) (1U << bit % 8);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),    cmocka_unit_test(test_nothing_but_a_controller),
                cmocka_unit_test(test_wrong_lists),       cmocka_unit_test(test_wrong_primary),
                cmocka_unit_test(test_name_becomes_text), cmocka_unit_test(test_wrong_counts),
                cmocka_unit_test(test_no_such_file),      cmocka_unit_test(test_failed_reply),
                cmocka_unit_test(test_damaged),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
