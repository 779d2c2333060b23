/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sriov/nvme-page, nvme-status: pages as devices send them, made by hand and as QEMU's controller sent them,
 * and pages that no device should send. */

#include "common/macro.h"
#include "sriov/nvme-page.h"
#include "sriov/nvme-status.h"
#include "tests/unit/captured-nvme.h"
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

static uint8_t page[NVME_PAGE_SIZE];

static void begin(void) {
        memset(page, 0, sizeof(page));
}

/* Little endian, size bytes. */
static void put(size_t at, unsigned size, uint64_t value) {
        for (unsigned i = 0; i < size; i++)
                page[at + i] = (uint8_t) (value >> 8 * i);
}

static void put_text(size_t at, size_t size, const char *s) {
        memset(page + at, ' ', size);
        memcpy(page + at, s, strlen(s));
}

static void controller(void **state) {
        struct nvme_primary p = { 0 };

        begin();
        put_text(4, 20, "S123");
        put_text(24, 40, "A drive of 40 characters, all of them us");
        put_text(64, 8, "1.0\x07");
        put(78, 2, 0x4142);
        put(256, 2, 1U << 7 | 1U << 3 | 1U << 1);
        page[524] = 4;
        put(280, 8, 1000);
        put(296, 8, 7);
        put(304, 8, 1); /* more than 64 bits */
        put(516, 4, 128);
        nvme_page_controller(page, &p);
        assert_string_equal(p.serial, "S123");
        assert_string_equal(p.model, "A drive of 40 characters, all of them us");
        assert_string_equal(p.firmware, "1.0?");
        assert_int_equal(p.controller, 0x4142);
        assert_int_equal(p.can,
                         NVME_CAN_VIRTUALIZE | NVME_CAN_NAMESPACES | NVME_CAN_FORMAT | NVME_CAN_CRYPTO);
        assert_int_equal(p.capacity, 1000);
        assert_true(p.available == UINT64_MAX);
        assert_int_equal(p.namespaces_max, 128);
}

/* What a format would hit means nothing where there is no format. */
static void format_needs_format(void **state) {
        struct nvme_primary p = { 0 }, q = { 0 };

        begin();
        page[524] = 7;
        nvme_page_controller(page, &p);
        assert_int_equal(p.can, 0);
        put(256, 2, 2);
        nvme_page_controller(page, &q);
        assert_int_equal(q.can, NVME_CAN_FORMAT | NVME_CAN_CRYPTO | NVME_FORMATS_ALL);
}

static void capabilities(void **state) {
        struct nvme_primary p = { .queues = { .flexible = 77 } };

        begin();
        page[4] = 2; /* only interrupts */
        for (unsigned i = 0; i < 2; i++) {
                put(32 + 32 * i, 4, 100);
                put(36 + 32 * i, 4, 50);
                put(40 + 32 * i, 2, 20);
                put(42 + 32 * i, 2, 4);
                put(44 + 32 * i, 2, 16);
                put(46 + 32 * i, 2, 2);
        }
        nvme_page_capabilities(page, &p);
        assert_int_equal(p.queues.flexible, 0);
        assert_int_equal(p.interrupts.flexible, 100);
        assert_int_equal(p.interrupts.assigned, 50);
        assert_int_equal(p.interrupts.primary, 20);
        assert_int_equal(p.interrupts.private_, 4);
        assert_int_equal(p.interrupts.secondary_max, 16);
        assert_int_equal(p.interrupts.granularity, 2);
        assert_int_equal(nvme_even_share(&p.interrupts, 7), 10);
        assert_int_equal(nvme_even_share(&p.interrupts, 4), 16);
        assert_int_equal(nvme_even_share(&p.queues, 4), 0);
}

static void put_secondary(unsigned i, unsigned controller_id, unsigned vf, unsigned queues,
                          unsigned interrupts, bool online) {
        put(32 + 32 * i, 2, controller_id);
        page[32 + 32 * i + 4] = online;
        put(32 + 32 * i + 8, 2, vf);
        put(32 + 32 * i + 10, 2, queues);
        put(32 + 32 * i + 12, 2, interrupts);
}

