/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes of Identify and log pages, little endian, to plain data. */

#include "sriov/nvme-page.h"
#include "common/macro.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECONDARIES_IN_PAGE 127U
#define CONTROLLERS_IN_PAGE 2047U
#define NSIDS_IN_PAGE       1024U
#define FORMATS_MAX         16U /* more only with the host's consent (feature 16h), which nobody gives here */

static uint16_t u16(const uint8_t *p) {
        return (uint16_t) (p[0] | p[1] << 8);
}

static uint32_t u32(const uint8_t *p) {
        return (uint32_t) u16(p) | (uint32_t) u16(p + 2) << 16;
}

static uint64_t u64(const uint8_t *p) {
        return (uint64_t) u32(p) | (uint64_t) u32(p + 4) << 32;
}

/* 128 bits; what does not fit is the most that does. */
static uint64_t u128(const uint8_t *p) {
        return u64(p + 8) ? UINT64_MAX : u64(p);
}

/* ASCII, filled up with blanks (section 1.4.2). */
static void text(const uint8_t *from, size_t size, char *to) {
        while (size > 0 && (from[size - 1] == ' ' || from[size - 1] == '\0'))
                size--;
        for (size_t i = 0; i < size; i++)
                to[i] = from[i] >= ' ' && from[i] <= '~' ? (char) from[i] : '?';
        to[size] = '\0';
}

void nvme_page_controller(const uint8_t page[NVME_PAGE_SIZE], struct nvme_primary *ret) {
        uint16_t oacs = u16(page + 256);
        uint8_t fna = page[524];

        text(page + 4, 20, ret->serial);
        text(page + 24, 40, ret->model);
        text(page + 64, 8, ret->firmware);
        ret->controller = u16(page + 78);
        ret->can |= (oacs & 1U << 7 ? NVME_CAN_VIRTUALIZE : 0) | (oacs & 1U << 3 ? NVME_CAN_NAMESPACES : 0) |
                    (oacs & 1U << 1 ? NVME_CAN_FORMAT : 0);
        if (oacs & 1U << 1) { /* the other bits are of no meaning without Format NVM */
                ret->can |= fna & 1U << 2 ? NVME_CAN_CRYPTO : 0;
                ret->can |= fna & 3U ? NVME_FORMATS_ALL : 0; /* by a format, or by its erase */
        }
        ret->capacity = u128(page + 280);
        ret->available = u128(page + 296);
        ret->namespaces_max = u32(page + 516);
}

static void resources(const uint8_t *p, struct nvme_resources *ret) {
        *ret = (struct nvme_resources){ .flexible = u32(p),
                                        .assigned = u32(p + 4),
                                        .primary = u16(p + 8),
                                        .private_ = u16(p + 10),
                                        .secondary_max = u16(p + 12),
                                        .granularity = u16(p + 14) };
}

void nvme_page_capabilities(const uint8_t page[NVME_PAGE_SIZE], struct nvme_primary *ret) {
        ret->queues = ret->interrupts = (struct nvme_resources){ 0 };
        if (page[4] & 1)
                resources(page + 32, &ret->queues);
        if (page[4] & 2)
                resources(page + 64, &ret->interrupts);
}

int nvme_page_secondaries(const uint8_t page[NVME_PAGE_SIZE], struct nvme_state *state, uint16_t *ret_next) {
        uint32_t *n = &state->primary.n_secondaries;
        unsigned count = MIN(page[0], SECONDARIES_IN_PAGE);
        struct nvme_secondary *more = reallocarray(state->secondaries, *n + count + 1, sizeof(*more));
        bool grown = false;

        if (!more)
                return -ENOMEM;
        state->secondaries = more;
        for (unsigned i = 0; i < count && *n < NVME_SECONDARIES_MAX; i++) {
                const uint8_t *e = page + 32 + i * 32;

                if (*n > 0 && u16(e) <= more[*n - 1].controller)
                        continue; /* out of order: told before, or a lie */
                more[(*n)++] = (struct nvme_secondary){ .controller = u16(e),
                                                        .vf = u16(e + 8),
                                                        .queues = u16(e + 10),
                                                        .interrupts = u16(e + 12),
                                                        .online = e[4] & 1 };
                grown = true;
        }
        if (!grown || count < SECONDARIES_IN_PAGE || *n == NVME_SECONDARIES_MAX ||
            more[*n - 1].controller == UINT16_MAX)
                return 0;
        *ret_next = (uint16_t) (more[*n - 1].controller + 1);
        return 1;
}

