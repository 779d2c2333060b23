/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Namespaces: made, attached, detached, made unreadable (NVM Express base specification 2.0, sections 5.14,
 * 5.22, 5.23 and 8.11). */

#include "common/macro.h"
#include "sriov/function.h"
#include "sriov/nvme-admin.h"
#include "sriov/nvme-command.h"
#include "sriov/nvme-page.h"
#include "sriov/nvme-read.h"
#include "sriov/nvme-rules.h"
#include "sriov/nvme-status.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SELECT_CREATE 0U
#define SELECT_DELETE 1U
#define SELECT_ATTACH 0U
#define SELECT_DETACH 1U
#define DELETE_MS     60000U
#define FORMAT_MS     (10U * 60U * 1000U)
#define ALL           UINT32_MAX

/* A controller list of one (figure 133). */
static int attachment(struct nvme_admin *a, uint32_t nsid, uint16_t controller, unsigned select,
                      enum reason reason) {
        _cleanup_free_ uint16_t *list = calloc(1, NVME_PAGE_SIZE);
        struct nvme_command c = { .opcode = NVME_OPCODE_ATTACHMENT,
                                  .nsid = nsid,
                                  .cdw10 = select,
                                  .data = list,
                                  .size = NVME_PAGE_SIZE };
        char step[96];

        if (!list)
                return -ENOMEM;
        list[0] = htole16(1);
        list[1] = htole16(controller);
        int r = nvme_submit(a->fd, &c);
        if (r == 0)
                return 0;
        snprintf(step, sizeof(step), "%s namespace %u %s controller %u",
                 select == SELECT_ATTACH ? "attaching" : "detaching", nsid,
                 select == SELECT_ATTACH ? "to" : "from", controller);
        return nvme_admin_failed(a, r, reason, step);
}

static int cannot_tell(struct nvme_admin *a) {
        a->reason = REASON_NAMESPACE;
        snprintf(a->detail, sizeof(a->detail), "the controller does not tell what its VFs see");
        return -EOPNOTSUPP;
}

/* The block size that the other namespaces have, else the fastest format without metadata. */
static int choose_format(struct nvme_admin *a, uint8_t *page, uint32_t *ret_block) {
        uint32_t like = a->state.primary.n_namespaces > 0 ? a->state.namespaces[0].block_size : 0;

        int r = nvme_read_page(a->fd, NVME_CNS_NAMESPACE, ALL, 0, page); /* what all can be (5.17.2.1) */
        if (r != 0)
                return nvme_admin_failed(a, r, REASON_NAMESPACE, "reading what namespaces can be");
        int format = nvme_page_format(page, like);
        if (format < 0)
                format = nvme_page_format(page, 0);
        if (format < 0) {
                a->reason = REASON_NAMESPACE;
                snprintf(a->detail, sizeof(a->detail), "the controller has no format without metadata");
                return -EOPNOTSUPP;
        }
        *ret_block = nvme_page_format_size(page, (unsigned) format);
        return format;
}

int nvme_admin_create(struct nvme_admin *a, uint64_t bytes, uint64_t *ret_nsid) {
        _cleanup_free_ uint8_t *page = malloc(NVME_PAGE_SIZE);
        uint32_t block = 0;
        char step[64];

        if (!page)
                return -ENOMEM;
        int r = nvme_admin_read(a);
        if (r >= 0)
                r = nvme_may_create(&a->state, bytes, &a->reason, a->detail, sizeof(a->detail));
        if (r >= 0)
                r = choose_format(a, page, &block);
        if (r < 0)
                return r;
        uint64_t blocks = htole64(bytes / block + (bytes % block > 0));
        memset(page, 0, NVME_PAGE_SIZE);
        memcpy(page, &blocks, sizeof(blocks));     /* NSZE */
        memcpy(page + 8, &blocks, sizeof(blocks)); /* NCAP: nothing is promised that is not there */
        page[26] = (uint8_t) r;                    /* FLBAS; NMIC stays 0: one controller at a time */
        struct nvme_command c = { .opcode = NVME_OPCODE_NAMESPACE,
                                  .cdw10 = SELECT_CREATE,
                                  .data = page,
                                  .size = NVME_PAGE_SIZE,
                                  .timeout_ms = DELETE_MS };
        snprintf(step, sizeof(step), "making a namespace of %llu bytes", (unsigned long long) bytes);
        r = nvme_submit(a->fd, &c);
        if (r != 0)
                return nvme_admin_failed(a, r,
                                         nvme_is_no_room(r) ? REASON_NAMESPACES_USED_UP : REASON_NAMESPACE,
                                         step);
        *ret_nsid = c.result;
        return 0;
}

