/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of NVMe controllers: read when a PF is seen first, and again after whatever changed it. */

#include "daemon/nvme.h"
#include "common/message-id.h"
#include "common/text.h"
#include "daemon/events.h"
#include "daemon/lease.h"
#include "daemon/reconcile.h"
#include "daemon/waiting.h"
#include "daemon/worker-nvme.h"
#include "sriov/nvme-rules.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The facts that decisions rest on. */
static void take_facts(struct managed_pf *p) {
        const struct nvme_primary *n = &p->nvme.primary;

        p->pf.nvme_known = true;
        p->pf.nvme_can = n->can;
        p->pf.nvme_host_queues = n->queues.primary;
        p->pf.nvme_host_interrupts = n->interrupts.primary;
}

static int take(struct managed_pf *p, const struct worker_reply *reply, int fd) {
        struct nvme_state state = { 0 };

        if (reply->error < 0)
                return reply->error;
        int r = worker_nvme_take(reply, fd, &state);
        if (r < 0)
                return r;
        bool first = !p->nvme_known;
        nvme_state_done(&p->nvme);
        p->nvme = state;
        p->nvme_known = true;
        (void) sd_event_now(p->manager->event, CLOCK_MONOTONIC, &p->nvme_read);
        take_facts(p);
        if (first)
                disks_claim(p->manager);
        nvme_count_disks(p);
        return 0;
}

void nvme_forget(struct managed_pf *p) {
        disks_release_pf(p);
        nvme_state_done(&p->nvme);
        p->nvme_known = p->pf.nvme_known = false;
}

static const struct storage *storage_of(const struct managed_pf *p) {
        const struct policy *policy = p->manager->policy;

        return policy && p->pf.pool >= 0 ? &policy->pools[p->pf.pool].storage : NULL;
}

bool nvme_is_hosts(const struct managed_pf *p) {
        const struct storage *s = storage_of(p);

        return p->nvme_known && p->nvme.primary.can & NVME_HOST_USES && !(s && s->host_disk);
}

/* What its PF says of the controller of a VF. */
struct look {
        const struct nvme_secondary *secondary; /* NULL: nothing */
        bool has_disk;
};

static int compare_controller(const void *a, const void *b) {
        const struct nvme_secondary *x = a, *y = b;

        return x->controller < y->controller ? -1 : x->controller > y->controller;
}

/* By number of the VF, from 1; NULL: out of memory. */
static struct look *look_at_vfs(const struct managed_pf *p) {
        const struct nvme_state *s = &p->nvme;
        struct look *looks = calloc(p->pf.total_vfs + 1, sizeof(*looks));

        FOREACH_ARRAY(c, s->secondaries, looks ? s->primary.n_secondaries : 0)
                if (c->vf <= p->pf.total_vfs)
                        looks[c->vf].secondary = c;
        FOREACH_ARRAY(a, s->attachments, looks ? s->primary.n_attachments : 0) {
                const struct nvme_secondary key = { .controller = a->controller },
                                            *c = s->primary.n_secondaries == 0
                                                                 ? NULL
                                                                 : bsearch(&key, s->secondaries,
                                                                           s->primary.n_secondaries,
                                                                           sizeof(key), compare_controller);

                if (c && c->vf <= p->pf.total_vfs)
                        looks[c->vf].has_disk = true;
        }
        return looks;
}

/* An idle VF whose controller is offline, has other resources than the policy says by now, or a disk that
 * nobody gave it. */
static bool is_astray(const struct managed_pf *p, const struct look *l) {
        const struct storage *want = storage_of(p);
        const struct nvme_secondary *s = l->secondary;

        return s && (!s->online || (want && want->queues && want->queues != s->queues) ||
                     (want && want->interrupts && want->interrupts != s->interrupts) ||
                     (want && want->namespaces != NAMESPACES_ATTACHED && l->has_disk));
}

/* Nothing is done to it under its owner's hands, but the owner is to know why the disk does not answer. */
static void watch_leased(struct managed_vf *v, const struct look *l) {
        const struct lease *lease = lease_of_vf(v);
        bool offline = l->secondary && !l->secondary->online;

        if (offline == v->nvme_offline || !lease)
                return;
        v->nvme_offline = offline;
        log_with(offline ? LOG_ERR : LOG_NOTICE,
                 (&(struct log_fields){ .address = &v->vf.address,
                                        .lease = lease->id,
                                        .tenant = lease->tenant,
                                        .vm = lease->vm,
                                        .message_id = MESSAGE_ID_CONTROLLER }),
                 offline ? "lease %s of %s/%s: the NVMe controller of its VF is offline, as after a reset of the PF's; "
                           "it works again in the next lease"
                         : "lease %s of %s/%s: the NVMe controller of its VF is online again",
                 lease->id, lease->tenant, lease->vm);
        events_device(v->manager, v, "controller", offline ? "offline" : "online", NULL);
}

