/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iommu/faultlog: what kernels print, cut, mixed and forged. */

#include "common/macro.h"
#include "iommu/faultlog.h"
#include "tests/unit/test-faultlog-lines.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

/* A record as read() gives it. */
struct record {
        char data[1024];
        size_t n;
};

static void print_record(struct record *r, const char *prefix, const char *text, size_t n,
                         const char *dictionary) {
        int w = snprintf(r->data, sizeof(r->data), "%s;%.*s\n%s", prefix, (int) n, text,
                         dictionary ? dictionary : "");

        assert_in_range(w, 1, sizeof(r->data) - 1);
        r->n = (size_t) w;
}

static bool feed(struct faultlog *l, const char *prefix, const char *text, const char *dictionary,
                 struct fault *ret) {
        struct record r = { .n = 0 };
        struct kmsg_record k;

        print_record(&r, prefix, text, strlen(text), dictionary);
        assert_int_equal(kmsg_parse(r.data, r.n, &k), 0);
        return faultlog_feed(l, &k, ret);
}

static void same_fault(const struct fault *a, const struct fault *b) {
        assert_string_equal(a->text, b->text);
        assert_int_equal(a->iommu, b->iommu);
        assert_int_equal(a->kind, b->kind);
        assert_int_equal(a->has_requester, b->has_requester);
        assert_int_equal(a->has_domain, b->has_domain);
        assert_true(address_equal(a->requester, b->requester));
        assert_int_equal(a->has_stream, b->has_stream);
        assert_int_equal(a->stream, b->stream);
        assert_int_equal(a->looked_up, b->looked_up);
        assert_int_equal(a->has_iova, b->has_iova);
        assert_int_equal(a->iova, b->iova);
        assert_int_equal(a->usec, b->usec);
}

static void knows_line(const struct line *x) {
        static const struct fault untouched = { .text = "untouched" };
        struct faultlog l = { 0 };
        struct fault f = untouched, expected = x->fault;

        expected.usec = 78;
        if (feed(&l, "3,9,78,-,caller=T123", x->text, x->dictionary, &f) != x->is_fault) {
                print_error("%s\n", x->text);
                fail();
        }
        same_fault(&f, x->is_fault ? &expected : &untouched);
        assert_int_equal(l.lost, 0);
}

static void knows_lines(void **state) {
        FOREACH_ARRAY(i, golden, ARRAY_SIZE(golden))
                knows_line(i);
        FOREACH_ARRAY(i, others, ARRAY_SIZE(others))
                knows_line(i);
}

/* Nobody but the kernel, and only from the beginning of a line. */
static void takes_kernel_only(void **state) {
        static const char *const prefixes[] = { "11,9,78,-", "8,9,78,-", "4294967291,9,78,-", "3,9,78,c",
                                                "3,9,78,+" };
        struct faultlog l = { 0 };
        struct fault f;

        FOREACH_ARRAY(i, golden, ARRAY_SIZE(golden))
                FOREACH_ARRAY(p, prefixes, ARRAY_SIZE(prefixes))
                        assert_false(feed(&l, *p, i->text, i->dictionary, &f));
        assert_false(feed(&l, "12,10,78,-", "dmar_fault: 44 callbacks suppressed", NULL, &f));
        assert_int_equal(l.lost, 0);
}

static void never_somebody_else(const struct line *x, const char *data, size_t n) {
        struct faultlog l = { 0 };
        struct kmsg_record k;
        struct fault f;

        /* a copy without anything behind it, for the sanitizer */
        _cleanup_free_ char *exact = malloc(MAX(n, (size_t) 1));
        assert_non_null(exact);
        memcpy(exact, data, n);
        if (kmsg_parse(exact, n, &k) < 0 || !faultlog_feed(&l, &k, &f) || !f.has_requester)
                return;
        assert_int_equal(f.has_domain, x->fault.has_domain);
        assert_true(address_equal(f.requester, x->fault.requester));
}

static void survives_cuts(void **state) {
        FOREACH_ARRAY(i, golden, ARRAY_SIZE(golden)) {
                struct record r = { .n = 0 };
                size_t n = strlen(i->text);

                print_record(&r, "3,9,78,-", i->text, n, i->dictionary);
                for (size_t cut = 0; cut <= r.n; cut++)
                        never_somebody_else(i, r.data, cut);
                for (size_t cut = 0; cut <= n; cut++) { /* the message alone is cut, at either end */
                        print_record(&r, "3,9,78,-", i->text, cut, i->dictionary);
                        never_somebody_else(i, r.data, r.n);
                        print_record(&r, "3,9,78,-", i->text + cut, n - cut, i->dictionary);
                        never_somebody_else(i, r.data, r.n);
                }
        }
}