int nvme_page_namespaces(const uint8_t page[NVME_PAGE_SIZE], struct nvme_state *state, uint32_t *ret_after) {
        uint32_t *n = &state->primary.n_namespaces, first = *n;
        struct nvme_namespace *more = reallocarray(state->namespaces, *n + NSIDS_IN_PAGE, sizeof(*more));
        unsigned i;

        if (!more)
                return -ENOMEM;
        state->namespaces = more;
        for (i = 0; i < NSIDS_IN_PAGE && *n < NVME_NAMESPACES_MAX; i++) {
                uint32_t nsid = u32(page + 4 * i);

                if (nsid == 0)
                        break;
                if (nsid != UINT32_MAX && (*n == 0 || nsid > more[*n - 1].nsid))
                        more[(*n)++] = (struct nvme_namespace){ .nsid = nsid };
        }
        if (i < NSIDS_IN_PAGE || *n == first || *n == NVME_NAMESPACES_MAX)
                return 0;
        *ret_after = more[*n - 1].nsid;
        return 1;
}

/* LBADS of one of the formats, as bytes; 0: not there, or nonsense. The NVM command set has blocks of 512
 * bytes at least. */
uint32_t nvme_page_format_size(const uint8_t page[NVME_PAGE_SIZE], unsigned format) {
        unsigned shift = page[128 + 4 * (format % FORMATS_MAX) + 2];

        return format <= page[25] && format < FORMATS_MAX && shift >= 9 && shift <= 24 ? 1U << shift : 0;
}

unsigned nvme_page_format_now(const uint8_t page[NVME_PAGE_SIZE]) {
        return page[26] & 0x0f;
}

int nvme_page_format(const uint8_t page[NVME_PAGE_SIZE], uint32_t block_size) {
        int best = -1;
        unsigned best_speed = 4;

        for (unsigned i = 0; i < FORMATS_MAX; i++) {
                const uint8_t *f = page + 128 + 4 * i;
                unsigned speed = f[3] & 3; /* 0 is the best */
                uint32_t size = nvme_page_format_size(page, i);

                if (size == 0 || u16(f) != 0 || (block_size && size != block_size) || speed >= best_speed)
                        continue;
                best = (int) i;
                best_speed = speed;
        }
        return best;
}

static uint64_t bytes(uint64_t blocks, uint32_t size) {
        uint64_t r;

        return __builtin_mul_overflow(blocks, size, &r) ? UINT64_MAX : r;
}

void nvme_page_namespace(const uint8_t page[NVME_PAGE_SIZE], struct nvme_namespace *ret) {
        ret->block_size = nvme_page_format_size(page, nvme_page_format_now(page));
        ret->size = bytes(u64(page), ret->block_size);
        ret->used = bytes(u64(page + 16), ret->block_size);
        ret->shared = page[30] & 1;
}

int nvme_page_attachments(const uint8_t page[NVME_PAGE_SIZE], uint32_t nsid, struct nvme_state *state,
                          uint16_t *ret_next) {
        uint32_t *n = &state->primary.n_attachments;
        unsigned count = MIN((unsigned) u16(page), CONTROLLERS_IN_PAGE);
        struct nvme_attachment *more = reallocarray(state->attachments, *n + count + 1, sizeof(*more));
        bool grown = false;

        if (!more)
                return -ENOMEM;
        state->attachments = more;
        for (unsigned i = 0; i < count && *n < NVME_ATTACHMENTS_MAX; i++) {
                uint16_t controller = u16(page + 2 + 2 * i);

                if (*n > 0 && more[*n - 1].nsid == nsid && controller <= more[*n - 1].controller)
                        continue;
                more[(*n)++] = (struct nvme_attachment){ .nsid = nsid, .controller = controller };
                grown = true;
        }
        if (!grown || count < CONTROLLERS_IN_PAGE || *n == NVME_ATTACHMENTS_MAX ||
            more[*n - 1].controller == UINT16_MAX)
                return 0;
        *ret_next = (uint16_t) (more[*n - 1].controller + 1);
        return 1;
}

void nvme_page_health(const uint8_t page[NVME_HEALTH_SIZE], struct nvme_primary *ret) {
        ret->critical_warning = page[0];
        ret->temperature = u16(page + 1);
        ret->spare = page[3];
        ret->spare_threshold = page[4];
        ret->used = page[5];
        ret->media_errors = u128(page + 160);
        ret->health_known = 1;
}
