/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The nouns, as plain data: what sriov/ finds, policy/ judges and daemon/ keeps. No behaviour here but
 * naming.
 *
 * Facts come from sysfs and are replaced at each scan; state, reason and lease belong to the daemon alone
 * (vf_enter() in daemon/vf.c). Strings are bounded copies of what the kernel said. */

#include "common/address.h"
#include "common/attributes.h"
#include "common/eswitch.h"
#include "common/limits.h"
#include "common/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The life of a VF, design.md section 3. */
#define VF_STATES(X)                                                                                         \
        X(ABSENT, "absent")           /* the kernel does not show it (any more) */                           \
        X(UNMANAGED, "unmanaged")     /* exists, but no pool claims its PF: shown and left alone */          \
        X(UNBOUND, "unbound")         /* exists, no VFIO driver yet */                                       \
        X(BOUND, "bound")             /* has its VFIO driver, not fenced yet */                              \
        X(READY, "ready")             /* fenced, scrubbed, may be leased */                                  \
        X(LEASING, "leasing")         /* chosen for a lease, being handed over */                            \
        X(LEASED, "leased")           /* its owner may use it */                                             \
        X(RECLAIMING, "reclaiming")   /* lease over; waits for the fence, the scrub, the read-back */        \
        X(QUARANTINED, "quarantined") /* something failed; never leased until cleared */                     \
        X(STUCK, "stuck")             /* a worker hangs on it or on its PF */

enum vf_state {
#define X(code, name) VF_##code,
        VF_STATES(X)
#undef X
                        _VF_STATE_MAX,
};

enum hand_off {
        HAND_OFF_AUTO, /* in a request only: the daemon chooses */
        HAND_OFF_FD,   /* iommufd and device cdev as file descriptors */
        HAND_OFF_NODE, /* the group node given to the VMM's uid */
        _HAND_OFF_MAX,
};

enum backend {
        BACKEND_NONE,    /* this kernel has no VFIO */
        BACKEND_GROUP,   /* VFIO group + container */
        BACKEND_IOMMUFD, /* VFIO device cdev + iommufd */
        _BACKEND_MAX,
};

enum tristate { TRI_UNKNOWN, TRI_NO, TRI_YES };

/* A function on the way from a VF to the root complex, as its configuration space shows it. */
enum hop_kind {
        HOP_UNKNOWN,
        HOP_ENDPOINT,
        HOP_ROOT_PORT,
        HOP_UPSTREAM,
        HOP_DOWNSTREAM,
        HOP_BRIDGE,
        _HOP_KIND_MAX
};

#define HOP_READABLE  0x0001U
#define HOP_ACS       0x0002U /* has the capability */
#define HOP_ATS       0x0004U
#define HOP_ATS_ON    0x0008U
#define HOP_PRI       0x0010U
#define HOP_PRI_ON    0x0020U
#define HOP_PASID     0x0040U
#define HOP_PASID_ON  0x0080U
#define HOP_SRIOV     0x0100U
#define HOP_SRIOV_ON  0x0200U /* VF Enable */
#define HOP_SRIOV_ARI 0x0400U /* ARI Capable Hierarchy */

#define PATH_HOPS_MAX 16U

#define GROUP_NONE       (-1)
#define GROUP_UNREADABLE (-2) /* it could not be read, or not in full */

struct path_hop {
        struct address address;
        uint8_t kind;
        uint8_t acs_cap, acs_control; /* PCI_ACS_… of <linux/pci_regs.h>; above them is no evidence */
        uint8_t unused;
        uint16_t flags;   /* HOP_… */
        uint16_t num_vfs; /* as its SR-IOV capability says */
};

struct pf;

struct vf {
        /* facts */
        struct address address;
        struct pf *pf;                /* its physical function, not owned */
        unsigned index;               /* N of virtfnN */
        char driver[DRIVER_MAX];      /* "" if unbound */
        char override[DRIVER_MAX];    /* driver_override, "" if unset */
        int group;                    /* IOMMU group, or GROUP_… */
        unsigned group_devices;       /* members of that group, this VF included */
        char group_type[16];          /* default domain: "DMA", "DMA-FQ", "identity", …; "" if unreadable */
        bool noiommu;                 /* the group is a vfio-noiommu group */
        int cdev;                     /* X of vfio-dev/vfioX, -1 if none */
        bool resettable;              /* reset_method names flr or a device specific method */
        enum tristate direct_region;  /* the group has a reserved region "direct" */
        enum tristate msi_isolated;   /* as the last attempt to fence it showed */
        char representor[IFNAME_MAX]; /* the host's interface that stands for it, in switchdev mode; or "" */
        struct path_hop hop;          /* its own; without HOP_READABLE: not collected yet, or unreadable */
        unsigned vectors;             /* MSI-X: what it was given, else what a worker read; 0 unknown */

        /* owned by the daemon */
        enum vf_state state;
        enum reason reason; /* why it is in this state, if the state needs a reason */
        char lease[17];     /* id of the lease that holds it, "" if none */
};

struct pf {
        /* facts */
        struct address address;
        char driver[DRIVER_MAX];
        char netdev[IFNAME_MAX]; /* its own network interface, "" if none */
        int ifindex;             /* of netdev, 0 if none */
        uint16_t vendor, device, subsystem_vendor, subsystem_device;
        uint32_t class;      /* 24 bits: base class, subclass, interface */
        int numa_node;       /* -1 unknown */
        char slot[SLOT_MAX]; /* physical slot as firmware names it, "" if unknown */
        bool whole;          /* a function of its own right: n_vfs is 1 and its "VF" is the function itself */

