/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of the kernel log to faults. The formats are those of Linux 5.10 to 7.2; each parser names its
 * source. */

#include "iommu/faultlog.h"
#include "common/macro.h"

#include <stdio.h>
#include <string.h>

#define LEVEL_ERR 3U /* KERN_ERR */

const char *fault_kind_to_string(enum fault_kind kind) {
        switch (kind) {
        case FAULT_READ:
                return "DMA read";
        case FAULT_WRITE:
                return "DMA write";
        case FAULT_INTERRUPT:
                return "interrupt";
        case FAULT_OTHER:
        case _FAULT_KIND_MAX:
                break;
        }
        return "request";
}

/* "driver name: " that dev_printk() puts first: drivers/base/core.c:__dev_printk, set_dev_info */
struct origin {
        struct cursor driver, name;
        bool attested; /* the dictionary names the same device */
        bool is_function;
        struct address function;
};

static bool take_origin(struct cursor *c, const struct kmsg_record *r, struct origin *ret) {
        struct cursor t = *c, source = t, subsystem, function;
        struct origin o = { 0 };
        size_t n;

        if (!take_until(&t, " :", &o.driver) || !take_text(&t, " ") || !take_until(&t, " ", &o.name) ||
            !take_text(&t, " ") || o.name.end[-1] != ':')
                return false;
        n = (size_t) (--o.name.end - o.name.p);
        if (r->source)
                source = (struct cursor){ r->source, r->source + r->n_source };
        o.attested = r->source && take_text(&source, "+") && take_until(&source, ":", &subsystem) &&
                     take_text(&source, ":") && (size_t) (source.end - source.p) == n &&
                     memcmp(source.p, o.name.p, n) == 0;
        function = o.name;
        o.is_function = take_full_function(&function, &o.function) && cursor_at_end(&function);
        *c = t;
        *ret = o;
        return true;
}

static void name_requester(struct fault *f, struct address a, bool has_domain) {
        f->has_requester = true;
        f->has_domain = has_domain;
        f->requester = a;
}

static void set_iova(struct fault *f, uint64_t iova) {
        f->has_iova = true;
        f->iova = iova;
}

/* A length for "%.*s". */
static int length(struct cursor c) {
        return (int) MIN((size_t) (c.end - c.p), (size_t) FAULT_TEXT_MAX);
}

/* drivers/iommu/intel/dmar.c:dmar_fault */
static void note_fault_status(struct faultlog *l, struct cursor *c) {
        uint64_t status;

        if (take_hex(c, &status) && cursor_at_end(c) &&
            status & 1U) /* DMA_FSTS_PFO: primary fault overflow */
                l->lost++;
}

/* drivers/iommu/intel/dmar.c:dmar_fault_do_one
 *   5.10  [DMA Write] Request device [03:00.0] PASID ffffffff fault addr ffb7 [fault reason 05] text
 *   5.15  [DMA Write NO_PASID] Request device [0x03:0x00.0] fault addr 0xffb7 [fault reason 0x05] text
 *   5.16+ [DMA Write PASID 0x1] Request device [03:00.0] fault addr 0xffb7 [fault reason 0x05] text
 *         [INTR-REMAP] Request device [03:00.0] fault index 0x25 [fault reason 0x22] text
 * Some trees print the domain too. pr_err(), so there is no dictionary to agree. */
static bool parse_intel(struct faultlog *l, struct cursor *c, const struct kmsg_record *r, struct fault *f) {
        struct address a;
        struct cursor reason;
        uint64_t v, number;
        bool has_domain;

        f->iommu = FAULT_INTEL;
        if (take_text(c, "DRHD: handling fault status reg ")) {
                note_fault_status(l, c);
                return false;
        }
        if (take_text(c, "[INTR-REMAP"))
                f->kind = FAULT_INTERRUPT;
        else if (take_text(c, "[DMA Read"))
                f->kind = FAULT_READ;
        else if (take_text(c, "[DMA Write"))
                f->kind = FAULT_WRITE;
        else
                return false;
        if (!take_text(c, " NO_PASID") && take_text(c, " PASID ") && !take_hex(c, &v))
                return false;
        if (!take_text(c, "] Request device [") || !take_function(c, &has_domain, &a) || !take_text(c, "] "))
                return false;
        if (take_text(c, "PASID ") && !(take_hex(c, &v) && take_text(c, " ")))
                return false;
        if (!take_text(c, f->kind == FAULT_INTERRUPT ? "fault index " : "fault addr ") || !take_hex(c, &v) ||
            !take_text(c, " [fault reason "))
                return false;
        reason = *c;
        if (!take_hex(c, &number) || !take_text(c, "]") || (!cursor_at_end(c) && !take_text(c, " ")))
                return false;
        reason.end = c->p - (cursor_at_end(c) ? 1 : 2);
        if (f->kind != FAULT_INTERRUPT)
                set_iova(f, v);
        if (!r->source)
                name_requester(f, a, has_domain);
        snprintf(f->text, sizeof(f->text), "%s %s0x%llx, reason %.*s: %.*s", fault_kind_to_string(f->kind),
                 f->kind == FAULT_INTERRUPT ? "index " : "at ", (unsigned long long) v, length(reason),
                 reason.p, length(*c), c->p);
        return true;
}

