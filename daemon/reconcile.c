/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making hardware and policy agree: scans become the inventory, the inventory and the policy become steps. */

#include "daemon/reconcile.h"
#include "daemon/apply.h"
#include "daemon/drift.h"
#include "daemon/events.h"
#include "daemon/fdstore.h"
#include "daemon/lease.h"
#include "daemon/nvme.h"
#include "daemon/policy-load.h"
#include "daemon/store.h"
#include "daemon/told.h"
#include "daemon/waiting.h"
#include "sriov/inventory.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define RESCAN_USEC 50000ULL  /* events come in floods; one look is enough for all of them */
#define RETRY_USEC  250000ULL /* how often a held VF is tried again */
#define SETTLE_USEC 20000ULL
#define READY_USEC  (30ULL * 1000000ULL) /* VMs may start then, whatever still hangs */

void reconcile_soon(struct manager *m) {
        sd_event_source_set_enabled(m->reconcile, SD_EVENT_ONESHOT);
}

static void arm(sd_event_source *s, uint64_t usec) {
        int enabled = SD_EVENT_OFF;

        sd_event_source_get_enabled(s, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        sd_event_source_set_time_relative(s, usec);
        sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

void reconcile_rescan_soon(struct manager *m) {
        arm(m->rescan, RESCAN_USEC);
}

void reconcile_retry(struct manager *m) {
        arm(m->retry, RETRY_USEC);
}

/* What may be done without being asked: nothing that destroys a VF or takes it from a host driver. */
static int on_reconcile(sd_event_source *s, void *userdata) {
        struct manager *m = userdata;
        struct plan plan;

        if (!m->policy)
                return 0;
        if (m->judge_due) { /* once for all that ended together */
                m->judge_due = false;
                leases_judge(m);
        }
        const struct world w = manager_world(m);
        int r = plan_make(&w, &plan);
        if (r < 0) {
                log_error("cannot plan: %s", errno_text(r));
                return 0;
        }
        FOREACH_ARRAY(step, plan.steps, plan.n_steps) {
                bool asked_for = !step->destructive || (step->pending && !step->blocked);
                struct pf *pf = asked_for ? inventory_find_pf(&m->inventory, step->address) : NULL;

                if (pf)
                        pf_start_step(managed_pf(pf), step);
        }
        plan_done(&plan);
        apply_continue(m);
        return 0;
}

static bool all_settled(struct manager *m) {
        for (size_t i = 0; i < m->inventory.n_pfs; i++) {
                struct pf *pf = m->inventory.pfs[i];

                if (managed_pf(pf)->busy || pf->reason == REASON_IDENTIFYING)
                        return false;
                for (size_t j = 0; j < pf->n_vfs; j++)
                        if (!vf_settled(managed_vf(pf->vfs[j])))
                                return false;
        }
        return true;
}

/* Polled, because one look at all VFs for each change of one of them would be quadratic. */
static int on_ready_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        struct manager *m = userdata;
        uint64_t now;

        sd_event_now(m->event, CLOCK_MONOTONIC, &now);
        if (m->ready_until == 0)
                m->ready_until = now + READY_USEC;
        bool settled = all_settled(m);
        if (!settled && now < m->ready_until) {
                sd_event_source_set_time_relative(s, SETTLE_USEC);
                return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        }
        size_t n = 0;
        for (size_t i = 0; i < m->inventory.n_pfs; i++)
                n += m->inventory.pfs[i]->n_vfs;
        m->settled = true;
        sd_notifyf(false, "READY=1\nSTATUS=%zu VFs on %zu PFs%s%s", n, m->inventory.n_pfs,
                   m->policy ? "" : "; no valid policy, nothing is touched",
                   settled ? "" : "; some still on their way");
        log_info("ready: %zu VFs on %zu PFs%s", n, m->inventory.n_pfs,
                 settled ? "" : ", some still on their way");
        events_ready(m);
        return 0;
}

/* What has failed for long is tried less often. */
static bool retry_is_due(unsigned *retries) {
        return (*retries)++ < RETRIES_SOON || *retries % 8 == 0;
}

/* Looking again at what the hardware does not show takes a worker's time for each VF: after 1, 2, 4 … turns,
 * then about once a minute. */
static bool vf_retry_is_due(struct managed_vf *v) {
        if (v->vf.reason != REASON_NOT_ISOLATED)
                return retry_is_due(&v->retries);
        unsigned n = v->retries++;
        return (n & (n - 1)) == 0 || n % 256 == 0;
}

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata) {
        struct manager *m = userdata;
        bool more = false;

        for (size_t i = 0; i < m->inventory.n_pfs; i++) {
                struct managed_pf *p = managed_pf(m->inventory.pfs[i]);

                if (p->retry && retry_is_due(&p->retries)) {
                        p->retry = false;
                        reconcile_soon(m);
                }
                if (p->reidentify && retry_is_due(&p->retries)) {
                        p->reidentify = false;
                        pf_identify(p);
                }
                more = more || p->retry || p->reidentify;
                for (size_t j = 0; j < m->inventory.pfs[i]->n_vfs; j++) {
                        struct managed_vf *v = managed_vf(m->inventory.pfs[i]->vfs[j]);

                        if (!v->retry || v->busy)
                                continue;
                        if (vf_retry_is_due(v)) {
                                vf_refresh(v); /* the last scan may be old */
                                vf_unblock(v);
                        }
                        more = more || v->retry;
                }
        }
        if (more)
                reconcile_retry(m);
        return 0;
}