/* The beginning of one line and the end of another name neither, or one of them where the form is whole. */
static void survives_mixing(void **state) {
        FOREACH_ARRAY(i, golden, ARRAY_SIZE(golden))
                for (size_t cut = 1; cut < strlen(i->text); cut++) {
                        char text[512];
                        struct faultlog l = { 0 };
                        struct fault f;

                        snprintf(text, sizeof(text), "%.*s%s", (int) cut, i->text,
                                 "DMAR: [DMA Read NO_PASID] Request device [ff:1f.7] fault addr 0x0 [fault reason 0x06] x");
                        if (!feed(&l, "3,9,78,-", text, i->dictionary, &f) || !f.has_requester)
                                continue;
                        assert_true(address_equal(f.requester, i->fault.requester));
                }
}

#define NAME  "arm-smmu-v3 arm-smmu-v3.0.auto: "
#define NAME5 "arm-smmu-v3 arm-smmu-v3.5.auto: "

/* One line of an SMMU: prefix but for the sequence number, which goes on by itself. */
struct smmu_line {
        unsigned level;
        const char *caller; /* ",caller=T1" or "" */
        const char *text;
        const char *dictionary;
};

static bool feed_lines(struct faultlog *l, const struct smmu_line *lines, size_t n, struct fault *ret) {
        static uint64_t seq = 100;
        unsigned faults = 0;

        for (size_t i = 0; i < n; i++) {
                char prefix[64];
                struct fault f;

                if (!lines[i].text) { /* overwritten before it was read */
                        seq++;
                        continue;
                }
                snprintf(prefix, sizeof(prefix), "%u,%llu,78,-%s", lines[i].level, (unsigned long long) seq++,
                         lines[i].caller);
                if (!feed(l, prefix, lines[i].text, lines[i].dictionary, &f))
                        continue;
                *ret = f;
                faults++;
        }
        assert_in_range(faults, 0, 1);
        return faults == 1;
}

#define HEAD(c)                                                                                              \
        { 6, c, NAME "event 0x10 received:", SMMU }
#define WORD(c, w)                                                                                           \
        { 6, c, NAME "\\x09" w, SMMU }
#define W0 "0x0000030100000010"
#define W1 "0x0000020000000000"
#define W2 "0x00000000ff9bc000"
#define W3 "0x0000000000000000"
#define NOISE                                                                                                \
        { 6, ",caller=T9", "usb 1-1: new device", " SUBSYSTEM=usb\n DEVICE=c189:1\n" }
#define GAP                                                                                                  \
        { 0, NULL, NULL, NULL }

/* The words of one event, alone and among others. */
static const struct {
        bool is_fault;
        struct smmu_line lines[12];
} joins[] = {
        { true, { HEAD(""), WORD("", W0), WORD("", W1), WORD("", W2), WORD("", W3) } },
        { true,
          { HEAD(",caller=T5"), NOISE, WORD(",caller=T5", W0), NOISE, WORD(",caller=T5", W1), NOISE,
            WORD(",caller=T5", W2), WORD(",caller=T5", W3) } },
        /* a second SMMU, and a second task, in between */
        { true,
          { HEAD(",caller=T5"),
            { 6, ",caller=T6", NAME5 "event 0x10 received:", SMMU5 },
            WORD(",caller=T5", W0),
            { 6, ",caller=T6", NAME5 "\\x090x0000099900000010", SMMU5 },
            WORD(",caller=T5", W1),
            WORD(",caller=T5", W2),
            { 6, ",caller=T7", NAME "\\x090x0000099900000010", SMMU },
            WORD(",caller=T5", W3) } },
        { false, { HEAD(""), NOISE, WORD("", W0), WORD("", W1), WORD("", W2), WORD("", W3) } },
        { false, { HEAD(""), WORD("", W0), WORD("", W1), NOISE, WORD("", W2), WORD("", W3) } },
        { false,
          { HEAD(",caller=T5"), WORD(",caller=T5", W0), GAP, WORD(",caller=T5", W1), WORD(",caller=T5", W2),
            WORD(",caller=T5", W3) } },
        { false,
          { HEAD(",caller=T5"), WORD(",caller=T6", W0), WORD(",caller=T6", W1), WORD(",caller=T6", W2),
            WORD(",caller=T6", W3) } },
        { false, { HEAD(""), WORD("", W1), WORD("", W0), WORD("", W2), WORD("", W3) } },
        { false, { HEAD(""), WORD("", W0), WORD("", W1), WORD("", W2) } },
        { false, { WORD("", W0), WORD("", W1), WORD("", W2), WORD("", W3) } },
        { false,
          { HEAD(""),
            WORD("", W0),
            WORD("", W1),
            { 3, "", NAME "skipping command in error state:", SMMU },
            WORD("", W2),
            WORD("", W3) } },
        { false,
          { HEAD(""), WORD("", W0), WORD("", "0x00000200"), WORD("", W1), WORD("", W2), WORD("", W3) } },
        { false, { HEAD(""), WORD("", W0), WORD("", W1), HEAD(""), WORD("", W2), WORD("", W3) } },
};

