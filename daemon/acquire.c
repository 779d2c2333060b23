/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handing VFs over. Each step is undone by ending the lease: that takes the VFs through reclaiming, which
 * trusts nobody. */

#include "daemon/acquire.h"
#include "common/message-id.h"
#include "common/text.h"
#include "daemon/baseline.h"
#include "daemon/events.h"
#include "daemon/fdstore.h"
#include "daemon/nvme.h"
#include "daemon/reservation.h"
#include "daemon/stats.h"
#include "daemon/to-json.h"
#include "daemon/told.h"
#include "daemon/waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

struct slot {
        struct acquisition *acquisition;
        struct address address;
        struct managed_vf *vf; /* from hand_over() on: busy VFs are not freed, and a vanished one fails the
                                  whole */
        struct vf_attributes attributes; /* what it is told first */
        uint32_t wish;                   /* of these, what may be left out */
        bool shown;                      /* isolated, waits for the others to be */
        int iommufd, device;
};

struct acquisition {
        struct manager *manager;
        struct managed_lease *lease;
        struct connection *connection; /* NULL once the client went away */
        uint64_t memlock;
        bool keep;
        struct slot slots[ACQUIRE_COUNT_MAX];
        size_t n;
        unsigned pending; /* slots under way */
        unsigned looking; /* of these, not looked at yet */
        enum reason failed;
        int error;
        char detail[160];
};

static void on_cancel(void *userdata) {
        struct acquisition *a = userdata;

        a->connection = NULL;
}

static void acquisition_free(struct acquisition *a) {
        for (size_t i = 0; i < a->n; i++) {
                close_fd(&a->slots[i].iommufd);
                close_fd(&a->slots[i].device);
        }
        free(a);
}

void acquire_forget(struct acquisition *a) {
        if (a)
                acquisition_free(a);
}

static void acquisition_fail(struct acquisition *a, enum reason reason, int error, const char *detail) {
        if (a->failed != REASON_NONE)
                return; /* the first one explains the rest */
        a->failed = reason;
        a->error = error;
        text_copy(a->detail, sizeof(a->detail), detail);
}

static void keep(struct acquisition *a) {
        int r = reservation_keep(a->manager, &a->lease->lease);

        if (r == -E2BIG)
                acquisition_fail(a, REASON_LIMIT, 0, "too many VFs or pools to be promised to one VM");
        else if (r < 0)
                acquisition_fail(a, REASON_STORE_FAILED, r, "the VFs could not be promised to the VM");
}

/* Nothing more is under way: answer, or take everything back. */
static void acquisition_end(struct acquisition *a) {
        struct managed_lease *l = a->lease;
        struct connection *c = a->connection;

        l->acquisition = NULL;
        if (a->failed == REASON_NONE && !c)
                acquisition_fail(a, REASON_OWNER_GONE, 0, "the client went away");
        if (a->failed == REASON_NONE && l->lease.ending)
                acquisition_fail(a, REASON_OWNER_GONE, 0, "");
        if (a->failed == REASON_NONE && l->lease.n_vfs != a->n)
                acquisition_fail(a, REASON_GONE, 0, "a VF vanished while it was handed over");
        if (a->failed == REASON_NONE && lease_granted(l) < 0)
                acquisition_fail(a, REASON_STORE_FAILED, 0, "");
        if (a->failed == REASON_NONE && a->keep)
                keep(a);
        if (a->failed != REASON_NONE) {
                lease_end(a->manager, &l->lease, a->detail[0] ? a->detail : reason_sentence(a->failed));
                lease_settle(l);
                if (c)
                        connection_refuse(c, a->failed, a->detail);
                acquisition_free(a);
                return;
        }
        json_t *devices = json_array();
        int fds[2 * ACQUIRE_COUNT_MAX] = { 0 };
        size_t n_fds = 0;
        for (size_t i = 0; i < a->n; i++) {
                struct slot *s = &a->slots[i];
                bool fd = l->lease.hand_off == HAND_OFF_FD;

                vf_enter(s->vf, VF_EVENT_HANDED, REASON_NONE);
                stats_lease_begins(s->vf);
                json_array_append_new(devices, device_json(&s->vf->vf, fd ? (int) n_fds : -1));
                if (fd) {
                        fds[n_fds++] = TAKE_FD(s->device);
                        fds[n_fds++] = TAKE_FD(s->iommufd);
                }
        }
        events_lease(a->manager, &l->lease, "begun");
        memcpy(c->lease, l->lease.id, sizeof(c->lease)); /* until the answer has left */
        connection_reply_fds(c, json_pack("{s:o,s:o}", "lease", lease_json(&l->lease), "devices", devices),
                             fds, n_fds);
        acquisition_free(a);
}