static int on_rescan(sd_event_source *s, uint64_t usec, void *userdata) {
        struct manager *m = userdata;

        if (m->rescan_all) {
                reconcile_rescan_all(m); /* logs its own failure */
                return 0;
        }
        for (size_t i = m->inventory.n_pfs; i > 0; i--) { /* downwards: a PF may leave the array */
                struct managed_pf *p = managed_pf(m->inventory.pfs[i - 1]);

                if (p->dirty && !p->busy)
                        pf_rescan(p);
        }
        return 0;
}

/* Whose it is. One that two pools name is nobody's, and says so. */
static int pf_pool(struct manager *m, struct pf *pf) {
        size_t one = 0, two = 0;
        int pool = m->policy ? policy_pool_of(m->policy, pf, &one, &two) : -1;

        if (pf->reason == REASON_TWO_POOLS && pool != POOL_TWO)
                pf->reason = REASON_NONE;
        if (pool != POOL_TWO)
                return pool;
        if (pf->reason != REASON_TWO_POOLS)
                log_with(LOG_ERR, (&(struct log_fields){ .address = &pf->address }), "%s: %s and %s",
                         reason_sentence(REASON_TWO_POOLS), m->policy->pools[one].name,
                         m->policy->pools[two].name);
        pf->reason = REASON_TWO_POOLS;
        snprintf(managed_pf(pf)->detail, sizeof(managed_pf(pf)->detail), "%s and %s",
                 m->policy->pools[one].name, m->policy->pools[two].name);
        return -1;
}

/* What a policy selects by is not known yet. Another pool may select the PF by what is known, and its count
 * must not be set meanwhile. */
static bool lacks_identity(const struct manager *m, const struct pf *pf) {
        return m->policy && !pf->identified && policy_needs_identity(m->policy);
}

void reconcile_claim(struct manager *m, struct pf *pf) {
        int pool = pf_pool(m, pf);

        if (pool >= 0)
                pf->pool = pool;
}

void reconcile_looked(struct manager *m) {
        if (!m->first_look)
                return;
        for (size_t i = 0; i < m->inventory.n_pfs; i++)
                if (m->inventory.pfs[i]->reason == REASON_IDENTIFYING)
                        return;
        m->first_look = false;
        lease_drop_vanished(m);
        fdstore_drop_rest(m->fdstore);
        leases_judge(m);
}

/* What was asked for is not what the policy wants any more. */
static void drop_stale_pending(struct manager *m, struct pf *pf) {
        if (pf->pending_vfs == 0 || !m->policy ||
            (pf->pool >= 0 && pool_vf_count(&m->policy->pools[pf->pool], pf->total_vfs) == pf->pending_vfs))
                return;
        pf->pending_vfs = 0;
        store_pending(managed_pf(pf));
}

void reconcile_assign_pools(struct manager *m) {
        for (size_t i = 0; i < m->inventory.n_pfs; i++) {
                struct pf *pf = m->inventory.pfs[i];

                pf_forget_refusal(managed_pf(pf));
                pf->pool = lacks_identity(m, pf) ? -1 : pf_pool(m, pf);
                nvme_count_disks(managed_pf(pf));
                managed_pf(pf)->nvme_stale = true;
                if (!lacks_identity(m, pf))
                        drop_stale_pending(m, pf);
                for (size_t j = 0; j < pf->n_vfs; j++)
                        if (pf->vfs[j]->state == VF_READY) /* before anybody gets it with another driver */
                                vf_advance(managed_vf(pf->vfs[j]));
        }
        m->rescan_all = true;
        reconcile_rescan_soon(m);
        leases_judge(m);
        identify_watch(m);
        waiting_soon(m);
}

static int pf_compare(const void *a, const void *b) {
        return address_compare((*(struct pf *const *) a)->address, (*(struct pf *const *) b)->address);
}

