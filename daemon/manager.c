/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Start and stop: state files, policy, hardware, in this order. */

#include "daemon/manager.h"
#include "daemon/aer.h"
#include "daemon/apply.h"
#include "daemon/disk.h"
#include "daemon/drift.h"
#include "daemon/eswitch.h"
#include "daemon/events.h"
#include "daemon/faults.h"
#include "daemon/fdstore.h"
#include "daemon/hotplug.h"
#include "daemon/lease.h"
#include "daemon/methods.h"
#include "daemon/nvme.h"
#include "daemon/policy-load.h"
#include "daemon/quarantine.h"
#include "daemon/reconcile.h"
#include "daemon/reservation.h"
#include "daemon/server.h"
#include "daemon/stats.h"
#include "daemon/store.h"
#include "daemon/told.h"
#include "daemon/waiting.h"

#include <errno.h>
#include <systemd/sd-id128.h>

/* The id of the machine itself is nobody else's business: addresses are seen by whole networks. */
static void read_host_id(struct manager *m) {
        const sd_id128_t app = SD_ID128_MAKE(3d, 0b, 5f, 42, 9c, 6a, 4e, 0f, 8b, 1d, 70, c2, 66, a1, 9e, 35);
        sd_id128_t id;
        int r = sd_id128_get_machine_app_specific(app, &id);

        if (r < 0)
                log_warning("/etc/machine-id cannot be read (%s): derived MACs follow from the cards alone",
                            errno_text(r));
        else
                memcpy(m->host_id, id.bytes, sizeof(m->host_id));
}

int manager_new(sd_event *event, struct manager **ret) {
        struct manager *m = calloc(1, sizeof(*m));

        if (!m)
                return -ENOMEM;
        m->event = sd_event_ref(event);
        m->root_fd = -1;
        read_host_id(m);
        *ret = m;
        return 0;
}

struct manager *manager_free(struct manager *m) {
        if (!m)
                return NULL;
        server_free(m->server);
        m->server = NULL;
        hotplug_stop(m);
        apply_free(m);
        waiting_stop(m);
        stats_calls_stop(m);
        leases_free(m);
        reservations_free(m);
        lease_times_stop(m);
        identify_stop(m);
        worker_link_free(m->link);
        while (m->vf_orphans) /* the link is gone: no callback comes any more */
                managed_vf_free_orphan(m->vf_orphans);
        while (m->pf_orphans)
                managed_pf_free_orphan(m->pf_orphans);
        evidence_stop(m);
        told_stop(m);
        drift_stop(m);
        eswitch_stop(m);
        stats_stop(m);
        faults_stop(m);
        aer_stop(m);
        quarantine_stop(m);
        nvme_stop(m);
        controller_calls_stop(m);
        reconcile_done(m);
        disks_free(m);
        fdstore_free(m->fdstore);
        policy_free(m->policy);
        policy_errors_done(&m->policy_errors);
        close_fd(&m->root_fd);
        sd_event_unref(m->event);
        free(m);
        return NULL;
}

static void log_policy_errors(const struct policy_errors *e) {
        for (size_t i = 0; i < e->n; i++)
                log_error("policy: %s:%d:%d: %s: %s", e->items[i].file, e->items[i].at.line,
                          e->items[i].at.column, e->items[i].path, e->items[i].message);
}

int manager_reload(struct manager *m) {
        struct policy_errors errors = { 0 };
        struct policy *p = NULL;
        int r = policy_load(m->root_fd, &p, &errors);

        if (r < 0) {
                log_policy_errors(&errors);
                log_error("%s", m->policy ? "the new policy is not used; the old one stays in force"
                                          : "without a valid policy nothing is touched");
                events_policy(m, "refused");
                policy_errors_done(&m->policy_errors);
                m->policy_errors = errors;
                return r;
        }
        policy_errors_done(&m->policy_errors);
        m->policy_errors = (struct policy_errors){ 0 };
        policy_free(m->policy);
        m->policy = p;
        log_info("policy: %zu pools, %zu tenants", p->n_pools, p->n_tenants);
        events_policy(m, "loaded");
        reconcile_assign_pools(m);
        return 0;
}

int manager_start(struct manager *m) {
        int r = reconcile_init(m);

        if (r < 0)
                return r;
        r = fdstore_new(m->event, &m->fdstore);
        if (r < 0)
                return r;
        worker_link_warm(m->link); /* not before systemd's descriptors are marked close-on-exec */
        r = store_load_leases(m);
        if (r < 0) {
                log_error("cannot read the leases under /run/vfctld/leases: %s", errno_text(r));
                return r;
        }
        r = disks_load(m);
        if (r < 0) {
                log_error("cannot read the records of disks under /var/lib/vfctld/disks: %s", errno_text(r));
                return r;
        }
        r = reservations_load(m);
        if (r < 0) {
                log_error("cannot read the reservations under /var/lib/vfctld/reservations: %s",
                          errno_text(r));
                return r;
        }
        r = manager_reload(m);
        if (r < 0 && r != -EINVAL)
                return r;
        r = hotplug_start(m); /* before the first look, so that nothing falls between */
        if (r < 0)
                return r;
        r = drift_start(m);
        if (r < 0)
                return r;
        r = eswitch_start(m);
        if (r < 0)
                return r;
        r = reconcile_rescan_all(m);
        if (r < 0)
                return r;
        m->first_look = true; /* every PF is known now, some may not have shown their VFs */
        reconcile_looked(m);
        r = faults_start(m); /* the VFs are known: what comes now can be attributed */
        return r < 0 ? r : aer_start(m);
}
