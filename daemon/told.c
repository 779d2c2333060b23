/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Group commit for attributes: one change set of a PF is under way at a time. */

#include "daemon/told.h"
#include "common/text.h"
#include "daemon/pf.h"
#include "daemon/reconcile.h"
#include "daemon/worker-changeset.h"
#include "sriov/inventory.h"

#include <errno.h>
#include <string.h>

/* VFs of one PF that are reclaimed together come to this step one after another. Next to a reset, which takes
 * 100 ms, the wait is nothing; who waits for a VF is not kept. */
#define GATHER_USEC 10000ULL

/* One VF's part. It may vanish meanwhile, and another come that has its address and number; but one that is
 * busy is not freed before done. */
struct told_part {
        struct told_part *next;
        struct managed_vf *vf;
        struct vf_change change;
        worker_done done;
        void *userdata;
};

/* A set under way; the PF that has its address points to it. */
struct told_set {
        struct told_set *next; /* of manager->told_sets */
        struct manager *manager;
        struct address pf;
        int fd; /* what the worker reads */
        size_t n;
        struct told_part **parts; /* by index of the VF */
};

struct vf_attributes told_attributes(const struct worker_reply *reply) {
        struct vf_attributes a;

        memcpy(&a, reply->data, sizeof(a));
        return a;
}

bool told_tried(const struct worker_reply *reply) {
        return reply->value[0] != 0;
}

static void part_ends(struct told_part *part, const struct worker_reply *reply) {
        int fds[WORKER_FDS_MAX] = { -1, -1 };

        part->done(reply, fds, part->userdata);
        free(part);
}

static const char *why(int error) {
        return error == -EIO        ? "the driver does not show what it was told"
               : error == -ENETDOWN ? "the PF's link is down"
                                    : errno_text(error);
}

/* What became of one VF, as a worker would have said it of a request about that VF. */
static struct worker_reply reply_for(const struct worker_reply *all, const struct vf_change *c) {
        struct worker_reply r = { .error = all->error, .reason = all->reason };

        if (r.error < 0 || !c) {
                memcpy(r.detail, all->detail, sizeof(r.detail));
                return r;
        }
        r.error = c->error;
        r.value[0] = 1; /* told_tried() */
        memcpy(r.data, &c->attributes, sizeof(c->attributes));
        if (c->error < 0) {
                bool cannot = c->error == -EOPNOTSUPP || c->error == -EPROTONOSUPPORT;

                r.reason = cannot ? REASON_ATTRIBUTE_UNSUPPORTED : REASON_ATTRIBUTES;
                snprintf(r.detail, sizeof(r.detail), all->detail[0] ? "%s: %s (%s)" : "%s: %s",
                         ATTRIBUTES_STR(c->failed), why(c->error), all->detail);
        }
        return r;
}

static void set_free(struct told_set *set) {
        for (struct told_set **i = &set->manager->told_sets; *i; i = &(*i)->next)
                if (*i == set) {
                        *i = set->next;
                        break;
                }
        close_fd(&set->fd);
        free(set->parts);
        free(set);
}

static void tell_in(struct manager *m, uint64_t usec) {
        uint64_t due = 0, now = 0;
        int on = SD_EVENT_OFF;

        sd_event_now(m->event, CLOCK_MONOTONIC, &now);
        sd_event_source_get_enabled(m->tell, &on);
        sd_event_source_get_time(m->tell, &due);
        if (on != SD_EVENT_OFF && due <= now + usec)
                return;
        sd_event_source_set_time(m->tell, now + usec);
        sd_event_source_set_enabled(m->tell, SD_EVENT_ONESHOT);
}

void told_go_on(struct manager *m) {
        if (m->told)
                tell_in(m, 0);
}

/* Nothing is under way of this set any more. */
static void set_ended(struct told_set *set, int error) {
        struct pf *pf = inventory_find_pf(&set->manager->inventory, set->pf);
        struct managed_pf *p = pf ? managed_pf(pf) : NULL;

        told_go_on(set->manager);
        if (!p)
                return;
        p->telling = NULL;
        /* Its worker may go on some day: no other VFs under these numbers before that */
        if (error == -ETIMEDOUT)
                pf_hangs(p);
        if (p->step_waits)
                reconcile_soon(set->manager);
        p->step_waits = false;
}

static void on_told(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct told_set *set = userdata;
        _cleanup_free_ struct vf_change *changes = NULL;
        struct worker_reply all = *reply;

        set_ended(set, reply->error);
        if (all.error == 0) {
                int r = changeset_read(fds[0], set->n, VFS_PER_PF_MAX, &changes);

                for (size_t i = 0; r >= 0 && i < set->n; i++)
                        if (changes[i].index != set->parts[i]->change.index)
                                r = -EBADMSG;
                if (r < 0) {
                        all.error = r;
                        text_copy(all.detail, sizeof(all.detail), "the worker's answer is no change set");
                }
        }
        close_fd(&fds[0]);
        for (size_t i = 0; i < set->n; i++) {
                struct worker_reply one = reply_for(&all, all.error == 0 ? &changes[i] : NULL);

                part_ends(set->parts[i], &one);
        }
        set_free(set);
}