/* What was asked before it was switched on says nothing about it. */
static void look_after(struct managed_pf *p, struct managed_vf *v, const struct look *l) {
        bool news = v->nvme_set_at < p->nvme_asked;

        if (v->vf.state == VF_LEASED && news)
                watch_leased(v, l);
        if (v->vf.state != VF_READY || v->busy || !v->nvme_set)
                return;
        bool hosts = nvme_is_hosts(p);
        if (!hosts)
                nvme_claim_kept(v);
        if (!hosts && !v->disks && !(news && is_astray(p, l)))
                return;
        log_with(LOG_NOTICE, (&(struct log_fields){ .address = &v->vf.address }), "%s",
                 hosts      ? reason_sentence(REASON_HOST_DISK)
                 : v->disks ? "a namespace that was kept for a tenant is erased, as the policy says by now"
                            : "its controller is offline, or has other resources or disks than the policy says");
        v->nvme_set = false;
        v->fresh = true; /* nobody has used it */
        vf_enter(v, VF_EVENT_UNFIT, REASON_NONE);
        vf_advance(v);
}

/* A reset of the primary, by the kernel or by whoever, takes all secondaries offline (NVM Express base
 * specification 2.0, section 8.26.3). */
static void bring_back(struct managed_pf *p) {
        _cleanup_free_ struct look *looks = look_at_vfs(p);

        p->nvme_short = false;
        for (size_t i = 0; looks && i < p->pf.n_vfs; i++) {
                struct managed_vf *v = managed_vf(p->pf.vfs[i]);

                if (v->vf.reason == REASON_NVME_RESOURCES || v->vf.reason == REASON_NVME_FAILED ||
                    v->vf.reason == REASON_HOST_DISK)
                        vf_unblock(v); /* there may be more by now */
                if (v->vf.index < p->pf.total_vfs)
                        look_after(p, v, &looks[v->vf.index + 1]);
        }
}

static void vfs_go_on(struct managed_pf *p) {
        for (size_t i = 0; i < p->pf.n_vfs; i++)
                vf_advance(managed_vf(p->pf.vfs[i]));
        reconcile_soon(p->manager);
}

static void on_state(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_pf *p = userdata;
        bool first = !p->nvme_known || p->nvme_news;
        uint32_t could = p->pf.nvme_can;

        p->nvme_asking = false;
        int r = p->gone ? 0 : take(p, reply, fds[0]);
        for (unsigned i = 0; i < WORKER_FDS_MAX; i++)
                close_fd(&fds[i]);
        if (p->gone) {
                managed_pf_unused(p);
                return;
        }
        if (reply->error == -ETIMEDOUT || reply->error == -ECANCELED) {
                pf_hangs(p);
                return;
        }
        p->nvme_failed = r < 0 && !worker_reply_is_transient(reply);
        text_copy(p->nvme_detail, sizeof(p->nvme_detail),
                  r >= 0             ? ""
                  : reply->detail[0] ? reply->detail
                                     : "what the worker said makes no sense");
        if (p->nvme_failed)
                log_with(LOG_WARNING, (&(struct log_fields){ .address = &p->pf.address }),
                         "the state of its NVMe controller cannot be read: %s", p->nvme_detail);
        if (p->nvme_stale && r >= 0)
                nvme_read(p);
        else if (r >= 0)
                bring_back(p);
        if (r < 0 && !p->nvme_failed)
                pf_rescan_soon(p); /* a worker failed: that asks again */
        else if (first) {
                p->nvme_news = false;
                vfs_go_on(p);
        } else if (p->pf.nvme_can != could)
                reconcile_soon(p->manager); /* the host took, or freed, a disk of it */
}

void nvme_read(struct managed_pf *p) {
        struct worker_op op = worker_op_make(WORKER_NVME_STATE, p->pf.address, p->pf.address, on_state, p);

        if (p->nvme_asking || p->pf.stuck || p->gone)
                return;
        p->nvme_stale = false;
        (void) sd_event_now(p->manager->event, CLOCK_MONOTONIC, &p->nvme_asked);
        p->nvme_asking = worker_link_submit(p->manager->link, &op) >= 0;
}