static void joins_smmu_words(void **state) {

        FOREACH_ARRAY(t, joins, ARRAY_SIZE(joins)) {
                struct faultlog l = { 0 };
                struct fault f, expected = { FAULT_SMMUV3,
                                             FAULT_WRITE,
                                             NOBODY,
                                             STREAM(0x301),
                                             IOVA(0xff9bc000),
                                             .usec = 78,
                                             .text = "event 0x10, stream 0x301, DMA write at 0xff9bc000" };
                struct address a;
                size_t n = ARRAY_SIZE(t->lines);

                while (n > 0 && !t->lines[n - 1].text)
                        n--;
                assert_int_equal(feed_lines(&l, t->lines, n, &f), t->is_fault);
                if (!t->is_fault)
                        continue;
                same_fault(&f, &expected);
                assert_true(fault_stream_as_function(&f, &a));
                assert_true(address_equal(a, (struct address){ 0, 3, 0, 1 }));
        }
}

/* Words, the decoded line and one more are one fault. */
static void decodes_once(void **state) {
        static const struct smmu_line lines[] = {
                { 3, "", NAME5 "event 0x10 received:", SMMU5 },
                { 3, "", NAME5 "\\x090x0002060000000010", SMMU5 },
                { 3, "", NAME5 "\\x090x0000020800000000", SMMU5 },
                { 3, "", NAME5 "\\x090x00000000ff9bc000", SMMU5 },
                { 3, "", NAME5 "\\x090x0000000000000000", SMMU5 },
                { 3, "",
                  NAME5
                  "event: F_TRANSLATION client: 0001:06:00.0 sid: 0x20600 ssid: 0x0 iova: 0xff9bc000 ipa: 0x0",
                  SMMU5 },
                { 3, "", NAME5 "unpriv data read s1 \"Input address caused fault\" stag: 0x0", SMMU5 },
        };
        struct fault f, expected = { FAULT_SMMUV3,
                                     FAULT_READ,
                                     FULL(1, 6, 0, 0),
                                     LOOKED_UP(0x20600),
                                     IOVA(0xff9bc000),
                                     .usec = 78,
                                     .text = "F_TRANSLATION, DMA read at 0xff9bc000" };
        struct faultlog l = { 0 };
        struct address a;

        for (unsigned i = 0; i < 3; i++) {
                assert_true(feed_lines(&l, lines, ARRAY_SIZE(lines), &f));
                same_fault(&f, &expected);
        }
        assert_false(fault_stream_as_function(&f, &a));
        f.stream = 0x600;
        assert_false(fault_stream_as_function(&f, &a)); /* the kernel has looked */
        /* without the words nobody knows which way it went */
        expected.kind = FAULT_OTHER;
        strcpy(expected.text, "F_TRANSLATION, request at 0xff9bc000");
        assert_true(feed_lines(&l, lines + 1, ARRAY_SIZE(lines) - 1, &f));
        same_fault(&f, &expected);
}

/* One line of a message of several is cut. */
static void survives_cuts_inside(void **state) {
        static const struct smmu_line words[] = { HEAD(""), WORD("", W0), WORD("", W1), WORD("", W2),
                                                  WORD("", W3) };
        static const struct smmu_line decoded[] = {
                { 3, "", NAME "event 0x10 received:", SMMU },
                { 3, "", NAME "\\x09" W0, SMMU },
                { 3, "", NAME "\\x09" W1, SMMU },
                { 3, "", NAME "\\x09" W2, SMMU },
                { 3, "", NAME "\\x09" W3, SMMU },
                { 3, "",
                  NAME
                  "event: F_TRANSLATION client: 0000:01:00.0 sid: 0x301 ssid: 0x0 iova: 0x9b0cc000 ipa: 0x0",
                  SMMU },
        };

        for (size_t i = 0; i < ARRAY_SIZE(words) + ARRAY_SIZE(decoded); i++) {
                bool first = i < ARRAY_SIZE(words);
                size_t n = first ? ARRAY_SIZE(words) : ARRAY_SIZE(decoded),
                       at = first ? i : i - ARRAY_SIZE(words);
                struct smmu_line lines[ARRAY_SIZE(decoded)];

                memcpy(lines, first ? words : decoded, n * sizeof(lines[0]));
                for (size_t cut = 0; cut < strlen((first ? words : decoded)[at].text); cut++) {
                        struct faultlog l = { 0 };
                        char text[256];
                        struct fault f;

                        snprintf(text, sizeof(text), "%.*s", (int) cut, (first ? words : decoded)[at].text);
                        lines[at].text = text;
                        if (!feed_lines(&l, lines, n, &f))
                                continue;
                        assert_int_equal(f.stream, 0x301);
                        assert_int_equal(f.has_requester, !first);
                        if (f.has_requester)
                                assert_true(address_equal(f.requester, (struct address){ 0, 1, 0, 0 }));
                }
        }
}