static int part_compare(const void *a, const void *b) {
        uint32_t x = (*(struct told_part *const *) a)->change.index,
                 y = (*(struct told_part *const *) b)->change.index;

        return (x > y) - (x < y);
}

/* Takes all parts of this PF out of the queue. */
static struct told_set *gather(struct manager *m, const struct managed_pf *pf) {
        struct told_set *set = calloc(1, sizeof(*set));
        size_t n = 0;

        if (!set)
                return NULL;
        for (struct told_part *p = m->told; p; p = p->next)
                n += p->vf->vf.pf == &pf->pf;
        *set = (struct told_set){
                .manager = m, .pf = pf->pf.address, .fd = -1, .parts = calloc(n, sizeof(*set->parts))
        };
        if (!set->parts) {
                free(set);
                return NULL;
        }
        for (struct told_part **i = &m->told; *i;)
                if ((*i)->vf->vf.pf == &pf->pf) {
                        set->parts[set->n++] = *i;
                        *i = (*i)->next;
                } else
                        i = &(*i)->next;
        qsort(set->parts, set->n, sizeof(*set->parts), part_compare);
        return set;
}

static int send_set(struct told_set *set) {
        _cleanup_free_ struct vf_change *changes = calloc(set->n, sizeof(*changes));
        struct worker_op op = worker_op_make(WORKER_ATTRIBUTES, set->pf, set->pf, on_told, set);

        for (size_t i = 0; changes && i < set->n; i++)
                changes[i] = set->parts[i]->change;
        set->fd = changes ? changeset_write(changes, set->n) : -ENOMEM;
        if (set->fd < 0)
                return set->fd;
        op.request.value[0] = set->n;
        op.fds[0] = set->fd;
        return worker_link_submit(set->manager->link, &op);
}

static void fail_set(struct told_set *set, int error) {
        struct worker_reply reply = { .error = error, .reason = REASON_ATTRIBUTES };

        text_copy(reply.detail, sizeof(reply.detail), "cannot ask a worker");
        for (size_t i = 0; i < set->n; i++)
                part_ends(set->parts[i], &reply);
        set_free(set);
}

/* Whoever has the number of a VF that is gone is not to be told what that one should have. */
static void end_gone(struct manager *m) {
        struct worker_reply reply = { .error = -ENODEV, .reason = REASON_ATTRIBUTES };
        struct told_part *gone = NULL, *p;

        for (struct told_part **i = &m->told; (p = *i);)
                if (p->vf->vf.state == VF_ABSENT) {
                        *i = p->next;
                        p->next = gone;
                        gone = p;
                } else
                        i = &p->next;
        text_copy(reply.detail, sizeof(reply.detail), "the VF is gone");
        while ((p = gone)) {
                gone = p->next;
                part_ends(p, &reply);
        }
}

/* The PF of the first part in the queue that can be told something now; NULL if there is none. While a step
 * of the PF is under way its VFs may be about to change. */
static struct managed_pf *next_pf(const struct manager *m) {
        for (const struct told_part *p = m->told; p; p = p->next) {
                struct managed_pf *pf = managed_pf(p->vf->vf.pf);

                if (!pf->telling && !pf->busy)
                        return pf;
        }
        return NULL;
}

static int on_tell(sd_event_source *s, uint64_t usec, void *userdata) {
        struct manager *m = userdata;
        struct managed_pf *p;

        end_gone(m);
        while ((p = next_pf(m))) {
                struct told_set *set = gather(m, p);
                if (!set) {
                        log_error("out of memory for what VFs are told; trying again");
                        tell_in(m, GATHER_USEC);
                        return 0;
                }
                int r = send_set(set);
                if (r < 0)
                        fail_set(set, r);
                else {
                        p->telling = set;
                        p->n_told++;
                        set->next = m->told_sets;
                        m->told_sets = set;
                }
        }
        return 0;
}

int told_submit(struct managed_vf *v, const struct vf_change *change, worker_done done, void *userdata) {
        struct manager *m = v->manager;
        struct told_part *p = calloc(1, sizeof(*p));

        if (!p || (!m->tell &&
                   sd_event_add_time(m->event, &m->tell, CLOCK_MONOTONIC, UINT64_MAX, 1, on_tell, m) < 0)) {
                free(p);
                return -ENOMEM;
        }
        *p = (struct told_part){
                .next = m->told, .vf = v, .change = *change, .done = done, .userdata = userdata
        };
        p->change.index = v->vf.index;
        m->told = p;
        v->busy = true;
        v->vf_scope = false; /* rtnetlink takes the lock of all interfaces, the driver that of its mailbox */
        v->op = WORKER_ATTRIBUTES;
        tell_in(m, change->mode == VF_CHANGE_SET ? 0 : GATHER_USEC);
        return 0;
}

void told_adopt(struct managed_pf *p) {
        for (struct told_set *set = p->manager->told_sets; set; set = set->next)
                if (address_equal(set->pf, p->pf.address))
                        p->telling = set;
}

void told_stop(struct manager *m) {
        m->tell = sd_event_source_disable_unref(m->tell);
        while (m->told) {
                struct told_part *p = m->told;

                m->told = p->next;
                free(p);
        }
        while (m->told_sets) {
                for (size_t i = 0; i < m->told_sets->n; i++)
                        free(m->told_sets->parts[i]);
                set_free(m->told_sets);
        }
}