static void one_done(struct acquisition *a) {
        if (--a->pending == 0)
                acquisition_end(a);
}

static bool submit(struct slot *s, const struct worker_op *op) {
        struct managed_vf *v = s->vf;

        v->busy = true;
        v->vf_scope = op->vf_scope;
        v->op = op->request.op;
        int r = worker_link_submit(s->acquisition->manager->link, op);
        if (r < 0) {
                v->busy = false;
                acquisition_fail(s->acquisition, REASON_HANDOFF_FAILED, r, "out of memory");
        }
        return r >= 0;
}

static void on_handed(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct slot *s = userdata;
        struct acquisition *a = s->acquisition;
        struct managed_vf *v = s->vf;

        bool over = vf_op_ended(v, reply, fds);
        if (over)
                acquisition_fail(a, reply->error == -ETIMEDOUT ? REASON_STUCK : REASON_GONE, reply->error,
                                 reply->detail);
        else if (reply->error < 0)
                acquisition_fail(a,
                                 reply->reason && reply->reason < _REASON_MAX ? (enum reason) reply->reason
                                                                              : REASON_HANDOFF_FAILED,
                                 reply->error, reply->detail);
        else {
                s->iommufd = fds[0];
                s->device = fds[1];
        }
        if (a->failed != REASON_NONE) { /* no copy of ours may keep the VF from being fenced */
                close_fd(&s->iommufd);
                close_fd(&s->device);
        }
        one_done(a);
        if (!over && v->vf.state == VF_RECLAIMING) /* the lease ended while the worker was at it */
                vf_advance(v);
}

/* Opens or grants what has just been shown to be isolated. False: not even asked. */
static bool step_hand(struct slot *s) {
        struct acquisition *a = s->acquisition;
        const struct lease *l = &a->lease->lease;
        struct worker_op op =
                        vf_op(s->vf, l->hand_off == HAND_OFF_FD ? WORKER_OPEN : WORKER_GRANT, on_handed);

        op.userdata = s;
        op.request.value[0] = l->uid;
        op.request.value[1] = 0; /* the mode gives its group nothing */
        return submit(s, &op);
}

static void on_given(struct managed_vf *v, bool over, enum reason reason, int error, const char *detail,
                     void *userdata) {
        struct slot *s = userdata;
        struct acquisition *a = s->acquisition;

        if (over || reason != REASON_NONE)
                acquisition_fail(a, reason, error, detail);
        else if (a->failed == REASON_NONE && v->vf.state == VF_LEASING && step_hand(s))
                return;
        one_done(a);
        if (!over && v->vf.state == VF_RECLAIMING)
                vf_advance(v);
}

/* The disks of an NVMe VF, then the VF itself. False: not even asked. */
static bool step_give(struct slot *s) {
        if (!nvme_is(s->vf->vf.pf))
                return step_hand(s);
        if (nvme_give(s->vf, &s->acquisition->lease->lease, on_given, s) >= 0)
                return true;
        acquisition_fail(s->acquisition, REASON_HANDOFF_FAILED, -ENOMEM, "out of memory");
        return false;
}