/* "key=value" and "key=value, " up to the bracket that ends the line */
struct amd_fields {
        bool has_device, has_domain, has_address, has_flags;
        struct address device;
        uint64_t address, flags;
};

static bool take_amd_fields(struct cursor *c, struct amd_fields *ret) {
        do {
                struct cursor key;
                uint64_t v;

                if (!take_until(c, "=, ]", &key) || !take_text(c, "="))
                        return false;
                if (cursor_is(key, "device")) {
                        if (ret->has_device || !take_function(c, &ret->has_domain, &ret->device))
                                return false;
                        ret->has_device = true;
                        continue;
                }
                if (!take_hex(c, &v))
                        return false;
                if (cursor_is(key, "address")) {
                        if (ret->has_address)
                                return false;
                        ret->has_address = true;
                        ret->address = v;
                } else if (cursor_is(key, "flags")) {
                        if (ret->has_flags)
                                return false;
                        ret->has_flags = true;
                        ret->flags = v;
                }
        } while (take_text(c, ", ") || take_text(c, " "));
        return take_text(c, "]") && cursor_at_end(c);
}

/* The driver's own reading: amd_iommu_types.h EVENT_FLAG_I, EVENT_FLAG_RW; iommu.c:IS_WRITE_REQUEST */
static enum fault_kind amd_kind(struct cursor event, const struct amd_fields *x) {
        if (!cursor_is(event, "IO_PAGE_FAULT") || !x->has_flags)
                return FAULT_OTHER;
        if (x->flags & 0x008U)
                return FAULT_INTERRUPT;
        return x->flags & 0x020U ? FAULT_WRITE : FAULT_READ;
}

/* For the others it is an address of the IOMMU's tables or commands, or of the guest. */
static bool amd_address_is_iova(struct cursor event) {
        static const char *const table[] = {
                "IO_PAGE_FAULT",
                "ILLEGAL_DEV_TABLE_ENTRY",
                "INVALID_DEVICE_REQUEST",
                "INVALID_PPR_REQUEST",
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table))
                if (cursor_is(event, *i))
                        return true;
        return false;
}

/* Printed for the function itself, for the IOMMU ("iommu ivhd0: …") with device=, or, where the driver does
 * not know the function, for nobody with device=. Anything else contradicts itself. */
static void find_amd_requester(struct fault *f, const struct kmsg_record *r, const struct origin *o,
                               const struct amd_fields *x) {
        if (o ? !o->attested : r->source != NULL)
                return;
        if (o && o->is_function) {
                if (!x->has_device)
                        name_requester(f, o->function, true);
        } else if (x->has_device)
                name_requester(f, x->device, x->has_domain);
}

/* drivers/iommu/amd/iommu.c:amd_iommu_report_page_fault, amd_iommu_report_rmp_fault,
 * amd_iommu_report_rmp_hw_error, iommu_print_event vfio-pci 0000:03:00.1: AMD-Vi: Event logged [IO_PAGE_FAULT
 * domain=0x000a address=0xffb7000 flags=0x0020] AMD-Vi: Event logged [IO_PAGE_FAULT device=0000:03:00.1
 * domain=0x000a address=0xffb7000 flags=0x0020] iommu ivhd0: AMD-Vi: Event logged [IOTLB_INV_TIMEOUT
 * device=0000:03:00.1 address=0x42b5b01a0] Before 6.0 device= has no domain. */
