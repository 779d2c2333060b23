/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages of an NVMe controller, one after the other: lists stay sorted and bounded, names are text, no walk is
 * endless. */

#include "common/macro.h"
#include "sriov/nvme-page.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS 64U

static uint8_t page[NVME_PAGE_SIZE];

/* The next part of the input, filled up with what was there before: a device may say the same again. */
static bool take(const uint8_t **data, size_t *size) {
        size_t n = MIN(*size, sizeof(page));

        memcpy(page, *data, n);
        *data += n;
        *size -= n;
        return n > 0;
}

static void check(const struct nvme_state *s) {
        const struct nvme_primary *p = &s->primary;

        REQUIRE(p->n_secondaries <= NVME_SECONDARIES_MAX && p->n_namespaces <= NVME_NAMESPACES_MAX &&
                p->n_attachments <= NVME_ATTACHMENTS_MAX);
        for (size_t i = 1; i < p->n_secondaries; i++)
                REQUIRE(s->secondaries[i - 1].controller < s->secondaries[i].controller);
        for (size_t i = 1; i < p->n_namespaces; i++)
                REQUIRE(s->namespaces[i - 1].nsid < s->namespaces[i].nsid);
        for (const char *c = p->model; *c; c++)
                REQUIRE(*c >= ' ' && *c <= '~');
        REQUIRE(memchr(p->model, '\0', sizeof(p->model)) && memchr(p->serial, '\0', sizeof(p->serial)) &&
                memchr(p->firmware, '\0', sizeof(p->firmware)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct nvme_state s = { 0 };
        struct nvme_namespace n = { 0 };
        uint16_t next = 0, before;
        uint32_t after = 0;

        memset(page, 0, sizeof(page));
        take(&data, &size);
        nvme_page_controller(page, &s.primary);
        nvme_page_capabilities(page, &s.primary);
        nvme_page_health(page, &s.primary);
        nvme_page_namespace(page, &n);
        int format = nvme_page_format(page, 0);
        REQUIRE(format < 0 || nvme_page_format_size(page, (unsigned) format) >= 512);
        (void) nvme_even_share(&s.primary.queues, 7);
        for (unsigned i = 0; i < ROUNDS; i++) {
                take(&data, &size);
                before = next;
                int r = nvme_page_secondaries(page, &s, &next);
                REQUIRE(r >= 0 && (r == 0 || next > before));
                if (r == 0)
                        break;
        }
        for (unsigned i = 0; i < ROUNDS && nvme_page_namespaces(page, &s, &after) > 0; i++)
                take(&data, &size);
        for (unsigned i = 0; i < ROUNDS && nvme_page_attachments(page, 1, &s, &next) > 0; i++)
                take(&data, &size);
        check(&s);
        nvme_state_done(&s);
        return 0;
}