/* The lease says what the VF has, not what was wished for. */
static void forget_wishes(struct slot *s, const struct vf_attributes *now) {
        struct lease *l = &s->acquisition->lease->lease;
        uint32_t missing = s->wish & attributes_difference(&s->attributes, now);

        if (!missing)
                return;
        log_with(LOG_NOTICE, (&(struct log_fields){ .address = &s->address }),
                 "the driver of its PF cannot do %s, which the policy only wishes for",
                 ATTRIBUTES_STR(missing));
        for (size_t i = 0; i < l->n_vfs; i++)
                if (address_equal(l->vfs[i].address, s->address))
                        l->vfs[i].attributes.set &= ~missing;
}

static void on_told(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct slot *s = userdata;
        struct acquisition *a = s->acquisition;
        struct managed_vf *v = s->vf;

        bool over = vf_op_ended(v, reply, fds);
        if (over)
                acquisition_fail(a, reply->error == -ETIMEDOUT ? REASON_STUCK : REASON_GONE, reply->error,
                                 reply->detail);
        else if (reply->error < 0)
                acquisition_fail(a,
                                 reply->reason && reply->reason < _REASON_MAX ? (enum reason) reply->reason
                                                                              : REASON_ATTRIBUTES,
                                 reply->error, reply->detail);
        else {
                const struct vf_attributes now = told_attributes(reply);

                forget_wishes(s, &now);
                if (a->failed == REASON_NONE && v->vf.state == VF_LEASING && step_give(s))
                        return;
        }
        one_done(a);
        if (!over && v->vf.state == VF_RECLAIMING)
                vf_advance(v);
}

/* Its MAC, VLAN, rates: set and read back before anybody can use it, with whatever somebody may have set
 * since it was scrubbed. */
static bool step_tell(struct slot *s) {
        const struct vf_change change = { .mode = VF_CHANGE_SET,
                                          .wish = s->wish,
                                          .attributes = baseline_with(s->vf, &s->attributes) };

        if (change.attributes.set == 0)
                return step_give(s);
        if (told_submit(s->vf, &change, on_told, s) >= 0)
                return true;
        acquisition_fail(s->acquisition, REASON_ATTRIBUTES, -ENOMEM, "out of memory");
        return false;
}

/* Every VF has been looked at: now all are told, so that those of one PF are told together. Each slot that
 * waited for this ends here or goes on. */
static void tell_all(struct acquisition *a) {
        a->pending++; /* this function */
        for (size_t i = 0; i < a->n; i++) {
                struct slot *s = &a->slots[i];

                if (!s->shown)
                        continue;
                s->vf = manager_find_vf(a->manager, s->address); /* it was not busy, so it may be gone */
                if (!s->vf)
                        acquisition_fail(a, REASON_GONE, 0, ADDRESS_STR(s->address));
                else if (a->failed == REASON_NONE && s->vf->vf.state == VF_LEASING && step_tell(s))
                        continue;
                a->pending--;
                if (s->vf && s->vf->vf.state == VF_RECLAIMING)
                        vf_advance(s->vf);
        }
        one_done(a);
}

/* Root's look at the whole path, before every lease. */
static void on_evidence(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct slot *s = userdata;
        struct acquisition *a = s->acquisition;
        struct managed_vf *v = s->vf;
        struct judgement j;

        bool over = vf_op_ended(v, reply, fds);
        if (over)
                acquisition_fail(a, reply->error == -ETIMEDOUT ? REASON_STUCK : REASON_GONE, reply->error,
                                 reply->detail);
        else if (worker_reply_is_transient(reply))
                acquisition_fail(a, REASON_NO_WORKER, reply->error, reply->detail);
        else {
                evidence_read_host(v->manager);
                vf_take_evidence(v, reply);
                vf_judge(v, &j);
                const struct finding *f = judgement_obstacle(&j, vf_accepted(v));
                if (f)
                        acquisition_fail(a, REASON_NOT_ISOLATED, 0, FINDING_STR(f));
                else
                        s->shown = a->failed == REASON_NONE && v->vf.state == VF_LEASING;
        }
        bool reclaim = !over && !s->shown && v->vf.state == VF_RECLAIMING;
        if (!s->shown)
                a->pending--;
        if (--a->looking == 0)
                tell_all(a); /* a may be gone after it */
        if (reclaim)
                vf_advance(v);
}