/* 300 of them: three pages; the walk goes on behind the last one. */
static void secondaries(void **state) {
        struct nvme_state s = { 0 };
        uint16_t next = 0;
        int r, pages = 0;

        do {
                begin();
                unsigned n = 0;
                for (unsigned id = MAX(next, (uint16_t) 1); id <= 300 && n < 127; id++)
                        put_secondary(n++, id, id, id % 5, id % 3, id % 2);
                page[0] = (uint8_t) n;
                r = nvme_page_secondaries(page, &s, &next);
                pages++;
        } while (r > 0);
        assert_int_equal(r, 0);
        assert_int_equal(pages, 3);
        assert_int_equal(s.primary.n_secondaries, 300);
        for (unsigned i = 0; i < 300; i++) {
                const struct nvme_secondary *c = &s.secondaries[i];

                assert_true(c->controller == i + 1 && c->vf == i + 1 && c->queues == (i + 1) % 5 &&
                            c->interrupts == (i + 1) % 3 && c->online == (i + 1) % 2);
        }
        nvme_state_done(&s);
}

/* A device that says the same again and again, that says more than fits, or in no order. */
static void lists_end(void **state) {
        struct nvme_state s = { 0 };
        uint16_t next = 0;
        uint32_t after = 0;

        begin();
        page[0] = 255;
        for (unsigned i = 0; i < 127; i++)
                put_secondary(i, 7, 1, 0, 0, false);
        assert_int_equal(nvme_page_secondaries(page, &s, &next), 1);
        assert_int_equal(s.primary.n_secondaries, 1);
        assert_int_equal(nvme_page_secondaries(page, &s, &next), 0);
        for (unsigned i = 0; i < 127; i++)
                put_secondary(i, 0xffff, 1, 0, 0, false);
        assert_int_equal(nvme_page_secondaries(page, &s, &next), 0);
        memset(page, 0xff, sizeof(page));
        assert_int_equal(nvme_page_namespaces(page, &s, &after), 0);
        assert_int_equal(s.primary.n_namespaces, 0);
        for (unsigned i = 0; i < 1024; i++)
                put(4 * i, 4, 3);
        assert_int_equal(nvme_page_namespaces(page, &s, &after), 1);
        assert_int_equal(after, 3);
        assert_int_equal(nvme_page_namespaces(page, &s, &after), 0);
        memset(page, 0xff, sizeof(page));
        assert_int_equal(nvme_page_attachments(page, 3, &s, &next), 0);
        assert_int_equal(s.primary.n_attachments, 1);
        nvme_state_done(&s);
}

static void no_list_is_endless(void **state) {
        struct nvme_state s = { 0 };
        uint32_t after = 0;
        int r = 1;

        for (unsigned round = 0; r > 0; round++) {
                begin();
                for (unsigned i = 0; i < 1024; i++)
                        put(4 * i, 4, after + i + 1);
                r = nvme_page_namespaces(page, &s, &after);
                assert_true(round < 10);
        }
        assert_int_equal(s.primary.n_namespaces, NVME_NAMESPACES_MAX);
        nvme_state_done(&s);
}

static void put_format(unsigned i, unsigned metadata, unsigned shift, unsigned speed) {
        put(128 + 4 * i, 2, metadata);
        page[128 + 4 * i + 2] = (uint8_t) shift;
        page[128 + 4 * i + 3] = (uint8_t) speed;
}

static void namespaces(void **state) {
        struct nvme_namespace n = { .nsid = 1 };

        begin();
        put(0, 8, 1000);
        put(16, 8, 10);
        page[25] = 3;
        page[26] = 1;
        page[30] = 1;
        put_format(0, 0, 9, 2);
        put_format(1, 8, 12, 0);
        put_format(2, 0, 12, 1);
        put_format(3, 0, 31, 0); /* 2 GiB: nonsense */
        put_format(4, 0, 12, 0); /* beyond the number of formats */
        nvme_page_namespace(page, &n);
        assert_int_equal(n.block_size, 4096);
        assert_int_equal(n.size, 4096000);
        assert_int_equal(n.used, 40960);
        assert_int_equal(n.shared, 1);
        assert_int_equal(nvme_page_format(page, 0), 2);
        assert_int_equal(nvme_page_format(page, 4096), 2);
        assert_int_equal(nvme_page_format(page, 512), 0);
        assert_int_equal(nvme_page_format(page, 1024), -1);
        put(0, 8, UINT64_MAX);
        nvme_page_namespace(page, &n);
        assert_true(n.size == UINT64_MAX);
        memset(page, 0xff, sizeof(page));
        nvme_page_namespace(page, &n);
        assert_int_equal(n.block_size, 0);
        assert_int_equal(nvme_page_format(page, 0), -1);
}