int nvme_admin_attach(struct nvme_admin *a, uint64_t nsid, bool exclusive) {
        int r = nvme_admin_read(a);

        if (r >= 0 && !a->secondary)
                r = cannot_tell(a);
        if (r >= 0)
                r = nvme_may_attach(&a->state, a->secondary, nsid, exclusive, &a->reason, a->detail,
                                    sizeof(a->detail));
        if (r < 0 || nvme_is_attached(&a->state, nsid, a->secondary->controller))
                return r;
        r = attachment(a, (uint32_t) nsid, a->secondary->controller, SELECT_ATTACH, REASON_NAMESPACE);
        if (r >= 0)
                r = nvme_admin_read(a);
        if (r >= 0 && !nvme_is_attached(&a->state, nsid, a->secondary->controller)) {
                a->reason = REASON_NAMESPACE;
                snprintf(a->detail, sizeof(a->detail), "namespace %llu is not attached after all",
                         (unsigned long long) nsid);
                r = -EIO;
        }
        if (r >= 0) /* somebody else may have been as fast */
                r = nvme_may_attach(&a->state, a->secondary, nsid, exclusive, &a->reason, a->detail,
                                    sizeof(a->detail));
        return r;
}

/* The next one of the VF's, of those that are meant; 0: none. */
static uint32_t next_attached(const struct nvme_admin *a, uint64_t nsid) {
        FOREACH_ARRAY(i, a->state.attachments, a->state.primary.n_attachments)
                if (i->controller == a->secondary->controller && (nsid == 0 || i->nsid == nsid))
                        return i->nsid;
        return 0;
}

int nvme_admin_detach(struct nvme_admin *a, uint64_t nsid, uint64_t *ret_n) {
        int r = nvme_admin_read(a);

        *ret_n = 0;
        if (r >= 0 && (!a->secondary || !(a->state.primary.can & NVME_CAN_NAMESPACES)))
                r = cannot_tell(a); /* no list is not an empty one */
        if (r < 0)
                return r;
        FOREACH_ARRAY(i, a->state.attachments, a->state.primary.n_attachments) {
                if (i->controller != a->secondary->controller || (nsid != 0 && i->nsid != nsid))
                        continue;
                r = attachment(a, i->nsid, i->controller, SELECT_DETACH, REASON_NAMESPACE);
                if (r < 0)
                        return r;
                ++*ret_n;
        }
        if (*ret_n == 0)
                return 0;
        r = nvme_admin_read(a);
        if (r >= 0 && next_attached(a, nsid) > 0) {
                a->reason = REASON_NAMESPACE;
                snprintf(a->detail, sizeof(a->detail), "namespace %u is still attached",
                         next_attached(a, nsid));
                r = -EIO;
        }
        return r;
}