static bool parse_amd_event(struct cursor *c, const struct kmsg_record *r, const struct origin *o,
                            struct fault *f) {
        struct amd_fields x = { 0 };
        struct cursor event;
        int n = 0;

        if (!take_until(c, " ]", &event) || !take_text(c, " "))
                return false;
        f->kind = FAULT_OTHER;
        if (cursor_is(event, "UNKNOWN")) { /* four raw words, and no bracket at the end */
                snprintf(f->text, sizeof(f->text), "unknown event: %.*s", length(*c), c->p);
                return true;
        }
        for (const char *p = event.p; p < event.end; p++)
                if (*p != '_' && (*p < 'A' || *p > 'Z'))
                        return false; /* "Device not attached to domain properly": the next line says which */
        if (!take_amd_fields(c, &x))
                return false;
        f->kind = amd_kind(event, &x);
        if (f->kind != FAULT_INTERRUPT && x.has_address && amd_address_is_iova(event))
                set_iova(f, x.address);
        find_amd_requester(f, r, o, &x);
        n = snprintf(f->text, sizeof(f->text), "%.*s", length(event), event.p);
        if (x.has_address && n >= 0 && (size_t) n < sizeof(f->text))
                n += snprintf(f->text + n, sizeof(f->text) - (size_t) n, " address=0x%llx",
                              (unsigned long long) x.address);
        if (x.has_flags && n >= 0 && (size_t) n < sizeof(f->text))
                snprintf(f->text + n, sizeof(f->text) - (size_t) n, " flags=0x%04llx",
                         (unsigned long long) x.flags);
        return true;
}

static bool parse_amd(struct faultlog *l, struct cursor *c, const struct kmsg_record *r,
                      const struct origin *o, struct fault *f) {
        struct amd_fields x = { 0 };
        uint64_t domain;

        f->iommu = FAULT_AMD;
        if (take_text(c, "Event logged ["))
                return parse_amd_event(c, r, o, f);
        /* init.c:amd_iommu_restart_log (6.12), iommu.c:amd_iommu_int_thread (5.10) */
        if (cursor_is(*c, "IOMMU Event log restarting") || cursor_is(*c, "IOMMU event log overflow"))
                l->lost++;
        /* amd_iommu_report_page_fault (6.12, not 5.10): the second line of "Device not attached to domain
         * properly"
         */
        if (!take_text(c, "  device=") || !take_full_function(c, &x.device) || !take_text(c, " domain=") ||
            !take_hex(c, &domain) || !cursor_at_end(c))
                return false;
        f->kind = FAULT_OTHER;
        x.has_device = x.has_domain = true;
        find_amd_requester(f, r, o, &x);
        snprintf(f->text, sizeof(f->text), "device not attached to its domain");
        return true;
}

/* drivers/iommu/virtio-iommu.c:viommu_fault_handler
 *   virtio_iommu virtio0: page fault from EP 513 at 0xffb7000 [W] */
static bool parse_virtio(struct cursor *c, const struct origin *o, struct fault *f) {
        struct cursor what = *c, access;
        uint64_t endpoint, address;

        f->iommu = FAULT_VIRTIO;
        f->kind = FAULT_OTHER;
        if (!o->attested || (!take_text(c, "page") && !take_text(c, "domain") && !take_text(c, "unknown")))
                return false;
        if (!take_text(c, " fault from EP ") || !take_decimal(c, &endpoint) || endpoint > UINT32_MAX)
                return false;
        if (take_text(c, " at ")) {
                if (!take_hex(c, &address) || !take_text(c, " ["))
                        return false;
                if (take_until(c, "]", &access))
                        f->kind = memchr(access.p, 'W', (size_t) (access.end - access.p))   ? FAULT_WRITE
                                  : memchr(access.p, 'R', (size_t) (access.end - access.p)) ? FAULT_READ
                                                                                            : FAULT_OTHER;
                if (!take_text(c, "]"))
                        return false;
                set_iova(f, address);
        }
        if (!cursor_at_end(c))
                return false;
        f->has_stream = true;
        f->stream = (uint32_t) endpoint;
        snprintf(f->text, sizeof(f->text), "%.*s", length(what), what.p);
        return true;
}

static bool same_origin(const struct faultlog_pending *p, const struct kmsg_record *r) {
        return p->used && p->has_caller == r->has_caller && p->caller == r->caller &&
               p->n_source == r->n_source && memcmp(p->source, r->source, r->n_source) == 0;
}

