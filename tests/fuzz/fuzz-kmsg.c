/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel log: whatever is in it, a fault is well-formed, and names nobody who is not in the line. The
 * input is cut at NULs into records; an empty record stands for messages that were overwritten. */

#include "common/macro.h"
#include "iommu/faultlog.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static bool contains(const char *text, size_t n, const char *needle) {
        return memmem(text, n, needle, strlen(needle)) != NULL;
}

static void check_record(const char *data, size_t n, const struct kmsg_record *r) {
        REQUIRE(r->level <= 7);
        REQUIRE(r->text >= data && r->text + r->n < data + n && r->text[r->n] == '\n');
        for (size_t i = 0; i < r->n; i++)
                REQUIRE(r->text[i] >= ' ' && r->text[i] <= '~');
        REQUIRE(!r->source || (r->source > r->text + r->n && r->source + r->n_source < data + n));
        REQUIRE(!r->has_device || r->source);
        REQUIRE(r->device.device <= 31 && r->device.function <= 7);
        REQUIRE(r->has_device || address_equal(r->device, (struct address){ 0 }));
        REQUIRE(r->has_caller || r->caller == 0);
}

/* The function stands in the last line, as the kernel writes it: nothing is put together from parts. */
static void check_requester(const struct kmsg_record *r, const struct fault *f) {
        struct address a = f->requester;
        char plain[ADDRESS_STR_MAX], old[ADDRESS_STR_MAX];

        REQUIRE(a.device <= 31 && a.function <= 7);
        if (!f->has_requester) {
                REQUIRE(!f->has_domain && address_equal(a, (struct address){ 0 }));
                return;
        }
        snprintf(plain, sizeof(plain), "%02x:%02x.%u", a.bus, a.device & 31U, a.function & 7U);
        snprintf(old, sizeof(old), "0x%02x:0x%02x.%u", a.bus, a.device & 31U, a.function & 7U);
        REQUIRE(contains(r->text, r->n, plain) || contains(r->text, r->n, old));
        if (f->has_domain) {
                snprintf(plain, sizeof(plain), "%04x:%02x:", a.domain, a.bus);
                REQUIRE(contains(r->text, r->n, plain));
        }
        REQUIRE(f->has_domain || a.domain == 0);
        /* a function that the dictionary names is the requester, or the IOMMU's own, never a third one */
        REQUIRE(!r->has_device || address_equal(a, r->device) || f->iommu == FAULT_SMMUV3);
}

static void check_fault(const struct kmsg_record *r, const struct fault *f) {
        struct address a;

        REQUIRE(r->facility == 0 && !r->continued);
        REQUIRE((unsigned) f->iommu < _FAULT_IOMMU_MAX && (unsigned) f->kind < _FAULT_KIND_MAX);
        REQUIRE(memchr(f->text, '\0', sizeof(f->text)) && f->text[0]);
        for (const char *p = f->text; *p; p++)
                REQUIRE(*p >= ' ' && *p <= '~');
        REQUIRE(f->usec == r->usec);
        REQUIRE(f->has_iova || f->iova == 0);
        REQUIRE(f->kind != FAULT_INTERRUPT || !f->has_iova);
        REQUIRE(f->has_stream == (f->iommu == FAULT_SMMUV3 || f->iommu == FAULT_VIRTIO));
        REQUIRE(f->has_stream || f->stream == 0);
        if (fault_stream_as_function(f, &a))
                REQUIRE(f->stream <= 0xffff && a.device <= 31 && a.function <= 7);
        check_requester(r, f);
}

static void try_record(struct faultlog *l, const char *data, size_t n) {
        static const struct kmsg_record untouched = { .seq = 7 };
        struct kmsg_record r = untouched;
        struct fault f;
        uint64_t lost = l->lost;

        if (n == 0) {
                faultlog_reset(l);
                return;
        }
        if (kmsg_parse(data, n, &r) < 0) {
                REQUIRE(memcmp(&r, &untouched, sizeof(r)) == 0);
                return;
        }
        check_record(data, n, &r);
        if (faultlog_feed(l, &r, &f))
                check_fault(&r, &f);
        REQUIRE(l->lost - lost <= INT32_MAX);
        REQUIRE(l->lost == lost || r.facility == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct faultlog l = { 0 };
        const char *p = (const char *) data, *end = p + size;

        while (p < end) {
                const char *nul = memchr(p, '\0', (size_t) (end - p));
                size_t n = (size_t) ((nul ? nul : end) - p);

                try_record(&l, p, n);
                p += n + (nul ? 1 : 0);
        }
        return 0;
}
