/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The daemon's replies as plain data, strictly read: a missing or mistyped field of io.vfctl.Manager is an
 * error, an unknown one is passed over (a newer daemon). Strings and arrays are borrowed from the JSON.
 * Readers return 0, or -EPROTO after a message. Optional strings are NULL if the daemon sent none. */

#include "common/json.h"
#include "common/model.h"
#include "common/stats.h"

struct refusal_record {
        const char *reason, *message, *hint;
};
struct failure_record {
        int64_t number;
        const char *message;
};
struct policy_error_record {
        const char *file, *path, *message;
        int64_t line, column;
};
struct problem_record {
        const char *address, *reason, *message, *hint;
};
struct status_record {
        const char *version, *fence_backend;
        bool ready, policy_valid, can_fd, can_node;
        json_t *policy_errors, *vf_states, *problems;
        int64_t pfs, vfs, leases, lost_faults;
};
struct pf_record {
        const char *address, *driver, *netdev, *vendor, *device, *class, *model, *pool, *reason, *slot,
                        *serial, *mac, *drain_reason, *eswitch;
        int64_t numa_node, total_vfs, num_vfs, link_mbps, pending_vfs, capacity, available;
        bool whole, stuck, drained;
};
struct vf_record {
        const char *address, *pf, *pool, *state, *reason, *message, *hint, *driver, *group_type, *lease,
                        *tenant, *vm, *reserved, *representor, *function_state;
        int64_t index, group, numa_node, max_io_eqs; /* max_io_eqs: 0 if not known */
        bool isolated, condemned;
        const char *verdict, *last_fault;
        json_t *namespaces; /* numbers of those that it was given; NULL of an older daemon */
        json_t *drift;      /* names of attributes that somebody else changed */
        int64_t faults;
        json_t *holders;
};
struct finding_record {
        const char *finding, *severity, *at, *message, *hint;
        bool accepted;
};
struct hop_record {
        const char *address, *kind, *ats, *pri, *pasid;
        bool readable;
        json_t *acs_capable, *acs_enabled; /* NULL without ACS */
        json_t *sriov;                     /* NULL without SR-IOV, or of an older daemon */
};
struct sriov_record {
        bool enabled, ari;
        int64_t num_vfs;
};
struct evidence_record {
        const char *verdict;
        bool leasable;
        json_t *findings, *path, *group_members;
};
struct holder_record {
        int64_t pid;
        const char *command;
};
struct attributes_record { /* NULL, -1 and TRI_UNKNOWN: not set */
        const char *mac, *vlan_protocol, *link_state, *function_state;
        int64_t vlan, vlan_qos, min_tx_mbps, max_tx_mbps, max_io_eqs;
        enum tristate spoof_check, trust, rss_query;
};
struct leased_vf_record {
        const char *address, *pf, *pool;
        struct attributes_record attributes;
};
struct lease_record {
        const char *id, *tenant, *vm, *group, *hand_off, *over_policy;
        int64_t uid, pid, created, expires;
        bool anti_affinity, ending;
        json_t *pools, *vfs, *devices, *unsafe;
};
struct reservation_record {
        const char *tenant, *vm, *lease, *over_policy;
        int64_t created;
        json_t *pools, *devices;
};
struct pool_record {
        const char *name, *class, *assign, *placement;
        int64_t pfs, vfs, ready, leased, reserved, waiting;
};
struct tenant_record {
        const char *name;
        int64_t memlock, quota, used, max_lease;
        json_t *pools;
};
struct explanation_record {
        const char *rule, *value, *why;
};
struct tenant_pool_record {
        const char *pool;
        int64_t quota, used;
};
struct step_record {
        const char *kind, *address, *because, *reason;
        int64_t from, to;
        bool destructive, blocked, pending;
        json_t *hits;
};
struct device_record {
        const char *address, *node;
        int64_t group, device_fd, iommufd_fd; /* fds: indexes, -1 if absent */
};
struct event_record {
        const char *kind, *address, *old, *new, *reason, *message, *lease, *tenant, *vm;
        int64_t time;
};
struct statistics_record {
        const char *address, *pf, *lease, *tenant, *vm, *known;
        int64_t read;
        json_t *counters; /* NULL unless known */
};
struct counters_record {
        int64_t value[_COUNTER_MAX];
};
struct controller_record {
        const char *model, *serial, *firmware;
        int64_t controller, spare, used, media_errors, capacity, available;
        json_t *celsius; /* NULL unknown */
        bool health_known;
};
struct resources_record {
        int64_t flexible, assigned, primary, most;
};
struct secondary_record {
        const char *vf;
        int64_t controller, queues, interrupts;
        bool online;
};
struct namespace_record {
        const char *vf, *tenant, *vm, *erase;
        int64_t nsid, size, block_size;
        json_t *controllers;
};
struct applied_record {
        json_t *step; /* NULL in the last reply, as the next two */
        const char *outcome, *error;
        int64_t done, failed, skipped;
};

int record_refusal(json_t *v, struct refusal_record *ret);
int record_failure(json_t *v, struct failure_record *ret);
int record_policy_error(json_t *v, struct policy_error_record *ret);
int record_problem(json_t *v, struct problem_record *ret);
int record_status(json_t *v, struct status_record *ret);
int record_pf(json_t *v, struct pf_record *ret);
int record_vf(json_t *v, struct vf_record *ret);
int record_finding(json_t *v, struct finding_record *ret);
int record_hop(json_t *v, struct hop_record *ret);
int record_sriov(json_t *v, struct sriov_record *ret);
int record_evidence(json_t *v, struct evidence_record *ret);
int record_holder(json_t *v, struct holder_record *ret);
int record_lease(json_t *v, struct lease_record *ret);
int record_leased_vf(json_t *v, struct leased_vf_record *ret);
int record_reservation(json_t *v, struct reservation_record *ret);
int record_explanation(json_t *v, struct explanation_record *ret);
int record_pool(json_t *v, struct pool_record *ret);
int record_tenant(json_t *v, struct tenant_record *ret);
int record_tenant_pool(json_t *v, struct tenant_pool_record *ret);
int record_step(json_t *v, struct step_record *ret);
int record_device(json_t *v, struct device_record *ret);
int record_event(json_t *v, struct event_record *ret);
int record_statistics(json_t *v, struct statistics_record *ret);
int record_counters(json_t *v, struct counters_record *ret);
int record_controller(json_t *v, struct controller_record *ret);
int record_resources(json_t *v, struct resources_record *ret);
int record_secondary(json_t *v, struct secondary_record *ret);
int record_namespace(json_t *v, struct namespace_record *ret);
int record_applied(json_t *v, struct applied_record *ret);

/* A member that must be an array, or an object. */
int record_array(json_t *v, const char *key, json_t **ret);
int record_object(json_t *v, const char *key, json_t **ret);
/* An element that must be a string. */
int record_string(json_t *v, const char *what, const char **ret);
/* An array of strings joined by a separator; *ret is the caller's, "" for an empty one. */
int record_strings(json_t *array, const char *what, const char *separator, char **ret);

/* "file:line:column: path: message", without what is unknown. */
void print_policy_error(FILE *f, const char *indent, const struct policy_error_record *e);
