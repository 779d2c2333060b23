/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What an NVMe controller says of itself, of the controllers of its VFs and of its namespaces: plain data, as
 * a worker reads it by Identify (NVM Express base specification 2.0, section 5.17) and hands it to the
 * daemon.
 *
 * A VF of an NVMe controller is a *secondary controller* of the *primary* one. It works only while it is
 * online, and that it can be only with queues (VQ resources, the admin queue counted) and interrupts (VI
 * resources) that were assigned to it (section 8.26). */

#include "common/limits.h"

#include <stdbool.h>
#include <stdint.h>

#define NVME_CLASS 0x010802U /* PCI Code and ID Assignment: NVM Express I/O controller */

/* One kind of flexible resources of a subsystem: VQ or VI (Identify, CNS 14h). All counts. */
struct nvme_resources {
        uint32_t flexible;      /* total (VQFRT, VIFRT) */
        uint32_t assigned;      /* of these, to secondary controllers (VQRFA, VIRFA) */
        uint16_t primary;       /* of these, held by the primary since its last reset (VQRFAP, VIRFAP) */
        uint16_t private_;      /* the primary's own, which nobody can take (VQPRT, VIPRT) */
        uint16_t secondary_max; /* the most that one secondary may have (VQFRSM, VIFRSM) */
        uint16_t granularity;   /* preferred step (VQGRAN, VIGRAN), 0: any */
};

#define NVME_CAN_VIRTUALIZE 0x01U /* OACS: Virtualization Management */
#define NVME_CAN_NAMESPACES 0x02U /* OACS: Namespace Management and Attachment */
#define NVME_CAN_FORMAT     0x04U /* OACS: Format NVM */
#define NVME_CAN_CRYPTO     0x08U /* FNA: Format NVM can erase cryptographically */
#define NVME_FORMATS_ALL    0x10U /* FNA: a format or an erase hits all namespaces of the subsystem */
#define NVME_HOST_USES      0x20U /* a namespace is mounted, swap, or claimed by md, LVM, dm or another */

struct nvme_primary {
        uint32_t can;        /* NVME_… */
        uint16_t controller; /* CNTLID */
        uint16_t unused_id;
        struct nvme_resources queues, interrupts;
        char model[41], serial[21], firmware[9]; /* NUL-terminated, blanks at the end removed */
        uint8_t critical_warning;                /* SMART / Health, log page 02h */
        uint8_t spare, spare_threshold, used;    /* percent; used may be above 100 */
        uint16_t temperature;                    /* kelvin, 0 unknown */
        uint8_t health_known, unused; /* 0: the log page could not be read, and these say nothing */
        uint64_t media_errors;        /* saturates */
        uint64_t capacity, available; /* bytes of the subsystem, and not in any namespace; 0: not reported */
        uint32_t n_secondaries, n_namespaces, n_attachments;
        uint32_t namespaces_max; /* NN: the highest NSID */
};

struct nvme_secondary {
        uint16_t controller; /* SCID */
        uint16_t vf;         /* number of the VF from 1, 0: of none */
        uint16_t queues, interrupts;
        uint8_t online, unused[3];
};

struct nvme_namespace {
        uint32_t nsid;
        uint32_t block_size; /* bytes, without metadata */
        uint64_t size, used; /* bytes (NSZE, NUSE) */
        uint8_t shared;      /* NMIC: more than one controller may have it */
        uint8_t unused[7];
};

/* A controller that has a namespace. */
struct nvme_attachment {
        uint32_t nsid;
        uint16_t controller;
        uint16_t unused;
};

#define NVME_SECONDARIES_MAX 4096U /* VFs of one PF; Identify gives 127 at a time */
#define NVME_NAMESPACES_MAX  4096U
#define NVME_ATTACHMENTS_MAX 65536U

/* All of it. The lists are sorted by their first members. */
struct nvme_state {
        struct nvme_primary primary;
        struct nvme_secondary *secondaries;
        struct nvme_namespace *namespaces;
        struct nvme_attachment *attachments;
};

/* How the data of a namespace are made unreadable. */
enum nvme_erase {
        NVME_ERASE_DELETE, /* the namespace itself; the next one that is made reads nothing of it */
        NVME_ERASE_FORMAT, /* Format NVM, user data erase */
        NVME_ERASE_CRYPTO, /* Format NVM, cryptographic erase */
        _NVME_ERASE_MAX,
};

void nvme_state_done(struct nvme_state *s); /* frees the lists */

/* The most that each of n_vfs secondaries can have of one kind, if all get the same: what is not held by the
 * primary, by granularity and limit of one. 0: not even one each. */
unsigned nvme_even_share(const struct nvme_resources *r, unsigned n_vfs);

const char *nvme_erase_to_string(enum nvme_erase e); /* "delete", "format", "crypto" */
