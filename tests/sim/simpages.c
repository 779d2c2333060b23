/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Little endian, whatever the machine. Lists end where the page does, and whoever asks has to go on. */

#include "simpages.h"
#include "common/macro.h"
#include "simcontroller.h"

#include <string.h>

#define PAGE_SIZE           4096U
#define SECONDARIES_IN_PAGE 127U
#define CONTROLLERS_IN_PAGE 2047U
#define NSIDS_IN_PAGE       1024U
#define ALL                 UINT32_MAX

static const uint8_t formats[] = { 9, 12 }; /* LBADS; the later, the faster */

uint32_t page_block_size(unsigned format) {
        return format < ARRAY_SIZE(formats) ? 1U << formats[format] : 0;
}

static void put(uint8_t *at, uint64_t value, size_t bytes) {
        for (size_t i = 0; i < bytes; i++)
                at[i] = (uint8_t) (value >> 8 * i);
}

static void put_text(uint8_t *at, const char *text, size_t size) {
        memset(at, ' ', size);
        memcpy(at, text, MIN(strlen(text), size));
}

static void identify_controller(const struct nvme_primary *p, uint8_t *page) {
        unsigned oacs = (p->can & NVME_CAN_VIRTUALIZE ? 1U << 7 : 0) |
                        (p->can & NVME_CAN_NAMESPACES ? 1U << 3 : 0) |
                        (p->can & NVME_CAN_FORMAT ? 1U << 1 : 0);

        put_text(page + 4, p->serial, 20);
        put_text(page + 24, p->model, 40);
        put_text(page + 64, p->firmware, 8);
        put(page + 78, p->controller, 2);
        put(page + 256, oacs, 2);
        put(page + 280, p->capacity, 8);
        put(page + 296, p->available, 8);
        put(page + 516, p->namespaces_max, 4);
        page[524] = (p->can & NVME_CAN_CRYPTO ? 4 : 0) | (p->can & NVME_FORMATS_ALL ? 3 : 0);
}

static void put_resources(uint8_t *at, const struct nvme_resources *r) {
        put(at, r->flexible, 4);
        put(at + 4, r->assigned, 4);
        put(at + 8, r->primary, 2);
        put(at + 10, r->private_, 2);
        put(at + 12, r->secondary_max, 2);
        put(at + 14, r->granularity, 2);
}

static int identify_capabilities(const struct nvme_primary *p, uint8_t *page) {
        if (!(p->can & NVME_CAN_VIRTUALIZE))
                return SIM_INVALID_FIELD;
        put(page, p->controller, 2);
        page[4] = 3;
        put_resources(page + 32, &p->queues);
        put_resources(page + 64, &p->interrupts);
        return 0;
}

static int identify_secondaries(const struct nvme_state *s, uint16_t from, uint8_t *page) {
        if (!(s->primary.can & NVME_CAN_VIRTUALIZE))
                return SIM_INVALID_FIELD;
        FOREACH_ARRAY(c, s->secondaries, s->primary.n_secondaries) {
                uint8_t *entry = page + 32 + 32 * page[0];

                if (c->controller < from)
                        continue;
                if (page[0] == SECONDARIES_IN_PAGE)
                        break;
                put(entry, c->controller, 2);
                put(entry + 2, s->primary.controller, 2);
                entry[4] = c->online;
                put(entry + 8, c->vf, 2);
                put(entry + 10, c->queues, 2);
                put(entry + 12, c->interrupts, 2);
                page[0]++;
        }
        return 0;
}

static bool has(const struct nvme_state *s, uint16_t controller, uint32_t nsid) {
        FOREACH_ARRAY(a, s->attachments, s->primary.n_attachments)
                if (a->controller == controller && a->nsid == nsid)
                        return true;
        return false;
}

static int identify_list(const struct nvme_state *s, bool active, uint32_t after, uint8_t *page) {
        unsigned n = 0;

        FOREACH_ARRAY(one, s->namespaces, s->primary.n_namespaces)
                if (one->nsid > after && n < NSIDS_IN_PAGE &&
                    (!active || has(s, s->primary.controller, one->nsid)))
                        put(page + 4 * n++, one->nsid, 4);
        return 0;
}

static const struct nvme_namespace *find(const struct nvme_state *s, uint32_t nsid) {
        FOREACH_ARRAY(one, s->namespaces, s->primary.n_namespaces)
                if (one->nsid == nsid)
                        return one;
        return NULL;
}

static int identify_controllers(const struct nvme_state *s, uint32_t nsid, uint16_t from, uint8_t *page) {
        unsigned n = 0;

        if (!find(s, nsid))
                return SIM_INVALID_FIELD; /* as the emulated controller says
                                             (hw/nvme/ctrl.c:nvme_identify_ctrl_list) */
        FOREACH_ARRAY(a, s->attachments, s->primary.n_attachments)
                if (a->nsid == nsid && a->controller >= from && n < CONTROLLERS_IN_PAGE)
                        put(page + 2 + 2 * n++, a->controller, 2);
        put(page, n, 2);
        return 0;
}

static void put_formats(uint8_t *page) {
        page[25] = ARRAY_SIZE(formats) - 1;
        for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
                page[128 + 4 * i + 2] = formats[i];
                page[128 + 4 * i + 3] = (uint8_t) (ARRAY_SIZE(formats) - 1 - i);
        }
}

static int identify_namespace(const struct nvme_state *s, bool active, uint32_t nsid, uint8_t *page) {
        const struct nvme_namespace *one = find(s, nsid);

        if (nsid == ALL) {
                put_formats(page);
                return 0;
        }
        if (!one)
                return SIM_INVALID_NAMESPACE;
        if (active && !has(s, s->primary.controller, nsid))
                return 0; /* zeros */
        put_formats(page);
        page[26] = one->block_size == page_block_size(0) ? 0 : 1;
        uint32_t block = page_block_size(page[26]);
        put(page, one->size / block, 8);
        put(page + 8, one->size / block, 8);
        put(page + 16, (one->used + block - 1) / block, 8);
        page[30] = one->shared;
        return 0;
}

int page_identify(const struct nvme_state *s, unsigned cns, uint32_t nsid, uint16_t controller,
                  uint8_t *page) {
        memset(page, 0, PAGE_SIZE);
        switch (cns) {
        case 0x00:
                return identify_namespace(s, true, nsid, page);
        case 0x01:
                identify_controller(&s->primary, page);
                return 0;
        case 0x02:
                return identify_list(s, true, nsid, page);
        case 0x10:
                return identify_list(s, false, nsid, page);
        case 0x11:
                return identify_namespace(s, false, nsid, page);
        case 0x12:
                return identify_controllers(s, nsid, controller, page);
        case 0x14:
                return identify_capabilities(&s->primary, page);
        case 0x15:
                return identify_secondaries(s, controller, page);
        default:
                return SIM_INVALID_FIELD;
        }
}

void page_health(const struct nvme_state *s, uint8_t *page) {
        const struct nvme_primary *p = &s->primary;

        page[0] = p->critical_warning;
        put(page + 1, p->temperature, 2);
        page[3] = p->spare;
        page[4] = p->spare_threshold;
        page[5] = p->used;
        put(page + 160, p->media_errors, 8);
}