/* The message this line goes on with. Without callers nobody else may have come between. */
static struct faultlog_pending *find_pending(struct faultlog *l, const struct kmsg_record *r) {
        FOREACH_ARRAY(p, l->pending, FAULTLOG_PENDING_MAX) {
                if (!same_origin(p, r))
                        continue;
                if (!r->has_caller && p->seq + 1 != r->seq) {
                        p->used = false;
                        return NULL;
                }
                p->seq = r->seq;
                return p;
        }
        return NULL;
}

static void start_pending(struct faultlog *l, const struct kmsg_record *r, uint64_t id) {
        struct faultlog_pending *best = &l->pending[0];

        if (r->n_source > sizeof(best->source))
                return;
        FOREACH_ARRAY(p, l->pending, FAULTLOG_PENDING_MAX) {
                if (same_origin(p, r)) {
                        best = p;
                        break;
                }
                if (best->used && (!p->used || p->seq < best->seq))
                        best = p;
        }
        *best = (struct faultlog_pending){ .used = true,
                                           .has_caller = r->has_caller,
                                           .caller = r->caller,
                                           .seq = r->seq,
                                           .n_source = r->n_source,
                                           .id = id };
        memcpy(best->source, r->source, r->n_source);
}

/* arm-smmu-v3.h EVT_ID_*: translation, address size, access and permission faults; those the driver decodes
 */
static bool smmu_event_has_iova(uint64_t id) {
        return id >= 0x10 && id <= 0x13;
}

static enum fault_kind smmu_kind(const struct faultlog_pending *p) {
        if (!smmu_event_has_iova(p->id))
                return FAULT_OTHER;
        return p->words[1] >> 35 & 1U ? FAULT_READ : FAULT_WRITE; /* EVTQ_1_RnW */
}

/* Up to 6.13 the four words are all there is; the requester is not printed, only its stream. */
static bool take_smmu_word(struct faultlog *l, const struct kmsg_record *r, uint64_t word, struct fault *f) {
        struct faultlog_pending *p = find_pending(l, r);

        if (!p)
                return false;
        if (p->n == ARRAY_SIZE(p->words) || (p->n == 0 && (word & 0xffU) != p->id)) {
                p->used = false;
                return false;
        }
        p->words[p->n++] = word;
        /* Since 6.14, which prints these at another level, a line follows that says it better. */
        if (p->n < ARRAY_SIZE(p->words) || r->level <= LEVEL_ERR)
                return false;
        p->used = false;
        f->kind = smmu_kind(p);
        f->has_stream = true;
        f->stream = (uint32_t) (p->words[0] >> 32); /* EVTQ_0_SID */
        if (smmu_event_has_iova(p->id))
                set_iova(f, p->words[2]);
        snprintf(f->text, sizeof(f->text), "event 0x%02llx, stream 0x%x, %s at 0x%llx",
                 (unsigned long long) p->id, f->stream, fault_kind_to_string(f->kind),
                 (unsigned long long) p->words[2]);
        return true;
}

/* event: F_TRANSLATION client: 0000:03:00.1 sid: 0x301 ssid: 0x0 iova: 0xffb7000 ipa: 0x0
 * The client is a device's name or "(unassigned sid)"; a fetch fault has "fetch_addr: 0x…" at its end. */
static bool take_smmu_decoded(struct faultlog *l, struct cursor *c, const struct kmsg_record *r,
                              struct fault *f) {
        struct faultlog_pending *p = find_pending(l, r);
        struct cursor event, client;
        struct address a;
        uint64_t sid, v, iova;
        bool known;

        if (p)
                p->used = false;
        if (!take_until(c, " ", &event) || !take_text(c, " client: "))
                return false;
        known = take_full_function(c, &a);
        if (!known && !take_text(c, "(unassigned sid)") && !take_until(c, " ", &client))
                return false;
        if (!take_text(c, " sid: ") || !take_hex(c, &sid) || sid > UINT32_MAX || !take_text(c, " ssid: ") ||
            !take_hex(c, &v))
                return false;
        if (take_text(c, " iova: ")) {
                if (!take_hex(c, &iova) || !take_text(c, " ipa: ") || !take_hex(c, &v))
                        return false;
                set_iova(f, iova);
        } else if (take_text(c, " fetch_addr: ") && !take_hex(c, &v))
                return false;
        if (!cursor_at_end(c))
                return false;
        /* which way it went is in the words before, if they came whole */
        f->kind = p && p->n == ARRAY_SIZE(p->words) && p->words[0] >> 32 == sid ? smmu_kind(p) : FAULT_OTHER;
        f->has_stream = f->looked_up = true;
        f->stream = (uint32_t) sid;
        if (known)
                name_requester(f, a, true);
        snprintf(f->text, sizeof(f->text), "%.*s, stream 0x%x%s", length(event), event.p, f->stream,
                 known ? "" : ", no PCI function");
        if (f->has_iova)
                snprintf(f->text, sizeof(f->text), "%.*s, %s at 0x%llx", length(event), event.p,
                         fault_kind_to_string(f->kind), (unsigned long long) iova);
        return true;
}

/* drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c: up to 6.13 arm_smmu_evtq_thread, then arm_smmu_dump_event */
static bool parse_smmu(struct faultlog *l, struct cursor *c, const struct kmsg_record *r,
                       const struct origin *o, struct fault *f) {
        struct cursor event = *c, word = *c;
        uint64_t v;

        f->iommu = FAULT_SMMUV3;
        if (!o->attested)
                return false;
        if (take_text(&event, "event 0x") && take_digits(&event, 16, 2, 2, &v) &&
            cursor_is(event, " received:")) {
                start_pending(l, r, v);
                return false;
        }
        if (take_text(&word, "\\x090x") && take_digits(&word, 16, 16, 16, &v) &&
            cursor_at_end(&word)) /* a tab, escaped */
                return take_smmu_word(l, r, v, f);
        if (take_text(c, "event: "))
                return take_smmu_decoded(l, c, r, f);
        if (cursor_is(*c, "EVTQ overflow detected -- events lost") ||
            cursor_is(*c, "EVTQ write aborted -- events may have been lost"))
                l->lost++;
        /* words of a command that failed look like those of an event: arm_smmu_cmdq_skip_err */
        struct faultlog_pending *p = find_pending(l, r);
        if (p)
                p->used = false;
        return false;
}

/* lib/ratelimit.c:___ratelimit: "dmar_fault: 44 callbacks suppressed" */
static void note_suppressed(struct faultlog *l, struct cursor c) {
        static const char *const limited[] = {
                "dmar_fault",
                "amd_iommu_report_page_fault",
                "amd_iommu_report_rmp_fault",
                "amd_iommu_report_rmp_hw_error",
                "arm_smmu_evtq_thread",
                "arm_smmu_dump_event",
                "viommu_fault_handler",
        };
        struct cursor function;
        uint64_t n;

        if (!take_until(&c, ":", &function) || !take_text(&c, ": ") || !take_decimal(&c, &n) ||
            n > INT32_MAX || !cursor_is(c, " callbacks suppressed"))
                return;
        FOREACH_ARRAY(i, limited, ARRAY_SIZE(limited))
                if (cursor_is(function, *i))
                        l->lost += n;
}

static bool parse_line(struct faultlog *l, const struct kmsg_record *r, struct fault *f) {
        struct cursor c = { r->text, r->text + r->n };
        struct origin o;

        if (take_text(&c, "DMAR: "))
                return parse_intel(l, &c, r, f);
        if (take_text(&c, "AMD-Vi: "))
                return parse_amd(l, &c, r, NULL, f);
        if (take_origin(&c, r, &o)) {
                if (cursor_is(o.driver, "arm-smmu-v3"))
                        return parse_smmu(l, &c, r, &o, f);
                if (cursor_is(o.driver, "virtio_iommu"))
                        return parse_virtio(&c, &o, f);
                return take_text(&c, "AMD-Vi: ") && parse_amd(l, &c, r, &o, f);
        }
        note_suppressed(l, c);
        return false;
}

bool faultlog_feed(struct faultlog *l, const struct kmsg_record *r, struct fault *ret) {
        struct fault f = { .usec = r->usec };

        if (l->started && r->seq != l->next_seq)
                faultlog_reset(l);
        l->started = true;
        l->next_seq = r->seq + 1;
        /* The rest of a line may begin with anything, a name that somebody chose for instance. Since 5.10
         * whole lines are never mixed. */
        if (r->facility != 0 || r->continued || !parse_line(l, r, &f))
                return false;
        for (char *p = f.text; *p; p++)
                if (*p < ' ' || *p > '~')
                        *p = '?';
        *ret = f;
        return true;
}

void faultlog_reset(struct faultlog *l) {
        *l = (struct faultlog){ .lost = l->lost };
}
