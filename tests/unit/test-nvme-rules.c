/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/nvme-rules: each amount, order and owner that a device must not be asked for. */

#include "common/macro.h"
#include "sriov/nvme-rules.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALL (NVME_CAN_VIRTUALIZE | NVME_CAN_NAMESPACES | NVME_CAN_FORMAT | NVME_CAN_CRYPTO)

/* Controllers: 0 the primary, 1 to 3 of VFs. Namespace 1 is the host's, 2 is the first VF's, 3 nobody's, 4
 * has two owners. */
static struct nvme_secondary secondaries[] = { { 1, 1, 4, 2, 1, { 0 } },
                                               { 2, 2, 2, 1, 1, { 0 } },
                                               { 3, 3, 0, 0, 0, { 0 } } };
static struct nvme_namespace namespaces[] = { { .nsid = 1 }, { .nsid = 2 }, { .nsid = 3 }, { .nsid = 4 } };
static struct nvme_attachment attachments[] = { { 1, 0, 0 }, { 2, 1, 0 }, { 4, 1, 0 }, { 4, 2, 0 } };

static struct nvme_state example(uint32_t can) {
        return (struct nvme_state){
                .primary = { .can = can,
                             .queues = { .flexible = 12, .assigned = 6, .primary = 2, .secondary_max = 8 },
                             .interrupts = { .flexible = 8, .assigned = 3, .secondary_max = 4 },
                             .capacity = 1000,
                             .available = 100,
                             .n_secondaries = ARRAY_SIZE(secondaries),
                             .n_namespaces = ARRAY_SIZE(namespaces),
                             .n_attachments = ARRAY_SIZE(attachments) },
                .secondaries = secondaries,
                .namespaces = namespaces,
                .attachments = attachments,
        };
}

static void require(int r, int expected, const enum reason *reason, enum reason wanted, const char *detail) {
        assert_int_equal(r, expected);
        assert_int_equal(*reason, wanted);
        assert_true((r == 0) == (detail[0] == '\0'));
}

static void finds(void **state) {
        struct nvme_state s = example(ALL);

        assert_ptr_equal(nvme_secondary_of(&s, 2), &secondaries[1]);
        assert_null(nvme_secondary_of(&s, 4));
        assert_null(nvme_secondary_of(&s, 0)); /* controllers of no VF say so */
        assert_ptr_equal(nvme_namespace_of(&s, 3), &namespaces[2]);
        assert_null(nvme_namespace_of(&s, 9));
        assert_true(nvme_is_attached(&s, 2, 1) && !nvme_is_attached(&s, 2, 0));
        assert_true(nvme_others_have(&s, 4, 1) && nvme_others_have(&s, 2, -1));
        assert_false(nvme_others_have(&s, 2, 1) || nvme_others_have(&s, 3, -1));
}

/* 12 queues: the primary has 2, VF 1 has 4, VF 2 has 2; so 4 are left. 8 interrupts: 5 are left. */
static void online(void **state) {
        static const struct {
                unsigned vf;
                uint64_t queues, interrupts;
                int r;
        } rows[] = {
                { 3, 4, 4, 0 },
                { 3, 5, 1, -ENOSPC },
                { 3, 1, 1, -ENOSPC },
                { 3, 2, 0, -ENOSPC },
                { 3, 2, 5, -ENOSPC },
                { 1, 8, 2, 0 },
                { 1, 9, 2, -ENOSPC },
                { 2, 6, 1, 0 },
                { 2, 7, 1, -ENOSPC },
                { 3, 0, 0, -ENOSPC },
                { 3, UINT64_MAX, 1, -ENOSPC },
                { 3, 2, UINT64_MAX, -ENOSPC },
        };
        struct nvme_state s = example(ALL);

        FOREACH_ARRAY(i, rows, ARRAY_SIZE(rows)) {
                enum reason reason = REASON_NONE;
                char detail[128] = "";

                require(nvme_may_online(&s, nvme_secondary_of(&s, i->vf), i->queues, i->interrupts, &reason,
                                        detail, sizeof(detail)),
                        i->r, &reason, i->r ? REASON_NVME_RESOURCES : REASON_NONE, detail);
        }
        s.primary.queues.assigned = 1; /* less than one of them has: a device that cannot count */
        enum reason reason = REASON_NONE;
        char detail[128] = "";
        require(nvme_may_online(&s, &secondaries[0], 4, 2, &reason, detail, sizeof(detail)), 0, &reason,
                REASON_NONE, detail);
}