        /* Facts that only a worker can read; valid once `identified`. */
        bool identified;
        char serial[SERIAL_MAX]; /* of the VPD, "" if none */
        char dsn[24];            /* Device Serial Number capability, "00-1b-21-ff-ff-64-8c-12", "" if none */
        struct mac mac;          /* permanent address of netdev, zero if none */
        uint32_t link_mbps;      /* 0 unknown */
        bool nvme_known;         /* the next three are valid */
        uint32_t nvme_can;       /* NVME_… of common/nvme.h */
        uint16_t nvme_host_queues, nvme_host_interrupts; /* flexible ones that its primary controller holds */
        enum eswitch_mode eswitch;
        unsigned vf_total_msix; /* sriov_vf_total_msix, 0: the driver cannot distribute vectors */

        unsigned total_vfs; /* sriov_totalvfs */
        unsigned num_vfs;   /* sriov_numvfs */
        bool autoprobe;     /* sriov_drivers_autoprobe */
        struct vf **vfs;    /* by index, owned; entries are never NULL */
        size_t n_vfs;
        struct path_hop path[PATH_HOPS_MAX - 1]; /* this PF, then the bridges up to the root port */
        size_t n_path;                           /* 0: not collected yet */

        /* owned by the daemon */
        int pool;             /* index into policy->pools, -1 if no pool claims it */
        bool stuck;           /* a worker hangs on it */
        bool drained;         /* an administrator keeps new leases off it */
        enum reason reason;   /* why its VFs are not as the policy wants, or none */
        bool needs_disks;     /* each of its VFs is leased with a disk of an NVMe controller, and there are */
        unsigned free_disks;  /* so many */
        unsigned pending_vfs; /* a VF count that was asked for while VFs were leased, 0 none */
        unsigned failed_num_vfs; /* a VF count that was tried and refused; not tried again by itself, 0 none
                                  */
};

struct inventory {
        struct pf **pfs; /* sorted by address, owned */
        size_t n_pfs;
        enum backend fence; /* how idle VFs are fenced on this kernel */
        bool can_fd;        /* fd hand-off possible */
        bool can_node;      /* node hand-off possible */
};

/* A VF as somebody has it, or is promised it. */
struct leased_vf {
        struct address address;
        struct address pf;
        uint8_t pool;                    /* index into lease.pools */
        struct vf_attributes attributes; /* what it is told before it is handed over */
        bool msi_isolated;               /* as its fence had shown */
};

struct lease {       /* strings are bounded copies */
        char id[17]; /* 16 hex digits */
        char tenant[NAME_MAX_LEN + 1];
        char pools[WANTS_MAX][NAME_MAX_LEN + 1];
        size_t n_pools;
        char vm[NAME_MAX_LEN + 1];
        char group[NAME_MAX_LEN +
                   1];          /* VMs of one tenant that are placed together or apart; default the VM */
        bool apart;             /* its VFs and those of its group are on different PFs */
        uid_t uid;              /* who asked */
        pid_t pid;              /* whose life it is tied to, 0 if kept until released */
        uint64_t pid_start;     /* start time of pid in clock ticks since boot (proc(5) field 22) */
        enum hand_off hand_off; /* FD or NODE; AUTO: a promise, nothing was handed over */
        uint64_t created_usec;  /* CLOCK_REALTIME */
        uint64_t expires_usec;  /* CLOCK_REALTIME, 0: never */
        struct leased_vf vfs[ACQUIRE_COUNT_MAX];
        size_t n_vfs;
        bool ending; /* released or its owner died; waits for its VFs */
};

/* VFs of one pool. */
struct want {
        const char *pool;
        unsigned count; /* 1..ACQUIRE_COUNT_MAX */
        struct vf_attributes
                        chosen; /* of .set only ATTR_MAC (count 1), ATTR_VLAN, ATTR_MIN_TX, ATTR_MAX_TX */
};

#define NUMA_NODE_ANY (-2)

struct request {
        const char *tenant, *vm;
        const char *group; /* NULL: the VM is a group of its own */
        struct want wants[WANTS_MAX];
        size_t n_wants;
        bool apart;    /* anti-affinity: every VF of the group on a PF of its own */
        bool together; /* affinity: all VFs of one pool and of the group on one PF */
        int numa_node; /* of the VM, NUMA_NODE_ANY if not said */
        enum hand_off hand_off;
        uint64_t memory; /* bytes of guest memory the VMM will lock, 0 unknown */
};

const char *vf_state_to_string(enum vf_state s);
enum vf_state vf_state_from_string(const char *s); /* _VF_STATE_MAX if unknown */
const char *hand_off_to_string(enum hand_off h);
enum hand_off hand_off_from_string(const char *s); /* _HAND_OFF_MAX if unknown */
const char *backend_to_string(enum backend b);
const char *hop_kind_to_string(enum hop_kind k);

/* vfio-pci, or a vendor's variant of it, as sysfs names them: "mlx5_vfio_pci", "xe-vfio-pci". */
bool driver_is_vfio(const char *driver);

struct vf *vf_free(struct vf *vf);
struct pf *pf_free(struct pf *pf); /* with its VFs */
void inventory_done(struct inventory *inv);
struct pf *inventory_find_pf(const struct inventory *inv, struct address a); /* O(log n); NULL if none */
