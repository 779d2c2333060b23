/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* IOMMU faults as the kernel log tells them. Pure: no I/O, no allocation, no clock.
 *
 * The log is no proof. What is not in it may have happened all the same: the kernel limits these messages
 * (VT-d for all units together). And it carries text that others chose: process names, labels, USB strings.
 * So a line counts only if all of it has the form that the kernel prints, from its first byte to its last,
 * and a fault has a requester only if the line names it in full and the dictionary, which only dev_printk()
 * writes, agrees. */

#include "iommu/kmsg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_TEXT_MAX       96U /* bytes, NUL included */
#define FAULTLOG_PENDING_MAX 8U  /* SMMUs and tasks in the middle of a message at the same time */
#define FAULTLOG_SOURCE_MAX  48U /* PRINTK_INFO_DEVICE_LEN of the kernel: include/linux/dev_printk.h */

enum fault_iommu {
        FAULT_INTEL,
        FAULT_AMD,
        FAULT_SMMUV3,
        FAULT_VIRTIO,
        _FAULT_IOMMU_MAX,
};

enum fault_kind {
        FAULT_READ,
        FAULT_WRITE,
        FAULT_INTERRUPT, /* has no iova */
        FAULT_OTHER,     /* neither, or the kernel did not say */
        _FAULT_KIND_MAX,
};

struct fault {
        enum fault_iommu iommu;
        enum fault_kind kind;
        bool has_requester;
        bool has_domain;          /* not with VT-d, nor with AMD-Vi before 6.0; requester.domain is 0 then */
        struct address requester; /* zero without has_requester; may be an alias of the device (bridges) */
        bool has_stream;          /* SMMUv3, virtio-iommu */
        uint32_t stream;          /* stream or endpoint number. Firmware says what it means: see below */
        bool looked_up; /* the kernel looked for the device of that stream; has_requester: found it */
        bool has_iova;
        uint64_t iova;             /* of the page only, with VT-d */
        uint64_t usec;             /* the kernel's monotonic clock, when the last line was printed */
        char text[FAULT_TEXT_MAX]; /* what the kernel said, in short: printable ASCII */
};

/* "DMA read", "DMA write", "interrupt", "request" */
const char *fault_kind_to_string(enum fault_kind kind);

/* What the log has said so far. Zeroed: nothing. Owns no memory; copy and forget at will. */
struct faultlog {
        /* Faults that were not printed, as far as the kernel said so: suppressed messages and one for each
         * overflow of an IOMMU's own log. A hint, no count. A privileged process of the right name can raise
         * it. */
        uint64_t lost;

        /* private */
        bool started;
        uint64_t next_seq;
        struct faultlog_pending {
                bool used, has_caller;
                uint32_t caller;
                uint64_t seq; /* of its last line */
                char source[FAULTLOG_SOURCE_MAX];
                size_t n_source;
                unsigned n; /* words that have come */
                uint64_t id, words[4];
        } pending[FAULTLOG_PENDING_MAX];
};

/* Takes the records one by one, all of them and in their order: what is missing between two breaks a message
 * of several lines. True: *ret is a fault, complete; untouched otherwise. */
bool faultlog_feed(struct faultlog *l, const struct kmsg_record *r, struct fault *ret);

/* Forgets half a message, for instance when read() said EPIPE; not what is lost. */
void faultlog_reset(struct faultlog *l);

/* The stream number read as bus, device and function, as most machines number them, QEMU among them. Not all:
 * on i.MX95 stream 0x11 is 01:00.0. So it is only for who knows the machine, and only where the kernel, which
 * knows it too, did not look. */
static inline bool fault_stream_as_function(const struct fault *f, struct address *ret) {
        if (!f->has_stream || f->looked_up || f->stream > 0xffffU)
                return false;
        *ret = (struct address){ 0, (uint8_t) (f->stream >> 8), (uint8_t) (f->stream >> 3 & 31U),
                                 (uint8_t) (f->stream & 7U) };
        return true;
}