static void primary(void **state) {
        static const struct {
                uint32_t can;
                uint64_t queues, interrupts;
                int r;
                enum reason reason;
        } rows[] = {
                { ALL, 0, 0, 0, REASON_NONE },
                { ALL, 6, 5, 0, REASON_NONE },
                { ALL, 7, 0, -ENOSPC, REASON_NVME_RESOURCES },
                { ALL, 0, 6, -ENOSPC, REASON_NVME_RESOURCES },
                { ALL | NVME_HOST_USES, 0, 0, -EPERM, REASON_HOST_DISK },
                { NVME_CAN_NAMESPACES, 0, 0, -EOPNOTSUPP, REASON_NVME_RESOURCES },
        };

        FOREACH_ARRAY(i, rows, ARRAY_SIZE(rows)) {
                struct nvme_state s = example(i->can);
                enum reason reason = REASON_NONE;
                char detail[128] = "";

                require(nvme_may_keep(&s, i->queues, i->interrupts, &reason, detail, sizeof(detail)), i->r,
                        &reason, i->reason, detail);
        }
}

static void attach(void **state) {
        static const struct {
                uint32_t can;
                uint64_t nsid;
                bool exclusive;
                int r;
        } rows[] = {
                { ALL, 3, true, 0 },
                { ALL, 2, true, 0 },
                { ALL, 1, true, -EBUSY },
                { ALL, 1, false, 0 },
                { ALL, 4, true, -EBUSY },
                { ALL, 9, true, -ENOENT },
                { NVME_CAN_VIRTUALIZE, 3, true, -EOPNOTSUPP },
        };

        FOREACH_ARRAY(i, rows, ARRAY_SIZE(rows)) {
                struct nvme_state s = example(i->can);
                enum reason reason = REASON_NONE;
                char detail[128] = "";

                require(nvme_may_attach(&s, &secondaries[0], i->nsid, i->exclusive, &reason, detail,
                                        sizeof(detail)),
                        i->r, &reason, i->r ? REASON_NAMESPACE : REASON_NONE, detail);
        }
}

static void create(void **state) {
        struct nvme_state s = example(ALL), no = example(NVME_CAN_FORMAT);
        enum reason reason = REASON_NONE;
        char detail[128] = "";

        require(nvme_may_create(&s, 100, &reason, detail, sizeof(detail)), 0, &reason, REASON_NONE, detail);
        require(nvme_may_create(&s, 101, &reason, detail, sizeof(detail)), -ENOSPC, &reason,
                REASON_NAMESPACES_USED_UP, detail);
        require(nvme_may_create(&no, 1, &reason, detail, sizeof(detail)), -EOPNOTSUPP, &reason,
                REASON_NAMESPACE, detail);
        s.primary.capacity = s.primary.available = 0; /* it does not say: the device has to */
        detail[0] = '\0';
        reason = REASON_NONE;
        require(nvme_may_create(&s, 101, &reason, detail, sizeof(detail)), 0, &reason, REASON_NONE, detail);
}