/* Its caller is in the middle of something, so what follows for the VFs is on_state()'s. It asks once more:
 * an answer counts only for VFs that were set before it was asked for. */
int nvme_take(struct managed_pf *p, const struct worker_reply *reply, int fd) {
        bool known = p->nvme_known;
        uint32_t could = p->pf.nvme_can;

        int r = take(p, reply, fd);
        if (r >= 0 && (!known || p->pf.nvme_can != could)) {
                p->nvme_news = true;
                nvme_changed(p);
        }
        return r;
}

/* With what was shown so far until then. */
void nvme_changed(struct managed_pf *p) {
        p->nvme_stale = true;
        if (p->nvme_known)
                nvme_read(p);
}

void nvme_doubt_all(struct manager *m) {
        for (size_t i = 0; i < m->inventory.n_pfs; i++)
                managed_pf(m->inventory.pfs[i])->nvme_stale = true;
}

static int compare_nsid(const void *a, const void *b) {
        const struct nvme_namespace *x = a, *y = b;

        return x->nsid < y->nsid ? -1 : x->nsid > y->nsid;
}

bool nvme_has_namespace(const struct nvme_state *s, uint32_t nsid) {
        const struct nvme_namespace key = { .nsid = nsid };

        return s->primary.n_namespaces > 0 &&
               bsearch(&key, s->namespaces, s->primary.n_namespaces, sizeof(key), compare_nsid);
}

/* A pool that never erases has one tenant. */
static bool is_of_pool(const struct managed_pf *p, const char *tenant) {
        const struct policy *policy = p->manager->policy;
        const struct tenant *t = policy ? policy_find_tenant(policy, tenant) : NULL;

        return t && p->pf.pool >= 0 && tenant_find_grant(t, (size_t) p->pf.pool);
}

bool nvme_stays_with(const struct managed_pf *p, const struct storage *s, const struct disk *d,
                     const char *tenant) {
        return !d->unreadable && s->erase == ERASE_NEVER && d->erase == ERASE_NEVER &&
               (tenant ? strcmp(d->tenant, tenant) == 0 : is_of_pool(p, d->tenant));
}

static unsigned count_listed(const struct managed_pf *p, const struct storage *s) {
        unsigned n = 0;

        FOREACH_ARRAY(nsid, s->list, s->n_list) {
                const struct disk *d = disk_of(p, *nsid);

                n += nvme_has_namespace(&p->nvme, *nsid) && !nvme_others_have(&p->nvme, *nsid, -1) &&
                     (!d || (d->kept && nvme_stays_with(p, s, d, NULL)));
        }
        return n;
}

void nvme_count_disks(struct managed_pf *p) {
        const struct storage *s = storage_of(p);
        uint64_t fit = UINT_MAX;

        p->pf.needs_disks = false;
        if (!s || !p->nvme_known || !nvme_is(&p->pf))
                return;
        if (s->namespaces == NAMESPACES_LISTED)
                fit = count_listed(p, s);
        else if (s->namespaces == NAMESPACES_NEW && p->nvme.primary.capacity > 0)
                fit = p->nvme.primary.available / s->size;
        else
                return;
        p->pf.needs_disks = true;
        if (fit > p->pf.free_disks)
                waiting_soon(p->manager);
        p->pf.free_disks = (unsigned) MIN(fit, (uint64_t) UINT_MAX);
}

static void drop_attachments(struct managed_pf *p, int controller, uint32_t nsid) {
        struct nvme_state *s = &p->nvme;
        uint32_t kept = 0;

        for (uint32_t i = 0; i < s->primary.n_attachments; i++)
                if (s->attachments[i].controller != controller && s->attachments[i].nsid != nsid)
                        s->attachments[kept++] = s->attachments[i];
        s->primary.n_attachments = kept;
        nvme_count_disks(p);
}

void nvme_detached(struct managed_pf *p, int controller, uint32_t nsid) {
        const struct inventory *all = &p->manager->inventory;

        for (size_t i = 0; i < all->n_pfs; i++) {
                struct managed_pf *q = managed_pf(all->pfs[i]);

                if (q->nvme_known &&
                    (q == p || (p->nvme.primary.serial[0] &&
                                strcmp(p->nvme.primary.serial, q->nvme.primary.serial) == 0)))
                        drop_attachments(q, controller, nsid);
        }
}