static void hand_over(struct acquisition *a) {
        a->pending = 1; /* this function */
        for (size_t i = 0; i < a->n; i++) {
                struct managed_vf *v = manager_find_vf(a->manager, a->slots[i].address);

                if (!v || v->vf.state != VF_LEASING || v->busy) { /* vanished, or taken back already */
                        acquisition_fail(a, REASON_GONE, 0, ADDRESS_STR(a->slots[i].address));
                        continue;
                }
                a->slots[i].vf = v;
                struct worker_op op = vf_op(v, WORKER_EVIDENCE, on_evidence);

                op.userdata = &a->slots[i];
                if (submit(&a->slots[i], &op)) {
                        a->pending++;
                        a->looking++;
                }
        }
        one_done(a);
}

static void on_memlock(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct acquisition *a = userdata;

        if (reply->error < 0) {
                acquisition_fail(a, reply->error == -ESRCH ? REASON_OWNER_GONE : REASON_HANDOFF_FAILED,
                                 reply->error, reply->detail);
                acquisition_end(a);
        } else
                hand_over(a);
}

/* systemd's copies of the fences are closed: nobody but us stands between the VF and its owner. */
static void on_barrier(void *userdata) {
        struct acquisition *a = userdata;
        const struct lease *l = &a->lease->lease;
        struct worker_op op = worker_op_make(WORKER_MEMLOCK, (struct address){ 0 }, (struct address){ 0 },
                                             on_memlock, a);

        if (a->memlock == 0 || l->pid == 0 || l->ending) {
                hand_over(a);
                return;
        }
        op.request.value[0] = (uint64_t) l->pid;
        op.request.value[1] = l->pid_start;
        op.request.value[2] = a->memlock;
        if (worker_link_submit(a->manager->link, &op) < 0) {
                acquisition_fail(a, REASON_HANDOFF_FAILED, -ENOMEM, "out of memory");
                acquisition_end(a);
        }
}

/* Where the policy sets no memlock, the process must bring a limit of its own that suffices. */
static bool memlock_suffices(const struct owner *o, const struct request *r, const struct allocation *a,
                             char *detail, size_t size) {
        uint64_t have, need = allocate_memlock_need(r->memory, a->hand_off, a->n_vfs);

        if (a->memlock > 0 || r->memory == 0 || o->pid == 0 || o->uid == 0)
                return true;
        if (process_memlock(o->pid, &have) < 0 || have >= need)
                return true;
        snprintf(detail, size,
                 "needs %s (%llu bytes), the process may lock %s and the tenant has no \"memlock\"",
                 SIZE_STR(need), (unsigned long long) need, SIZE_STR(have));
        return false;
}

/* The facts may have changed since the VF was fenced. */
static bool still_isolated(const struct allocation *a, char *detail, size_t size) {
        if (a->n_vfs > 0)
                evidence_read_host(managed_vf(a->vfs[0].vf)->manager);
        for (size_t i = 0; i < a->n_vfs; i++) {
                struct managed_vf *v = managed_vf(a->vfs[i].vf);
                struct judgement j;
                int r = vf_refresh(v);

                if (r < 0) {
                        snprintf(detail, size, "%s: %s", ADDRESS_STR(v->vf.address),
                                 r == -ENODEV ? reason_sentence(REASON_GONE) : errno_text(r));
                        return false;
                }
                if (!vf_fence_holds(v)) { /* bound anew, and no event has told it yet */
                        snprintf(detail, size, "%s: it was unbound and bound again: its fence is gone",
                                 ADDRESS_STR(v->vf.address));
                        pf_rescan_soon(managed_pf(v->vf.pf));
                        return false;
                }
                vf_judge(v, &j);
                const struct finding *f = judgement_obstacle(&j, vf_accepted(v));
                if (f) {
                        snprintf(detail, size, "%s: %s", FINDING_STR(f), finding_sentence(f->code));
                        return false;
                }
                bool looked = i > 0 && a->vfs[i - 1].vf->group == v->vf.group;
                if (!looked && !vf_goes_with_all(v, a, detail, size))
                        return false;
        }
        return true;
}

