/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The worker link: the one seam between decisions and effects (design.md section 2).
 *
 * AF_UNIX SOCK_SEQPACKET, one request, one reply, in turn. Fixed-size structs in native byte order (both ends
 * come from one build: version must match), file descriptors by SCM_RIGHTS. The daemon sends, the worker
 * checks the target against sysfs, does one blocking operation, answers. tests/sim/simworker speaks the same
 * on a fake tree. */

#include "common/address.h"
#include "common/attributes.h"
#include "common/limits.h"

#include <stdint.h>

#define WORKER_PROTOCOL_VERSION 7U
#define WORKER_SOCKET           "/run/vfctld/worker"
#define WORKER_HOLDERS_MAX      16U
#define WORKER_FDS_MAX          2U
#define WORKER_WHOLE            0x57484f4cU /* value[3] of a request about a whole function in the place of a VF */

/* op, name, target: PF or VF or none (checked by the worker), one line of what it does */
#define WORKER_OPS(X)                                                                                        \
        X(PING, "ping", NONE)           /* nothing */                                                        \
        X(AUTOPROBE, "autoprobe", PF)   /* value[0]: 0 or 1 -> sriov_drivers_autoprobe */                    \
        X(NUMVFS, "numvfs", PF)         /* value[0]: VFs; [1]: 1 host_disk; reply value[0]: read back */     \
        X(BIND, "bind", VF)             /* text: VFIO driver, "" for the best; value[0]: MSI-X, 0 any */     \
        X(UNBIND, "unbind", VF)         /* unbind whatever driver is bound */                                \
        X(GROUP_TYPE, "group-type", VF) /* text: "DMA"; default domain of the VF's group */                  \
        X(FENCE, "fence", VF)           /* value[0]: enum backend; reply fd[0]: the fence */                 \
        X(SCRUB, "scrub", VF)           /* fd[0]: fence, value[0]: its backend; resets through VFIO */       \
        X(OPEN, "open", VF)             /* reply fd[0]: fresh iommufd, fd[1]: device cdev, both unbound */   \
        X(GRANT, "grant", VF)           /* value[0]: uid, value[1]: gid; group node to them, 0600 */         \
        X(REVOKE, "revoke", VF)         /* group node back to root, 0600 */                                  \
        X(MEMLOCK, "memlock", NONE)     /* value[0]: pid, [1]: start time, [2]: bytes; raise RLIMIT */       \
        X(HOLDERS, "holders", VF)       /* reply value[0]: n, value[1..n]: pids with a VFIO fd of the VF */  \
        X(CONFIG, "config", ANY)        /* value[0]: offset; reply data: 256 bytes of config space */        \
        X(RENEW, "renew", VF)           /* unbind and bind again: every fd opened before becomes useless */  \
        X(LISTEN, "listen", VF)         /* fd[0]: an iommufd fence, fd[1]: eventfd; see fence_listen() */    \
        X(EVIDENCE, "evidence", ANY)    /* reply: the path as worker-path.h says, as with FENCE and SCRUB */ \
        X(CUT_OFF, "cut-off", VF)       /* Bus Master off, read back */                                      \
        X(IDENTIFY, "identify", ANY)    /* reply data: struct worker_identity; reads only */                 \
        X(ATTRIBUTES, "attributes", PF) /* fd[0]: value[0] struct vf_change; reply fd[0]: the same */        \
        X(STATISTICS, "statistics", PF) /* reply fd[0]: of all its VFs, see worker-stats.h; reads only */    \
        X(SWITCH, "switch", PF)         /* mode, interfaces of VFs: see worker-eswitch.h; reads only */      \
        X(ESWITCH, "eswitch", PF)       /* value[0]: enum eswitch_mode; only while there are no VFs */       \
        X(NVME_STATE, "nvme-state", PF) /* reply fd[0]: struct nvme_state, see worker-nvme.h; reads only */  \
        X(NVME_PRIMARY, "nvme-primary", PF) /* value[0] VQ, [1] VI: what the primary keeps; resets it */     \
        X(NVME_OFFLINE, "nvme-offline", VF) /* its secondary controller, read back */                        \
        X(NVME_ONLINE, "nvme-online", VF)   /* value[0] VQ, [1] VI, 0 an even share; reply the same */       \
        X(NVME_CREATE, "nvme-create", VF)   /* value[0]: bytes; reply value[0]: NSID; attached to nobody */  \
        X(NVME_ATTACH, "nvme-attach", VF)   /* value[0]: NSID; value[1]: 1 nobody else may have it */        \
        X(NVME_DETACH, "nvme-detach", VF)   /* value[0]: NSID, 0 all; reply value[0]: number detached */     \
        X(NVME_ERASE, "nvme-erase", VF)     /* value[0]: NSID, [1]: enum nvme_erase; no other may have it */

enum worker_target { WORKER_TARGET_NONE, WORKER_TARGET_PF, WORKER_TARGET_VF, WORKER_TARGET_ANY };

enum worker_op_code {
#define X(code, name, target) WORKER_##code,
        WORKER_OPS(X)
#undef X
                        _WORKER_OP_MAX,
};

struct worker_request {
        uint32_t version; /* WORKER_PROTOCOL_VERSION */
        uint32_t op;      /* enum worker_op_code */
        uint64_t id;      /* copied into the reply */
        struct address address;
        uint64_t value[4];
        char text[DRIVER_MAX]; /* NUL-terminated, NUL-padded */
};

/* What IDENTIFY says of a function, as in struct pf. Strings are NUL-terminated; empty or zero: it has none.
 */
struct worker_identity {
        char serial[SERIAL_MAX];
        char dsn[24];
        struct mac mac;
        uint8_t unused[2];
        uint32_t link_mbps;
        uint32_t vf_total_msix;
};

struct worker_reply {
        uint32_t version;
        int32_t error; /* 0 or negative errno */
        uint64_t id;
        uint32_t reason; /* enum reason when error explains itself, else 0 */
        uint32_t n_fds;
        uint64_t value[WORKER_HOLDERS_MAX + 1];
        uint8_t data[256];
        char detail[160]; /* which step failed, for the log and 'vfctl show'; NUL-terminated */
};

static inline const char *worker_op_name(uint32_t op) {
        static const char *const names[] = {
#define X(code, name, target) name,
                WORKER_OPS(X)
#undef X
        };
        return op < _WORKER_OP_MAX ? names[op] : "unknown";
}
