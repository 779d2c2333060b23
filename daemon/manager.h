/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What vfctld keeps, all of it, in one thread. Each noun has a file of its own: vf.h, pf.h, lease.h, server.h
 * … The manager only ties them together. */

#include "common/log.h"
#include "common/macro.h"
#include "common/model.h"
#include "daemon/worker-link.h"
#include "iommu/host.h"
#include "policy/allocate.h"
#include "policy/plan.h"
#include "policy/policy.h"

#include <string.h>
#include <systemd/sd-event.h>

struct server;
struct promised_vf;
struct waiting;
struct monitor;
struct fdstore;
struct managed_vf;
struct devlinkwatch;
struct linkwatch;
struct managed_pf;
struct pf_stats;
struct stats_call;
struct disk;
struct giving;
struct controller_call;

struct manager {
        sd_event *event;
        int root_fd;
        uint8_t host_id[HOST_ID_SIZE]; /* of this machine alone */
        const char *root_path;         /* "/" but for tests and captures */
        enum backend fence_forced;     /* BACKEND_NONE: choose */

        struct policy *policy; /* NULL while there is no valid one */
        struct policy_errors policy_errors;

        struct iommu_host host;
        struct inventory inventory;    /* pfs are struct managed_pf, vfs are struct managed_vf */
        struct managed_vf *vf_orphans; /* gone, but a worker still has an operation on them */
        struct managed_pf *pf_orphans;
        void *vf_by_address;   /* tsearch(3) root over struct vf */
        struct lease **leases; /* struct managed_lease, in the order they began */
        size_t n_leases, leases_size;
        void *claims;            /* tsearch(3) root: address -> lease, see lease.c */
        struct lease **promises; /* reservations, see reservation.c */
        size_t n_promises;
        struct promised_vf *promised; /* their VFs, sorted by address */
        size_t n_promised;
        struct waiting *waiting;       /* requests in line, see waiting.c */
        sd_event_source *waiting_look; /* deferred: somebody may be served now */
        sd_event_source *expiry;       /* timer: the next lease whose time is up */
        sd_event_source *drift;        /* see drift.c: timer */
        sd_event_source *eswitch;      /* see eswitch.c: timer */
        sd_event_source *link_event;   /* changes of network interfaces */
        struct linkwatch *linkwatch;
        sd_event_source *devlink_event; /* changes of switches: ports and their rates */
        struct devlinkwatch *devlinkwatch;
        struct drift_look *drift_looks; /* under way */
        struct told_part *told;         /* changes of attributes in line, see told.c */
        struct told_set *told_sets;     /* under way */
        sd_event_source *tell;          /* timer: sends them */
        sd_event_source *identify;      /* timer: link speeds, where a policy rests on them */

        struct giving *givings;                   /* disks on their way to VFs, see nvme-give.c */
        struct controller_call *controller_calls; /* who waits to see a controller */
        struct disk *disks;                       /* of controllers that are not there, see disk.h */
        void *disk_index;                         /* tsearch(3) root over all of them, by namespace */

        struct worker_link *link;
        struct fdstore *fdstore;
        struct server *server;
        struct monitor *monitor; /* NULL without udev */

        struct apply *applies; /* 'vfctl apply' under way */
        sd_event_source *apply_tick;
        sd_event_source *reconcile; /* deferred: see reconcile.h */
        sd_event_source *rescan;    /* timer: devices that events named */
        sd_event_source *retry;     /* timer: VFs that somebody still holds */
        struct faults *faults;
        struct path_question *path_questions; /* to workers, see vf-evidence.c */
        struct pf_stats *stats;               /* what workers read, see stats.c */
        struct stats_call *stats_calls;       /* who waits for that */
        struct aer *aer;                      /* looks at functions' PCIe errors */
        sd_event_source *cut_off;             /* timer: condemned VFs that are still leased */
        sd_event_source *ready_deadline;
        uint64_t ready_until; /* usec, monotonic: READY=1 is sent then at the latest */
        bool rescan_all;
        bool judge_due;  /* a lease has ended: others of its tenant may have room under the policy now */
        bool first_look; /* not every PF has shown its VFs yet: nothing that was kept for one is given up */
        bool settled;    /* READY=1 was sent */
};

/* What decisions rest on, as of now. */
static inline struct world manager_world(const struct manager *m) {
        struct world w = {
                .policy = m->policy,
                .inventory = &m->inventory,
                .leases = (const struct lease *const *) m->leases,
                .n_leases = m->n_leases,
                .promises = (const struct lease *const *) m->promises,
                .n_promises = m->n_promises,
        };

        memcpy(w.host_id, m->host_id, sizeof(w.host_id));
        return w;
}

int manager_new(sd_event *event, struct manager **ret);
struct manager *manager_free(struct manager *m);
DEFINE_CLEANUP(struct manager *, manager_free)

/* Reads state, policy and hardware, then starts to make them agree. */
int manager_start(struct manager *m);

/* Reads the policy again. 0; -EINVAL if it has errors: the old one stays in force and
 * m->policy_errors has them. */
int manager_reload(struct manager *m);