static int add_pf(struct manager *m, struct pf *scanned) {
        struct managed_pf *p = managed_pf_new(m, scanned);
        struct pf **pfs = reallocarray(m->inventory.pfs, m->inventory.n_pfs + 1, sizeof(*pfs));

        if (pfs)
                m->inventory.pfs = pfs;
        if (!p || !pfs) {
                free(p);
                pf_free(scanned);
                return -ENOMEM;
        }
        pfs[m->inventory.n_pfs++] = &p->pf;
        qsort(pfs, m->inventory.n_pfs, sizeof(*pfs), pf_compare);
        store_load_pf(p);
        told_adopt(p);
        p->pf.pool = lacks_identity(m, &p->pf) ? -1 : pf_pool(m, &p->pf);
        events_pf(m, &p->pf, "added");
        pf_merge(p, scanned);
        return 0;
}

void reconcile_remove_pf(struct manager *m, struct managed_pf *p) {
        for (size_t i = 0; i < m->inventory.n_pfs; i++)
                if (m->inventory.pfs[i] == &p->pf) {
                        memmove(m->inventory.pfs + i, m->inventory.pfs + i + 1,
                                (--m->inventory.n_pfs - i) * sizeof(*m->inventory.pfs));
                        managed_pf_lost(p);
                        return;
                }
}

/* The kernel may have loaded VFIO or iommufd since the last look. */
static void read_host(struct manager *m) {
        int r = host_read(m->root_fd, &m->host);

        if (r < 0)
                log_error("cannot read what this host can do: %s", errno_text(r));
        m->inventory.fence = m->fence_forced != BACKEND_NONE ? m->fence_forced : host_fence_backend(&m->host);
        m->inventory.can_fd = m->host.iommufd && m->host.cdev;
        m->inventory.can_node = m->host.group_nodes && m->host.container;
        if (m->policy)
                policy_find_drivers(m->root_fd, m->policy);
}

static bool hands_out_functions(const struct manager *m) {
        const struct policy *p = m->policy;

        for (size_t i = 0; p && i < p->n_pools; i++)
                if (p->pools[i].assign == ASSIGN_FUNCTION)
                        return true;
        return false;
}

/* A function that somebody has stays in sight until nobody has it, whatever the policy says. */
static bool is_had_whole(struct manager *m, struct address a) {
        const struct pf *known = inventory_find_pf(&m->inventory, a);

        return lease_of_address(m, a) ||
               (known && known->whole && known->n_vfs > 0 && known->vfs[0]->lease[0]);
}

static bool is_wanted_function(const struct pf *pf, void *userdata) {
        struct manager *m = userdata;
        size_t one, two;

        if (is_had_whole(m, pf->address))
                return true;
        if (!hands_out_functions(m))
                return false;
        if (policy_needs_identity(m->policy)) /* whose it is turns out later */
                return true;
        int pool = policy_pool_of(m->policy, pf, &one, &two);
        return pool >= 0 || pool == POOL_TWO;
}

/* A PF without VFs may be handed out whole: if the first pool that selects it says so, or somebody has it.
 * Before it is known who it is, it is looked at as a PF, and shows nothing. */
static bool goes_whole(struct manager *m, const struct pf *pf) {
        struct pf whole = *pf;
        size_t one, two;

        if (pf->num_vfs > 0)
                return false;
        if (is_had_whole(m, pf->address))
                return true;
        const struct pf *known = inventory_find_pf(&m->inventory, pf->address);
        if (known) { /* what a worker read of it */
                whole = *known;
                whole.num_vfs = 0;
                whole.total_vfs = pf->total_vfs;
        }
        if (!hands_out_functions(m) || lacks_identity(m, &whole))
                return false;
        whole.whole = true;
        int as_function = policy_pool_of(m->policy, &whole, &one, &two);
        whole.whole = false;
        int as_pf = policy_pool_of(m->policy, &whole, &one, &two);
        return as_function == POOL_TWO || (as_function >= 0 && (as_pf < 0 || as_function < as_pf));
}

static void take_whole(struct manager *m, struct inventory *found) {
        for (size_t i = 0; i < found->n_pfs; i++) {
                struct pf *whole = NULL;

                if (found->pfs[i]->whole || !goes_whole(m, found->pfs[i]) ||
                    inventory_scan_function(m->root_fd, found->pfs[i]->address, &whole) < 0)
                        continue;
                pf_free(found->pfs[i]);
                found->pfs[i] = whole;
        }
}