/* More messages at once than there is room for: the oldest are forgotten, none is mixed up. */
static void forgets_the_oldest(void **state) {
        struct faultlog l = { 0 };
        unsigned faults = 0;

        for (unsigned step = 0; step < 5; step++)
                for (unsigned task = 0; task < FAULTLOG_PENDING_MAX + 3; task++) {
                        char prefix[64], text[96];
                        struct fault f;

                        snprintf(prefix, sizeof(prefix), "6,%u,78,-,caller=T%u", step * 100 + task, task);
                        if (step == 0)
                                snprintf(text, sizeof(text), NAME "event 0x13 received:");
                        else
                                snprintf(text, sizeof(text), NAME "\\x090x%08x00000013", task);
                        l.next_seq = step * 100 + task;
                        if (!feed(&l, prefix, text, SMMU, &f))
                                continue;
                        faults++;
                        assert_int_equal(f.stream, task);
                        assert_in_range(task, 3, FAULTLOG_PENDING_MAX + 2);
                }
        assert_int_equal(faults, FAULTLOG_PENDING_MAX);
}

static void says_what_is_lost(void **state) {
        static const struct {
                const char *text, *dictionary;
                unsigned lost;
        } table[] = {
                { "dmar_fault: 44 callbacks suppressed", NULL, 44 },
                { "amd_iommu_report_page_fault: 7 callbacks suppressed", NULL, 7 },
                { "arm_smmu_dump_event: 1 callbacks suppressed", NULL, 1 },
                { "arm_smmu_evtq_thread: 1 callbacks suppressed", NULL, 1 },
                { "viommu_fault_handler: 1330 callbacks suppressed", NULL, 1330 },
                { "DMAR: DRHD: handling fault status reg 3", NULL, 1 },
                { "DMAR: DRHD: handling fault status reg 402", NULL, 0 },
                { "AMD-Vi: IOMMU Event log restarting", NULL, 1 },
                { "AMD-Vi: IOMMU event log overflow", NULL, 1 },
                { "AMD-Vi: IOMMU PPR log restarting", NULL, 0 },
                { NAME "EVTQ overflow detected -- events lost", SMMU, 1 },
                { NAME "EVTQ overflow detected -- events lost", SMMU5, 0 },
                { NAME "PRIQ overflow detected -- requests lost", SMMU, 0 },
                { "net_ratelimit: 44 callbacks suppressed", NULL, 0 },
                { "dmar_fault: 44 callbacks suppressed.", NULL, 0 },
                { "dmar_fault: -44 callbacks suppressed", NULL, 0 },
                { "dmar_fault: 18446744073709551615 callbacks suppressed", NULL, 0 },
                { "x dmar_fault: 44 callbacks suppressed", NULL, 0 },
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct faultlog l = { 0 };
                struct fault f;

                assert_false(feed(&l, "4,9,78,-", i->text, i->dictionary, &f));
                assert_int_equal(l.lost, i->lost);
                faultlog_reset(&l);
                assert_int_equal(l.lost, i->lost);
        }
}

static void names_kinds(void **state) {
        for (enum fault_kind k = 0; k <= _FAULT_KIND_MAX; k++)
                assert_true(fault_kind_to_string(k)[0] != '\0');
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(knows_lines),        cmocka_unit_test(takes_kernel_only),
                cmocka_unit_test(survives_cuts),      cmocka_unit_test(survives_mixing),
                cmocka_unit_test(joins_smmu_words),   cmocka_unit_test(decodes_once),
                cmocka_unit_test(forgets_the_oldest), cmocka_unit_test(survives_cuts_inside),
                cmocka_unit_test(says_what_is_lost),  cmocka_unit_test(names_kinds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