static int format(struct nvme_admin *a, uint32_t nsid, bool crypto) {
        _cleanup_free_ uint8_t *page = malloc(NVME_PAGE_SIZE);
        char step[64];

        if (!page)
                return -ENOMEM;
        snprintf(step, sizeof(step), "formatting namespace %u", nsid);
        int r = nvme_read_page(a->fd, NVME_CNS_NAMESPACE, nsid, 0, page);
        if (r != 0)
                return nvme_admin_failed(a, r, REASON_ERASE_FAILED, step);
        struct nvme_command c = { .opcode = NVME_OPCODE_FORMAT,
                                  .nsid = nsid,
                                  .cdw10 = (crypto ? 2U : 1U) << 9 | (page[26] >> 5 & 3U) << 12 |
                                           (page[26] & 0x10U) | (page[29] & 15U) << 5 |
                                           nvme_page_format_now(
                                                           page), /* SES; PIL, PI, MSET, LBAF as they are */
                                  .timeout_ms = FORMAT_MS };
        r = nvme_submit(a->fd, &c);
        return r != 0 ? nvme_admin_failed(a, r, REASON_ERASE_FAILED, step) : 0;
}

/* Format NVM is for namespaces of the controller that is asked (section 5.14), so the primary gets it for
 * that time, and the host's kernel sees it: shorter than that is not possible. The VF has it no longer. */
static int format_by_primary(struct nvme_admin *a, uint32_t nsid, bool crypto) {
        uint16_t primary = a->state.primary.controller;
        int r = 0;

        if (!(a->state.primary.can & NVME_CAN_NAMESPACES)) /* then it is everybody's */
                return format(a, nsid, crypto);
        if (a->secondary && nvme_is_attached(&a->state, nsid, a->secondary->controller))
                r = attachment(a, nsid, a->secondary->controller, SELECT_DETACH, REASON_ERASE_FAILED);
        if (r >= 0 && !nvme_is_attached(&a->state, nsid, primary))
                r = attachment(a, nsid, primary, SELECT_ATTACH, REASON_ERASE_FAILED);
        if (r < 0)
                return r;
        r = format(a, nsid, crypto);
        struct nvme_admin after = *a; /* the first failure is the one to be told */
        int e = attachment(&after, nsid, primary, SELECT_DETACH, REASON_ERASE_FAILED);
        if (r >= 0 && e < 0)
                *a = after;
        return r < 0 ? r : e;
}

static int delete (struct nvme_admin *a, uint32_t nsid) {
        struct nvme_command c = {
                .opcode = NVME_OPCODE_NAMESPACE, .nsid = nsid, .cdw10 = SELECT_DELETE, .timeout_ms = DELETE_MS
        };
        char step[64];

        snprintf(step, sizeof(step), "deleting namespace %u", nsid);
        int r = nvme_submit(a->fd, &c);
        if (r != 0)
                return nvme_admin_failed(a, r, REASON_ERASE_FAILED, step);
        r = nvme_admin_read(a);
        if (r >= 0 && nvme_namespace_of(&a->state, nsid)) {
                a->reason = REASON_ERASE_FAILED;
                snprintf(a->detail, sizeof(a->detail), "namespace %u is still there", nsid);
                r = -EIO;
        }
        return r;
}

/* The primary may have it from a format that was cut off; but if the host has begun to use it, no more. */
static int host_has_none(struct nvme_admin *a, uint32_t nsid) {
        char why[96];

        int r = function_disk_in_use(a->root_fd, a->pf, nsid, why, sizeof(why));
        if (r == 0)
                return 0;
        a->reason = REASON_ERASE_FAILED;
        snprintf(a->detail, sizeof(a->detail), "namespace %u: %s", nsid,
                 r > 0 ? why : "whether the host uses it");
        return r < 0 ? r : -EBUSY;
}

int nvme_admin_erase(struct nvme_admin *a, uint64_t nsid, enum nvme_erase how) {
        int r = nvme_admin_read(a);

        if (r >= 0)
                r = nvme_may_erase(&a->state, a->secondary, nsid, how, &a->reason, a->detail,
                                   sizeof(a->detail));
        if (r >= 0 && how != NVME_ERASE_DELETE)
                r = host_has_none(a, (uint32_t) nsid);
        if (r < 0)
                return r;
        return how == NVME_ERASE_DELETE ? delete (a, (uint32_t) nsid)
                                        : format_by_primary(a, (uint32_t) nsid, how == NVME_ERASE_CRYPTO);
}