static void health(void **state) {
        struct nvme_primary p = { 0 };

        begin();
        page[0] = 0x04;
        put(1, 2, 310);
        page[3] = 99;
        page[4] = 10;
        page[5] = 130;
        put(160, 8, 3);
        nvme_page_health(page, &p);
        assert_int_equal(p.critical_warning, 4);
        assert_int_equal(p.temperature, 310);
        assert_int_equal(p.spare, 99);
        assert_int_equal(p.spare_threshold, 10);
        assert_int_equal(p.used, 130);
        assert_int_equal(p.media_errors, 3);
}

static void statuses(void **state) {
        assert_string_equal(nvme_status_name(0x121), "Invalid Number of Controller Resources");
        assert_string_equal(nvme_status_name(0x4120),
                            "Invalid Secondary Controller State"); /* do not retry */
        assert_string_equal(nvme_status_name(0x7ff), "status unknown");
        assert_int_equal(nvme_status_code(0x4121), NVME_STATUS_RESOURCES);
        assert_true(nvme_is_no_room(0x4115) && nvme_is_no_room(0x116) && !nvme_is_no_room(-5) &&
                    !nvme_is_no_room(0x118));
}

/* A captured page: its bytes up to the last that is not zero. */
static void load(const char *hex) {
        begin();
        for (size_t i = 0; hex[2 * i]; i++) {
                char byte[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

                page[i] = (uint8_t) strtoul(byte, NULL, 16);
        }
}

static void captured(void **state) {
        struct nvme_state s = { 0 };
        struct nvme_namespace n = { 0 };
        uint16_t next = 0;
        uint32_t after = 0;

        load(captured_controller);
        nvme_page_controller(page, &s.primary);
        assert_string_equal(s.primary.model, "QEMU NVMe Ctrl");
        assert_string_equal(s.primary.serial, "lab0");
        assert_int_equal(s.primary.can, NVME_CAN_VIRTUALIZE | NVME_CAN_NAMESPACES | NVME_CAN_FORMAT);
        load(captured_capabilities);
        nvme_page_capabilities(page, &s.primary);
        assert_int_equal(s.primary.queues.flexible, 8);
        assert_int_equal(s.primary.queues.secondary_max, 2);
        assert_int_equal(s.primary.interrupts.flexible, 4);
        load(captured_secondaries);
        assert_int_equal(nvme_page_secondaries(page, &s, &next), 0);
        assert_int_equal(s.primary.n_secondaries, 4);
        assert_true(s.secondaries[3].controller == 4 && s.secondaries[3].vf == 4 && s.secondaries[3].online &&
                    s.secondaries[3].queues == 2 && s.secondaries[3].interrupts == 1);
        load(captured_list);
        assert_int_equal(nvme_page_namespaces(page, &s, &after), 0);
        assert_int_equal(s.primary.n_namespaces, 4);
        load(captured_namespace);
        nvme_page_namespace(page, &n);
        assert_int_equal(n.block_size, 512);
        assert_int_equal(n.size, 16 << 20);
        assert_int_equal(n.shared, 1);
        load(captured_attachments);
        assert_int_equal(nvme_page_attachments(page, 1, &s, &next), 0);
        assert_int_equal(s.primary.n_attachments, 1);
        assert_int_equal(s.attachments[0].controller, 0);
        load(captured_health);
        nvme_page_health(page, &s.primary);
        assert_int_equal(s.primary.temperature, 323);
        assert_int_equal(s.primary.critical_warning, 0);
        nvme_state_done(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(controller),   cmocka_unit_test(format_needs_format),
                cmocka_unit_test(capabilities), cmocka_unit_test(secondaries),
                cmocka_unit_test(lists_end),    cmocka_unit_test(no_list_is_endless),
                cmocka_unit_test(namespaces),   cmocka_unit_test(health),
                cmocka_unit_test(statuses),     cmocka_unit_test(captured),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
