/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pages of a controller, asked for in the order in which one says what the next is about. */

#include "sriov/nvme-read.h"
#include "common/macro.h"
#include "sriov/nvme-command.h"
#include "sriov/nvme-page.h"
#include "sriov/nvme-status.h"

#include <errno.h>
#include <string.h>

/* Values of CNS (NVM Express base specification 2.0, figure 273) */
#define CNS_CONTROLLER   0x01U
#define CNS_ACTIVE       0x02U
#define CNS_ALLOCATED    0x10U
#define CNS_CONTROLLERS  0x12U
#define CNS_CAPABILITIES 0x14U
#define CNS_SECONDARIES  0x15U
#define LOG_HEALTH       0x02U

int nvme_read_page(int fd, unsigned cns, uint32_t nsid, uint16_t controller, void *page) {
        struct nvme_command c = { .opcode = NVME_OPCODE_IDENTIFY,
                                  .nsid = nsid,
                                  .cdw10 = (uint32_t) controller << 16 | cns,
                                  .data = page,
                                  .size = NVME_PAGE_SIZE };

        memset(page, 0, NVME_PAGE_SIZE);
        return nvme_submit(fd, &c);
}

static int read_secondaries(int fd, struct nvme_state *s, uint8_t *page) {
        uint16_t next = 0;
        int r;

        do {
                r = nvme_read_page(fd, CNS_SECONDARIES, 0, next, page);
                if (r == 0)
                        r = nvme_page_secondaries(page, s, &next);
                else
                        break;
        } while (r > 0);
        return r;
}

static unsigned list_of(const struct nvme_state *s) {
        return s->primary.can & NVME_CAN_NAMESPACES ? CNS_ALLOCATED : CNS_ACTIVE;
}

static int read_list(int fd, struct nvme_state *s, uint8_t *page) {
        uint32_t after = 0;
        int r;

        do {
                r = nvme_read_page(fd, list_of(s), after, 0, page);
                if (r == 0)
                        r = nvme_page_namespaces(page, s, &after);
                else
                        break;
        } while (r > 0);
        return r;
}

static int read_attachments(int fd, struct nvme_state *s, uint32_t nsid, uint8_t *page) {
        uint16_t next = 0;
        int r;

        do {
                r = nvme_read_page(fd, CNS_CONTROLLERS, nsid, next, page);
                if (r == 0)
                        r = nvme_page_attachments(page, nsid, s, &next);
                else
                        break;
        } while (r > 0);
        return r;
}

/* What a controller says of a namespace that it does not have; of one that it has, the same means that it
 * does not know the page, and then nobody knows who has the namespace. */
static bool may_be_gone(int status) {
        unsigned code = status > 0 ? nvme_status_code(status) : 0;

        return code == NVME_STATUS_INVALID_NAMESPACE || code == NVME_STATUS_INVALID_FIELD;
}

/* 1: deleted since the list was read. Anything else: it is there, or that cannot be known. */
static int is_gone(int fd, const struct nvme_state *s, uint32_t nsid, uint8_t *page) {
        struct nvme_state first = { .primary.can = s->primary.can };
        uint32_t after;

        int r = nvme_read_page(fd, list_of(s), nsid - 1, 0, page);
        if (r == 0)
                r = nvme_page_namespaces(page, &first, &after);
        if (r >= 0)
                r = first.primary.n_namespaces == 0 || first.namespaces[0].nsid != nsid;
        nvme_state_done(&first);
        return r;
}

static int read_namespace(int fd, struct nvme_state *s, struct nvme_namespace *n, uint8_t *page) {
        bool managed = s->primary.can & NVME_CAN_NAMESPACES;
        int r = nvme_read_page(fd, managed ? NVME_CNS_ALLOCATED_NAMESPACE : NVME_CNS_NAMESPACE, n->nsid, 0,
                               page);

        if (r == 0)
                nvme_page_namespace(page, n);
        return r == 0 && managed ? read_attachments(fd, s, n->nsid, page) : r;
}

/* One that goes meanwhile is left out. */
static int read_namespaces(int fd, struct nvme_state *s, uint8_t *page) {
        uint32_t kept = 0, n;
        int r = read_list(fd, s, page);

        n = s->primary.n_namespaces;
        for (uint32_t i = 0; r == 0 && i < n; i++) {
                struct nvme_namespace one = s->namespaces[i];
                uint32_t attachments = s->primary.n_attachments;

                r = read_namespace(fd, s, &one, page);
                if (may_be_gone(r) && is_gone(fd, s, one.nsid, page) == 1) {
                        s->primary.n_attachments = attachments;
                        r = 0;
                } else
                        s->namespaces[kept++] = one;
        }
        if (r == 0)
                s->primary.n_namespaces = kept;
        return r;
}

static void read_health(int fd, struct nvme_state *s, uint8_t *page) {
        struct nvme_command c = { .opcode = NVME_OPCODE_LOG_PAGE,
                                  .nsid = UINT32_MAX,
                                  .cdw10 = (NVME_HEALTH_SIZE / 4 - 1) << 16 | LOG_HEALTH,
                                  .data = page,
                                  .size = NVME_HEALTH_SIZE };

        memset(page, 0, NVME_HEALTH_SIZE);
        if (nvme_submit(fd, &c) == 0)
                nvme_page_health(page, &s->primary);
}

int nvme_read_state(int fd, struct nvme_state *state, const char **step) {
        _cleanup_free_ uint8_t *page = malloc(NVME_PAGE_SIZE);

        if (!page)
                return -ENOMEM;
        *step = "reading the controller";
        int r = nvme_read_page(fd, CNS_CONTROLLER, 0, 0, page);
        if (r != 0)
                return r;
        nvme_page_controller(page, &state->primary);
        if (state->primary.can & NVME_CAN_VIRTUALIZE) {
                *step = "reading its flexible resources";
                r = nvme_read_page(fd, CNS_CAPABILITIES, 0, state->primary.controller, page);
                if (r != 0)
                        return r;
                nvme_page_capabilities(page, &state->primary);
                *step = "reading its secondary controllers";
                r = read_secondaries(fd, state, page);
                if (r != 0)
                        return r;
        }
        *step = "reading its namespaces";
        r = read_namespaces(fd, state, page);
        if (r != 0)
                return r;
        read_health(fd, state, page);
        return 0;
}