/* What the policy accepts is said aloud each time. */
static void log_excused(const struct managed_vf *v, const struct want *w, const struct request *r) {
        struct judgement j;

        vf_judge(v, &j);
        finding_set set = judgement_excused(&j, vf_accepted(v));
        for (unsigned i = 0; i < _FINDING_MAX; i++)
                if (set & FINDING_BIT(i))
                        log_with(LOG_WARNING,
                                 (&(struct log_fields){ .address = &v->vf.address,
                                                        .tenant = r->tenant,
                                                        .vm = r->vm,
                                                        .message_id = MESSAGE_ID_ISOLATION }),
                                 "goes to %s/%s although %s, which pool %s accepts", r->tenant, r->vm,
                                 finding_name((enum finding_code) i), w->pool);
}

static void fill_lease(struct lease *l, const struct request *r, const struct allocation *choice,
                       const struct owner *o) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        *l = (struct lease){ .uid = o->uid,
                             .pid = o->pid,
                             .pid_start = o->pid_start,
                             .hand_off = choice->hand_off,
                             .apart = choice->apart };
        l->created_usec = (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
        if (choice->max_lease > 0)
                l->expires_usec = l->created_usec + choice->max_lease * 1000000;
        text_copy(l->tenant, sizeof(l->tenant), r->tenant);
        text_copy(l->vm, sizeof(l->vm), r->vm);
        text_copy(l->group, sizeof(l->group), r->group ? r->group : r->vm);
        lease_set_vfs(l, r, choice);
}

/* 0 and it is under way: the connection is suspended, the owner taken. -errno: nothing was done. */
static int begin(struct connection *c, const struct acquire_request *ar, const struct allocation *choice,
                 struct owner *o) {
        struct manager *m = c->manager;
        const struct request *r = &ar->request;
        struct acquisition *a = calloc(1, sizeof(*a));
        struct lease facts;

        if (!a)
                return -ENOMEM;
        fill_lease(&facts, r, choice, o);
        a->manager = m;
        a->memlock = choice->memlock;
        a->keep = ar->keep;
        int e = lease_new(m, &facts, TAKE_FD(o->pidfd), &a->lease);
        if (e < 0) {
                free(a);
                log_error("a lease could not be written down: %s", errno_text(e));
                return e;
        }
        a->lease->acquisition = a;
        a->connection = c;
        connection_suspend(c, on_cancel, a);
        for (size_t i = 0; i < choice->n_vfs; i++) {
                struct managed_vf *v = managed_vf(choice->vfs[i].vf);

                a->slots[a->n++] = (struct slot){ .acquisition = a,
                                                  .address = v->vf.address,
                                                  .attributes = choice->vfs[i].attributes,
                                                  .wish = choice->vfs[i].wish,
                                                  .iommufd = -1,
                                                  .device = -1 };
                log_excused(v, &r->wants[choice->vfs[i].want], r);
                memcpy(v->vf.lease, a->lease->lease.id, sizeof(v->vf.lease));
                v->last_hand_off = choice->hand_off;
                vf_enter(v, VF_EVENT_CHOSEN, REASON_NONE);
                vf_drop_fence(v);
        }
        log_with(LOG_INFO,
                 (&(struct log_fields){ .lease = a->lease->lease.id, .tenant = r->tenant, .vm = r->vm }),
                 "lease %s: %zu VFs of pool %s%s for %s/%s, asked by uid %u pid %d", a->lease->lease.id, a->n,
                 r->wants[0].pool, r->n_wants > 1 ? " and others" : "", r->tenant, r->vm, c->peer.uid,
                 (int) c->peer.pid);
        e = fdstore_barrier(m->fdstore, on_barrier, a);
        if (e < 0) {
                acquisition_fail(a, REASON_HANDOFF_FAILED, e, errno_text(e));
                acquisition_end(a); /* answers */
        }
        return 0;
}

