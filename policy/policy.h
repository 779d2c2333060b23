/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The policy as data, and its parser. Pure: no file is opened here, the caller brings the texts. */

#include "common/finding.h"
#include "common/json.h"
#include "common/model.h"

enum pool_class {
        POOL_CLASS_ANY,     /* "class" left out */
        POOL_CLASS_NETWORK, /* PCI base class 02 */
        POOL_CLASS_STORAGE, /* PCI class 0108 (NVMe) */
        _POOL_CLASS_MAX,
};

enum placement {
        PLACEMENT_PACK,         /* fill one PF before the next (default) */
        PLACEMENT_SPREAD,       /* the PF with the fewest VFs in use first */
        PLACEMENT_LEAST_LOADED, /* the PF with the smallest share of its VFs, or of its bandwidth, in use
                                   first */
        _PLACEMENT_MAX,
};

enum assign {
        ASSIGN_VF,       /* the pool hands out VFs of its PFs (default) */
        ASSIGN_FUNCTION, /* it hands out whole PCI functions */
        _ASSIGN_MAX,
};

enum numa_rule {
        NUMA_PREFER,  /* PFs on the node of the VM first (default) */
        NUMA_REQUIRE, /* only those; a request must name the node */
        _NUMA_RULE_MAX,
};

/* A PF is selected if every field that is set agrees. */
struct selector {
        char *address; /* glob, NULL if not set */
        char *driver;
        char *netdev;
        char *slot;   /* as in /sys/bus/pci/slots */
        char *serial; /* of the VPD, or the Device Serial Number capability */
        bool has_mac;
        struct mac mac;     /* permanent */
        int vendor, device; /* -1 if not set */
        int subsystem_vendor, subsystem_device;
        int numa_node; /* -2 if not set; -1 is "unknown node" */
};

enum count_kind { COUNT_NUMBER, COUNT_MAX, COUNT_PERCENT };

/* "vfs": how many VFs of each PF. */
struct vf_count {
        enum count_kind kind;
        uint32_t n; /* a number, or percent of sriov_totalvfs from 1 to 100 */
};

/* What follows when somebody else changes attributes of a VF. */
enum drift_rule { DRIFT_RESTORE, DRIFT_REPORT, _DRIFT_RULE_MAX };

/* What a VF of an NVMe controller sees of its disks. */
enum namespace_rule {
        NAMESPACES_NONE,     /* nothing (default) */
        NAMESPACES_ATTACHED, /* what is attached to its controller, by whoever set the device up */
        NAMESPACES_LISTED,   /* one of the pool's list, which nobody else has */
        NAMESPACES_NEW,      /* one that is made for the lease */
        _NAMESPACE_RULE_MAX,
};

/* What becomes of the data when the lease is over. In the order of enum nvme_erase, and then. */
enum erase_rule { ERASE_DELETE, ERASE_FORMAT, ERASE_CRYPTO, ERASE_NEVER, _ERASE_RULE_MAX };

/* What a pool says of NVMe controllers. */
struct storage {
        uint32_t queues, interrupts; /* of each VF, the admin queue counted; 0: an even share */
        bool takes_queues, takes_interrupts;
        uint32_t host_queues, host_interrupts; /* flexible ones that the primary keeps, if the above */
        bool host_disk;                        /* also VFs of a PF whose disks the host uses */
        enum namespace_rule namespaces;
        uint32_t *list; /* NSIDs, ascending, each once */
        size_t n_list;
        uint64_t size; /* bytes of a new one */
        enum erase_rule erase;
};

struct pool {
        char *name;
        enum pool_class class;
        enum placement placement;
        enum assign assign;
        enum numa_rule numa;
        bool apart; /* "anti_affinity": VFs of one group are on different PFs */
        struct vf_count vfs;
        uint32_t msix;       /* vectors of each VF, 0: as the device distributes them */
        char *driver;        /* VFIO driver to force, NULL: the best that the kernel has for the device */
        bool driver_missing; /* the kernel has no such driver now: found out by the daemon */
        enum drift_rule drift;
        enum eswitch_mode eswitch; /* ESWITCH_UNKNOWN: left as it is */
        uint32_t max_io_eqs; /* event queues that the driver of each VF may have, 0: as the card has it */
        struct storage storage;
        finding_set accept; /* findings that do not forbid a lease of this pool */
        struct selector *functions;
        size_t n_functions;
};

/* A user or group as written: a name (id resolved by the daemon at load) or a number. */
struct principal {
        char *name;  /* NULL if written as a number */
        uint32_t id; /* valid if resolved */
        bool resolved;
};

struct vlan_range {
        uint16_t first, last; /* both are in it */
};

/* The addresses that agree with base in the first prefix bits of 48. */
struct mac_range {
        uint64_t base;
        uint8_t prefix;
};

/* What a tenant may have of a pool. Values that the tenant leaves out come from "defaults". */
struct grant {
        size_t pool;              /* index into policy->pools */
        uint32_t quota;           /* VFs */
        uint8_t pf_share;         /* percent of the VFs of one PF, 0: no such limit */
        struct vlan_range *vlans; /* that may be asked for; the first is what a request gets that asks for
                                     none */
        size_t n_vlans;           /* 0: untagged, nothing to ask for */
        struct mac_range *macs;
        size_t n_macs;
        bool macs_derived; /* each VF has one of its own, see derived-mac.h; no list then */

