/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of a VF's isolation, collected again whenever it may have changed, and what follows from it.
 * The judgement itself is pure: iommu/verdict.h. */

#include "common/message-id.h"
#include "common/root.h"
#include "common/text.h"
#include "daemon/events.h"
#include "daemon/lease.h"
#include "daemon/pf.h"
#include "daemon/reconcile.h"
#include "daemon/vf.h"
#include "daemon/worker-path.h"
#include "iommu/group.h"

#include <errno.h>
#include <string.h>

void evidence_read_host(struct manager *m) {
        bool unsafe = m->host.unsafe_interrupts, noiommu = m->host.noiommu_mode;
        int r = host_read_switches(m->root_fd, &m->host);

        if (m->host.unsafe_interrupts == unsafe && m->host.noiommu_mode == noiommu)
                return;
        log_notice("allow_unsafe_interrupts is %s, enable_unsafe_noiommu_mode is %s now%s%s",
                   m->host.unsafe_interrupts ? "on" : "off", m->host.noiommu_mode ? "on" : "off",
                   r < 0 ? ", or cannot be read: " : "", r < 0 ? errno_text(r) : "");
        m->rescan_all = true;
        reconcile_rescan_soon(m);
}

bool vf_wants_trial(const struct managed_vf *v) {
        return v->vf.msi_isolated == TRI_UNKNOWN && !v->manager->host.unsafe_interrupts;
}

finding_set vf_accepted(const struct managed_vf *v) {
        const struct manager *m = v->manager;
        int pool = v->vf.pf->pool;

        return m->policy && pool >= 0 ? m->policy->pools[pool].accept : 0;
}

void vf_judge(const struct managed_vf *v, struct judgement *ret) {
        judge(&v->vf, &v->manager->host, ret);
}

bool vf_is_leasable(const struct managed_vf *v, finding_set not_yet) {
        struct judgement j;

        vf_judge(v, &j);
        return !judgement_obstacle(&j, vf_accepted(v) | not_yet);
}

finding_set vf_unsafe(const struct managed_vf *v) {
        struct judgement j;

        vf_judge(v, &j);
        return judgement_excused(&j, ~(finding_set) 0);
}

bool vf_judged(struct managed_vf *v, finding_set not_yet) {
        struct judgement j;

        vf_judge(v, &j);
        const struct finding *f = judgement_obstacle(&j, vf_accepted(v) | not_yet);
        if (!f)
                return true;
        v->evident = false; /* the next attempt collects it again */
        if (FINDINGS_TO_LOOK_AGAIN & FINDING_BIT(f->code))
                vf_retry_later(v, finding_reason(f->code), FINDING_STR(f));
        else
                vf_blocked(v, finding_reason(f->code), FINDING_STR(f));
        return false;
}

bool reason_is_evidence(enum reason r) {
        return r == REASON_NO_IOMMU || r == REASON_SHARED_GROUP || r == REASON_IDENTITY_DOMAIN ||
               r == REASON_NOIOMMU_GROUP || r == REASON_NO_MSI_ISOLATION || r == REASON_UNSAFE_INTERRUPTS ||
               r == REASON_NO_RESET || r == REASON_NOT_ISOLATED;
}

/* Whoever gets a group's node may open every device of it that has a VFIO driver. */
struct group_look {
        const struct allocation *choice;
        int root_fd;
        struct address stranger;
        bool found;
};

/* VFIO drives no bridge (drivers/vfio/pci/vfio_pci_core.c:vfio_pci_core_register_device). */
static bool is_bridge(int root_fd, struct address a) {
        uint64_t class;

        return root_read_hex(root_fd, &class, "sys/bus/pci/devices/%s/class", ADDRESS_STR(a)) >= 0 &&
               class >> 8 == 0x0604;
}

static void look_at_member(struct address a, void *userdata) {
        struct group_look *l = userdata;

        for (size_t i = 0; i < l->choice->n_vfs; i++)
                if (address_equal(l->choice->vfs[i].vf->address, a))
                        return;
        if (l->found || is_bridge(l->root_fd, a))
                return;
        l->found = true;
        l->stranger = a;
}

bool vf_goes_with_all(const struct managed_vf *v, const struct allocation *choice, char *detail,
                      size_t size) {
        struct group_look l = { .choice = choice, .root_fd = v->manager->root_fd };

        if (v->vf.group_devices == 1)
                return true;
        int r = group_members(l.root_fd, v->vf.group, look_at_member, &l);
        if (r < 0)
                snprintf(detail, size, "the IOMMU group of %s: %s", ADDRESS_STR(v->vf.address),
                         errno_text(r));
        else if (l.found)
                snprintf(detail, size, "%s is in the IOMMU group of %s, too, and no VF of this lease",
                         ADDRESS_STR(l.stranger), ADDRESS_STR(v->vf.address));
        return r >= 0 && !l.found;
}