enum reason acquire_permitted(const struct connection *c, const char *tenant) {
        const struct policy *p = c->manager->policy;
        const struct tenant *t = p ? policy_find_tenant(p, tenant) : NULL;

        /* a stranger learns no names: an unknown tenant is as forbidden as a foreign one */
        return !p                                     ? REASON_POLICY_INVALID
               : !t && c->peer.admin                  ? REASON_NO_SUCH_TENANT
               : !t || !peer_may_act_for(&c->peer, t) ? REASON_NOT_YOUR_TENANT
                                                      : REASON_NONE;
}

void acquire_refuse(struct connection *c, enum reason reason, const struct refusal *why) {
        connection_refuse(c, reason, REFUSAL_STR(why, c->peer.admin));
}

enum reason acquire_try(struct connection *c, const struct acquire_request *r, struct owner *owner,
                        struct refusal *why) {
        struct manager *m = c->manager;
        const struct world w = manager_world(m);
        struct allocation choice = { 0 };

        *why = (struct refusal){ 0 };
        enum reason no = acquire_permitted(c, r->request.tenant);
        if (no != REASON_NONE)
                return no;
        int e = allocate(&w, &r->request, &choice, why);
        if (e < 0) {
                snprintf(why->detail, sizeof(why->detail), "out of memory");
                return REASON_LIMIT;
        }
        if (e != REASON_NONE)
                return (enum reason) e;
        if (!memlock_suffices(owner, &r->request, &choice, why->detail, sizeof(why->detail)))
                return REASON_MEMLOCK;
        if (!still_isolated(&choice, why->detail, sizeof(why->detail)))
                return REASON_NOT_ISOLATED;
        e = begin(c, r, &choice, owner);
        if (e == 0)
                return REASON_NONE;
        snprintf(why->detail, sizeof(why->detail), "%s", errno_text(e));
        return e == -ENOMEM ? REASON_LIMIT : REASON_STORE_FAILED;
}

void acquire_start(struct connection *c, const struct acquire_request *r, json_t *parameters) {
        struct manager *m = c->manager;
        struct owner o = OWNER_NONE;
        struct refusal why = { 0 };

        enum reason no = acquire_permitted(c, r->request.tenant);
        if (no == REASON_NONE)
                no = owner_find(&c->peer, r, &o);
        if (no == REASON_NONE && waiting_has_line(m, &r->request)) {
                no = REASON_IN_LINE; /* but what is not allowed at all is said at once */
                const struct world w = manager_world(m);
                struct allocation choice;
                int e = allocate(&w, &r->request, &choice, &why);

                if (e > REASON_NONE && !reason_may_pass((enum reason) e))
                        no = (enum reason) e;
                else /* what there is goes to others first */
                        why = (struct refusal){ 0 };
        } else if (no == REASON_NONE)
                no = acquire_try(c, r, &o, &why);
        if (no == REASON_NONE)
                return;
        if (r->wait_usec > 0 && reason_may_pass(no) && waiting_add(c, r, parameters, &o, no, &why) == 0)
                return;
        owner_done(&o);
        log_with(LOG_NOTICE, (&(struct log_fields){ .tenant = r->request.tenant, .vm = r->request.vm }),
                 "refused uid %u: %s%s%s", c->peer.uid, reason_sentence(no), why.detail[0] ? ": " : "",
                 REFUSAL_STR(&why, true));
        acquire_refuse(c, no, &why);
}