        /* What each VF gets: .set says which of them. min_tx_mbps and max_tx_mbps are also the most that may
         * be asked for; mac and vlan follow from the lists. */
        struct vf_attributes attributes;
        uint32_t wish; /* ATTR_…: what may be left out where the PF's driver cannot do it */
};

#define QUOTA_NONE UINT32_MAX

struct tenant {
        char *name;
        struct principal *users, *groups;
        size_t n_users, n_groups;
        uint64_t memlock;   /* bytes per VM; 0: not set, the process keeps its own limit */
        uint32_t quota;     /* VFs of all pools together, or QUOTA_NONE */
        uint64_t max_lease; /* seconds that a lease lasts unless it is renewed, 0: for ever */
        struct grant *grants;
        size_t n_grants;
};

enum fault_action {
        FAULT_ACTION_LOG,
        FAULT_ACTION_QUARANTINE,
        _FAULT_ACTION_MAX,
};

/* What is to follow from faults of one VF: `limit` of them within `seconds`. */
struct fault_rule {
        uint32_t limit; /* 0: no rule */
        uint32_t seconds;
        enum fault_action action;
};

/* What the streams of an SMMUv3 or a virtio-iommu are numbers of. */
enum stream_meaning {
        STREAMS_UNKNOWN,      /* (default): of nothing that anybody can be blamed by */
        STREAMS_REQUESTER_ID, /* bus, device and function */
        _STREAM_MEANING_MAX,
};

struct policy {
        struct pool *pools; /* in the order of the files: the first that selects a PF has it */
        size_t n_pools;
        struct tenant *tenants;
        size_t n_tenants;
        json_t *pool_index, *tenant_index; /* name to index: there may be thousands */
        struct fault_rule dma_faults;
        enum stream_meaning streams;
};

struct policy_source {
        const char *file; /* for messages */
        const char *text; /* need not be NUL-terminated */
        size_t size;
};

struct policy_error {
        char *file;
        struct json_position at; /* 0 if it has no place */
        char *path;              /* "/tenants/red/pools/net/quota" */
        char *message;           /* found, expected, hint */
};
struct policy_errors {
        struct policy_error *items;
        size_t n;
};

/* Parses and merges the sources. 0 and *ret; -EINVAL with at least one error; -ENOMEM. All errors are
 * collected, not only the first. errors must be zeroed by the caller and freed with policy_errors_done(). */
int policy_parse(const struct policy_source *sources, size_t n, struct policy **ret,
                 struct policy_errors *errors);

struct policy *policy_free(struct policy *p);
DEFINE_CLEANUP(struct policy *, policy_free)
void policy_errors_done(struct policy_errors *e);

/* The pool that claims a PF: the first that selects it; -1 if none does. POOL_TWO: two pools name just this
 * function (by its whole address, serial, MAC or slot), so neither has it; *ret_one and *ret_two are they.
 * A pool of whole functions claims no SR-IOV PF that has VFs. */
#define POOL_TWO (-2)
int policy_pool_of(const struct policy *p, const struct pf *pf, size_t *ret_one, size_t *ret_two);

/* True if a selector asks for what only a worker can read: pf.serial, dsn, mac. */
bool policy_needs_identity(const struct policy *p);

/* The VF count that a pool wants of a PF. */
unsigned pool_vf_count(const struct pool *pool, unsigned total_vfs);

/* How many VFs of a PF the tenant may have by "pf_share", if there is one. At least one: else a small PF
 * would give nobody anything. */
size_t grant_share_of(const struct grant *g, const struct pf *pf);

/* What a VF has to be bound anew for. What the pool leaves open it has as it is. */
enum misfit { MISFIT_NONE, MISFIT_DRIVER, MISFIT_VECTORS };
enum misfit pool_misfit(const struct pool *p, const struct vf *vf);
/* What is known to stand against that, or REASON_NONE. A VF with a VFIO driver stays as it is then. */
enum reason pool_obstacle(const struct pool *p, const struct vf *vf);

bool grant_allows_vlan(const struct grant *g, unsigned vlan);
bool grant_allows_mac(const struct grant *g, struct mac m);   /* may be asked for */
bool grant_may_keep_mac(const struct grant *g, struct mac m); /* or was given by this grant before */

const struct tenant *policy_find_tenant(const struct policy *p, const char *name); /* NULL if none */
int policy_find_pool(const struct policy *p, const char *name);                    /* -1 if none */
const struct grant *tenant_find_grant(const struct tenant *t, size_t pool);        /* NULL if none */

/* True if the uid or one of the groups belongs to the tenant. Unresolved names match nobody. */
bool tenant_has_user(const struct tenant *t, uint32_t uid, const uint32_t *gids, size_t n_gids);

const char *pool_class_to_string(enum pool_class c); /* "any", "network", "storage" */
const char *placement_to_string(enum placement p);   /* "pack", "spread", "least-loaded" */
const char *assign_to_string(enum assign a);         /* "vf", "function" */
const char *numa_rule_to_string(enum numa_rule n);   /* "prefer", "require" */
const char *erase_rule_to_string(enum erase_rule e); /* "delete", "format", "crypto", "never" */
