/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of NVM Express base specification 2.0, sections 5.5, 5.26, 8.11 and 8.26, and ours: a namespace has
 * one owner. */

#include "sriov/nvme-rules.h"
#include "common/macro.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define QUEUES_MIN     2U /* the admin queue and one more (section 8.26.3) */
#define INTERRUPTS_MIN 1U

const struct nvme_secondary *nvme_secondary_of(const struct nvme_state *s, unsigned vf) {
        for (size_t i = 0; vf > 0 && i < s->primary.n_secondaries; i++)
                if (s->secondaries[i].vf == vf)
                        return &s->secondaries[i];
        return NULL;
}

const struct nvme_namespace *nvme_namespace_of(const struct nvme_state *s, uint64_t nsid) {
        for (size_t i = 0; i < s->primary.n_namespaces; i++)
                if (s->namespaces[i].nsid == nsid)
                        return &s->namespaces[i];
        return NULL;
}

bool nvme_is_attached(const struct nvme_state *s, uint64_t nsid, uint16_t controller) {
        for (size_t i = 0; i < s->primary.n_attachments; i++)
                if (s->attachments[i].nsid == nsid && s->attachments[i].controller == controller)
                        return true;
        return false;
}

bool nvme_others_have(const struct nvme_state *s, uint64_t nsid, int but) {
        for (size_t i = 0; i < s->primary.n_attachments; i++)
                if (s->attachments[i].nsid == nsid && s->attachments[i].controller != but)
                        return true;
        return false;
}

/* While a namespace is formatted the primary has it, and after one that was cut off it still does. */
static bool strangers_have(const struct nvme_state *s, uint64_t nsid, int but, bool primary_may) {
        for (size_t i = 0; i < s->primary.n_attachments; i++)
                if (s->attachments[i].nsid == nsid && s->attachments[i].controller != but &&
                    !(primary_may && s->attachments[i].controller == s->primary.controller))
                        return true;
        return false;
}

static __attribute__((format(printf, 6, 7))) int refuse(int error, enum reason why, enum reason *reason,
                                                        char *detail, size_t size, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vsnprintf(detail, size, format, ap);
        va_end(ap);
        *reason = why;
        return -error;
}

#define REFUSE(error, why, ...) refuse(error, REASON_##why, reason, detail, size, __VA_ARGS__)

/* What all others leave of the flexible resources. */
static uint64_t left(const struct nvme_resources *r, unsigned has) {
        uint64_t taken = (uint64_t) r->primary + r->assigned - MIN((uint32_t) has, r->assigned);

        return taken < r->flexible ? r->flexible - taken : 0;
}

static int may_have(const struct nvme_resources *r, unsigned has, uint64_t wants, unsigned least,
                    const char *what, enum reason *reason, char *detail, size_t size) {
        if (wants < least)
                return REFUSE(ENOSPC, NVME_RESOURCES, "%llu %s are fewer than the %u that it needs",
                              (unsigned long long) wants, what, least);
        if (wants > r->secondary_max)
                return REFUSE(ENOSPC, NVME_RESOURCES, "%llu %s, and one VF can have %u",
                              (unsigned long long) wants, what, r->secondary_max);
        if (wants > left(r, has))
                return REFUSE(ENOSPC, NVME_RESOURCES,
                              "%llu %s, and %llu are left of %u: the primary has %u, other VFs %u",
                              (unsigned long long) wants, what, (unsigned long long) left(r, has),
                              r->flexible, r->primary, r->assigned - MIN((uint32_t) has, r->assigned));
        return 0;
}

int nvme_may_online(const struct nvme_state *s, const struct nvme_secondary *c, uint64_t queues,
                    uint64_t interrupts, enum reason *reason, char *detail, size_t size) {
        int r = may_have(&s->primary.queues, c->queues, queues, QUEUES_MIN, "queues", reason, detail, size);

        return r < 0 ? r
                     : may_have(&s->primary.interrupts, c->interrupts, interrupts, INTERRUPTS_MIN,
                                "interrupts", reason, detail, size);
}