int reconcile_rescan_all(struct manager *m) {
        struct inventory found = { 0 };

        m->rescan_all = false;
        read_host(m);
        int r = inventory_scan(m->root_fd, &found);
        if (r >= 0 && (hands_out_functions(m) || m->n_leases > 0)) /* of one that the policy has forgotten */
                r = inventory_scan_functions(m->root_fd, is_wanted_function, m, &found);
        if (r >= 0)
                take_whole(m, &found);
        if (r < 0) {
                log_error("cannot read the hardware: %s", errno_text(r));
                return r;
        }
        for (size_t i = m->inventory.n_pfs; i > 0; i--) {
                struct managed_pf *p = managed_pf(m->inventory.pfs[i - 1]);

                if (!inventory_find_pf(&found, p->pf.address))
                        reconcile_remove_pf(m, p);
        }
        for (size_t i = 0; i < found.n_pfs; i++) {
                struct pf *scanned = found.pfs[i],
                          *known = inventory_find_pf(&m->inventory, scanned->address);

                if (known) {
                        managed_pf(known)->refused = false;
                        for (size_t j = 0; j < known->n_vfs; j++) /* whatever blocked it may be over */
                                if (known->vfs[j]->state != VF_QUARANTINED &&
                                    known->vfs[j]->state != VF_STUCK)
                                        known->vfs[j]->reason = known->vfs[j]->state == VF_UNMANAGED
                                                                                ? REASON_NOT_MANAGED
                                                                                : REASON_NONE;
                        pf_merge(managed_pf(known), scanned);
                        drift_look_soon(managed_pf(known));
                } else if (add_pf(m, scanned) < 0)
                        log_error("out of memory for %s", ADDRESS_STR(scanned->address));
        }
        free(found.pfs); /* its members were merged */
        reconcile_soon(m);
        return 0;
}

void reconcile_identified(struct managed_pf *p) {
        struct manager *m = p->manager;

        if (!hands_out_functions(m)) {
                pf_rescan(p);
                return;
        }
        m->rescan_all = true; /* it may go whole: see take_whole() */
        reconcile_rescan_soon(m);
}

void reconcile_worker_returned(const struct worker_op *op, void *manager) {
        struct address target = op->request.address;
        struct manager *m = manager;
        /* Of several that hang it is the last that says the PF works again */
        bool vf_scope = op->vf_scope || worker_link_hangs(m->link, op->pf);
        struct pf *known = inventory_find_pf(&m->inventory, op->pf);

        log_with(LOG_NOTICE, (&(struct log_fields){ .address = &target }), "the operation that hung is over");
        if (op->request.op == WORKER_EVIDENCE)
                evidence_returned(m, target);
        if (!known)
                return;
        if (!vf_scope) {
                known->stuck = false;
                known->reason = REASON_NONE;
                events_pf(m, known, "returned");
        }
        for (size_t i = 0; i < known->n_vfs; i++) {
                struct managed_vf *v = managed_vf(known->vfs[i]);

                if (address_equal(v->vf.address, target))
                        v->hanging &= ~(1ULL << op->request.op);
                /* others may hang on workers of their own */
                if (v->vf.state == VF_STUCK &&
                    (address_equal(v->vf.address, target) || (!vf_scope && !v->vf_scope)))
                        vf_enter(v, VF_EVENT_RETURNED, REASON_NONE);
        }
        pf_rescan_soon(managed_pf(known));
        if (managed_pf(known)->drift_due)
                drift_look_soon(managed_pf(known));
}

int reconcile_init(struct manager *m) {
        int r = sd_event_add_defer(m->event, &m->reconcile, on_reconcile, m);

        if (r >= 0)
                r = sd_event_source_set_enabled(m->reconcile, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(m->event, &m->rescan, CLOCK_MONOTONIC, 0, 1000, on_rescan, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->rescan, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(m->event, &m->retry, CLOCK_MONOTONIC, 0, 1000, on_retry, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->retry, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(m->event, &m->ready_deadline, CLOCK_MONOTONIC, SETTLE_USEC,
                                               1000, on_ready_deadline, m);
        return r;
}

void reconcile_done(struct manager *m) {
        sd_event_source_disable_unref(m->reconcile);
        sd_event_source_disable_unref(m->rescan);
        sd_event_source_disable_unref(m->retry);
        sd_event_source_disable_unref(m->ready_deadline);
        for (size_t i = 0; i < m->inventory.n_pfs; i++) {
                for (size_t j = 0; j < m->inventory.pfs[i]->n_vfs; j++) {
                        struct managed_vf *v = managed_vf(m->inventory.pfs[i]->vfs[j]);

                        v->fence_stored = false; /* a restarted daemon shall find it in the store */
                        disks_release_vf(v);
                        managed_vf_release(v);
                }
                nvme_forget(managed_pf(m->inventory.pfs[i]));
        }
        inventory_done(&m->inventory);
}