void vf_evidence_changed(struct managed_vf *v) {
        if (!reason_is_evidence(v->vf.reason) ||
            (v->vf.state != VF_UNBOUND && v->vf.state != VF_BOUND && v->vf.state != VF_RECLAIMING))
                return;
        v->vf.reason = REASON_NONE;
        v->retry = false;
        v->evident = false;
}

void vf_take_evidence(struct managed_vf *v, const struct worker_reply *reply) {
        worker_path_take_vf(reply, &v->vf);
        v->evident = true;
}

static void on_evidence(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;

        if (vf_op_ended(v, reply, fds))
                return;
        evidence_read_host(v->manager);
        bool transient = worker_reply_is_transient(reply);
        if (!transient)
                vf_take_evidence(v, reply);
        if (v->vf.state == VF_LEASED)
                vf_watch_verdict(v); /* without an answer: at the next scan */
        else if (transient)
                vf_retry_later(v, REASON_NO_WORKER, v->detail);
        else
                vf_advance(v);
}

void vf_step_evidence(struct managed_vf *v) {
        struct worker_op op = vf_op(v, WORKER_EVIDENCE, on_evidence);

        vf_submit(v, &op);
}

/* A lease that became unsafe is not ended by itself: its VM runs. It is said aloud, and shown until it is
 * over. */
void vf_watch_verdict(struct managed_vf *v) {
        struct judgement j;

        if (v->vf.state != VF_LEASED || !v->evident)
                return;
        vf_judge(v, &j);
        const struct finding *f = judgement_obstacle(&j, vf_accepted(v));
        enum finding_code now = f ? f->code : _FINDING_MAX;
        const struct lease *l = now == v->obstacle ? NULL : lease_of_vf(v);
        if (!l)
                return;
        v->obstacle = now;
        const struct log_fields fields = { .address = &v->vf.address,
                                           .tenant = l->tenant,
                                           .vm = l->vm,
                                           .lease = l->id,
                                           .message_id = MESSAGE_ID_ISOLATION };
        if (f)
                log_with(LOG_ERR, &fields, "leased to %s/%s and %s: %s (%s)", l->tenant, l->vm,
                         finding_verdict(now) == VERDICT_UNKNOWN ? "its isolation cannot be shown any more"
                                                                 : "no longer isolated",
                         finding_sentence(now), FINDING_STR(f));
        else
                log_with(LOG_NOTICE, &fields, "leased to %s/%s and isolated again", l->tenant, l->vm);
        events_isolation(v->manager, v, f ? finding_name(now) : "isolated");
}

/* The path above a PF is the same for all its VFs. The PF may be gone when the answer comes. */
struct path_question {
        struct path_question *next;
        struct manager *manager;
        struct address pf;
};

static void forget_question(struct path_question *q) {
        for (struct path_question **i = &q->manager->path_questions; *i; i = &(*i)->next)
                if (*i == q) {
                        *i = q->next;
                        break;
                }
        free(q);
}

static void on_path(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct path_question *q = userdata;
        struct pf *pf = inventory_find_pf(&q->manager->inventory, q->pf);
        struct manager *m = q->manager;

        if (reply->error == -ETIMEDOUT) /* another one would hang too: evidence_returned() */
                return;
        forget_question(q);
        if (!pf || worker_reply_is_transient(reply))
                return;
        evidence_read_host(m);
        worker_path_take_pf(reply, pf);
        for (size_t i = 0; i < pf->n_vfs; i++)
                vf_watch_verdict(managed_vf(pf->vfs[i]));
}

void evidence_returned(struct manager *m, struct address pf) {
        for (struct path_question *q = m->path_questions; q; q = q->next)
                if (address_equal(q->pf, pf)) {
                        forget_question(q);
                        return;
                }
}

static bool has_leased(const struct pf *pf) {
        for (size_t i = 0; i < pf->n_vfs; i++)
                if (pf->vfs[i]->state == VF_LEASED)
                        return true;
        return false;
}

void pf_watch_verdict(struct managed_pf *p) {
        struct manager *m = p->manager;
        struct path_question *q;

        if (!has_leased(&p->pf))
                return;
        for (q = m->path_questions; q; q = q->next)
                if (address_equal(q->pf, p->pf.address)) /* its answer is still to come */
                        return;
        q = malloc(sizeof(*q));
        if (!q)
                return;
        *q = (struct path_question){ m->path_questions, m, p->pf.address };
        struct worker_op op = worker_op_make(WORKER_EVIDENCE, p->pf.address, p->pf.address, on_path, q);
        op.vf_scope = true; /* reading takes no lock of the PF; a hang blocks nothing else */
        if (worker_link_submit(m->link, &op) < 0)
                free(q);
        else
                m->path_questions = q;
}

void evidence_stop(struct manager *m) {
        while (m->path_questions)
                forget_question(m->path_questions);
}