int nvme_may_keep(const struct nvme_state *s, uint64_t queues, uint64_t interrupts, enum reason *reason,
                  char *detail, size_t size) {
        const struct nvme_primary *p = &s->primary;

        if (!(p->can & NVME_CAN_VIRTUALIZE))
                return REFUSE(EOPNOTSUPP, NVME_RESOURCES, "the controller has no flexible resources");
        if (p->can & NVME_HOST_USES)
                return REFUSE(EPERM, HOST_DISK, "its reset would hit a disk that the host uses");
        if (queues + p->queues.assigned > p->queues.flexible ||
            interrupts + p->interrupts.assigned > p->interrupts.flexible)
                return REFUSE(ENOSPC, NVME_RESOURCES,
                              "the primary cannot have %llu queues and %llu interrupts of %u and %u",
                              (unsigned long long) queues, (unsigned long long) interrupts,
                              p->queues.flexible, p->interrupts.flexible);
        return 0;
}

int nvme_may_create(const struct nvme_state *s, uint64_t bytes, enum reason *reason, char *detail,
                    size_t size) {
        if (!(s->primary.can & NVME_CAN_NAMESPACES))
                return REFUSE(EOPNOTSUPP, NAMESPACE, "the controller cannot make namespaces");
        if (s->primary.namespaces_max > 0 && s->primary.n_namespaces >= s->primary.namespaces_max)
                return REFUSE(ENOSPC, NAMESPACES_USED_UP,
                              "the controller has %u namespaces and can have no more",
                              s->primary.n_namespaces);
        if (s->primary.capacity > 0 && bytes > s->primary.available)
                return REFUSE(ENOSPC, NAMESPACES_USED_UP, "%llu bytes, and %llu are left",
                              (unsigned long long) bytes, (unsigned long long) s->primary.available);
        return 0;
}

int nvme_may_attach(const struct nvme_state *s, const struct nvme_secondary *c, uint64_t nsid, bool exclusive,
                    enum reason *reason, char *detail, size_t size) {
        if (!(s->primary.can & NVME_CAN_NAMESPACES))
                return REFUSE(EOPNOTSUPP, NAMESPACE, "the controller cannot attach namespaces");
        if (!nvme_namespace_of(s, nsid))
                return REFUSE(ENOENT, NAMESPACE, "there is no namespace %llu", (unsigned long long) nsid);
        if (exclusive && nvme_others_have(s, nsid, c->controller))
                return REFUSE(EBUSY, NAMESPACE, "another controller has namespace %llu: detach it there",
                              (unsigned long long) nsid);
        return 0;
}

/* A namespace that is not in the list is gone. Without Namespace Management the list has those of the primary
 * alone. */
static bool lists_all(const struct nvme_state *s) {
        return s->primary.can & NVME_CAN_NAMESPACES && s->primary.n_namespaces < NVME_NAMESPACES_MAX;
}

int nvme_may_erase(const struct nvme_state *s, const struct nvme_secondary *c, uint64_t nsid,
                   enum nvme_erase how, enum reason *reason, char *detail, size_t size) {
        uint32_t can = s->primary.can;
        bool able = how == NVME_ERASE_DELETE   ? can & NVME_CAN_NAMESPACES
                    : how == NVME_ERASE_FORMAT ? can & NVME_CAN_FORMAT
                                               : can & NVME_CAN_CRYPTO;

        if (!able)
                return REFUSE(EOPNOTSUPP, ERASE_FAILED, "the controller cannot %s%s",
                              nvme_erase_to_string(how), how == NVME_ERASE_CRYPTO ? "-erase" : "");
        if (!nvme_namespace_of(s, nsid))
                return lists_all(s) ? REFUSE(ENOENT, NO_NAMESPACE, "there is no namespace %llu",
                                             (unsigned long long) nsid)
                                    : REFUSE(EIO, ERASE_FAILED, "namespace %llu cannot be found",
                                             (unsigned long long) nsid);
        if (strangers_have(s, nsid, c ? c->controller : -1, how != NVME_ERASE_DELETE))
                return REFUSE(EBUSY, ERASE_FAILED, "another controller has namespace %llu",
                              (unsigned long long) nsid);
        /* Sanitize is not even offered: it is always the whole subsystem's (section 5.24) */
        if (how != NVME_ERASE_DELETE && can & NVME_FORMATS_ALL && s->primary.n_namespaces > 1)
                return REFUSE(EBUSY, ERASE_FAILED, "this controller's format erases all namespaces, not one");
        return 0;
}