static void erase(void **state) {
        static const struct {
                uint32_t can;
                uint64_t nsid;
                enum nvme_erase how;
                int r;
                enum reason reason; /* if not ERASE_FAILED */
        } rows[] = {
                { ALL, 2, NVME_ERASE_DELETE, 0 },
                { ALL, 3, NVME_ERASE_DELETE, 0 },
                { ALL, 1, NVME_ERASE_DELETE, -EBUSY }, /* the host's */
                { ALL, 1, NVME_ERASE_FORMAT,
                  0 }, /* a format that was cut off; who uses it is asked elsewhere */
                { ALL, 4, NVME_ERASE_FORMAT, -EBUSY },
                { ALL, 4, NVME_ERASE_DELETE, -EBUSY },
                { ALL, 9, NVME_ERASE_FORMAT, -ENOENT, REASON_NO_NAMESPACE },
                { ALL, 9, NVME_ERASE_DELETE, -ENOENT, REASON_NO_NAMESPACE },
                { NVME_CAN_FORMAT, 9, NVME_ERASE_FORMAT, -EIO }, /* only those of the primary are listed */
                { ALL | NVME_FORMATS_ALL, 2, NVME_ERASE_FORMAT, -EBUSY },
                { ALL | NVME_FORMATS_ALL, 2, NVME_ERASE_CRYPTO, -EBUSY },
                { ALL | NVME_FORMATS_ALL, 2, NVME_ERASE_DELETE, 0 },
                { NVME_CAN_FORMAT, 2, NVME_ERASE_DELETE, -EOPNOTSUPP },
                { NVME_CAN_FORMAT, 2, NVME_ERASE_CRYPTO, -EOPNOTSUPP },
                { NVME_CAN_NAMESPACES, 2, NVME_ERASE_FORMAT, -EOPNOTSUPP },
        };

        FOREACH_ARRAY(i, rows, ARRAY_SIZE(rows)) {
                struct nvme_state s = example(i->can);
                enum reason reason = REASON_NONE;
                char detail[128] = "";

                require(nvme_may_erase(&s, &secondaries[0], i->nsid, i->how, &reason, detail, sizeof(detail)),
                        i->r, &reason,
                        i->reason ? i->reason
                        : i->r    ? REASON_ERASE_FAILED
                                  : REASON_NONE,
                        detail);
        }
        struct nvme_state s = example(ALL | NVME_FORMATS_ALL);
        enum reason reason = REASON_NONE;
        char detail[128] = "";
        s.primary.n_namespaces = 1; /* then all is one */
        s.primary.n_attachments = 0;
        require(nvme_may_erase(&s, NULL, 1, NVME_ERASE_FORMAT, &reason, detail, sizeof(detail)), 0, &reason,
                REASON_NONE, detail);
}

/* A list that may have been cut off proves nothing. */
static void erase_of_many(void **state) {
        struct nvme_state s = example(ALL);
        enum reason reason = REASON_NONE;
        char detail[128] = "";

        s.primary.n_namespaces = NVME_NAMESPACES_MAX;
        s.namespaces = calloc(NVME_NAMESPACES_MAX, sizeof(*s.namespaces));
        assert_non_null(s.namespaces);
        for (uint32_t i = 0; i < NVME_NAMESPACES_MAX; i++)
                s.namespaces[i].nsid = i + 1;
        require(nvme_may_erase(&s, NULL, NVME_NAMESPACES_MAX + 1, NVME_ERASE_DELETE, &reason, detail,
                               sizeof(detail)),
                -EIO, &reason, REASON_ERASE_FAILED, detail);
        s.primary.n_namespaces--;
        detail[0] = '\0';
        require(nvme_may_erase(&s, NULL, NVME_NAMESPACES_MAX + 1, NVME_ERASE_DELETE, &reason, detail,
                               sizeof(detail)),
                -ENOENT, &reason, REASON_NO_NAMESPACE, detail);
        free(s.namespaces);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(finds),         cmocka_unit_test(online), cmocka_unit_test(primary),
                cmocka_unit_test(attach),        cmocka_unit_test(create), cmocka_unit_test(erase),
                cmocka_unit_test(erase_of_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
