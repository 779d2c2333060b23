/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel says that an interface changed; a worker reads the attributes of all its VFs; what is not as it
 * was told is drift. An idle VF goes the way of one that was just enabled, and has its baseline again; a
 * leased one is told anew. */

#include "daemon/drift.h"
#include "common/message-id.h"
#include "common/root.h"
#include "daemon/baseline.h"
#include "daemon/events.h"
#include "daemon/lease.h"
#include "daemon/reconcile.h"
#include "daemon/told.h"
#include "daemon/worker-changeset.h"
#include "sriov/inventory.h"
#include "sriov/linkwatch.h"

#include <errno.h>
#include <string.h>

#define LOOK_USEC     300000ULL /* changes come in floods, our own among them */
#define LOOKS_MAX     10U       /* in vain, one after another: until something happens again */
#define RESTORES_MAX  5U /* of one VF within RESTORES_USEC: then somebody insists, and it is only shown */
#define RESTORES_USEC (60ULL * 1000000ULL)

/* A reading under way. */
struct drift_look {
        struct drift_look *next; /* of manager->drift_looks */
        struct manager *manager;
        struct address pf;
        unsigned told; /* change sets that the PF had been sent */
        size_t n;
        int fd;
};

static void look_free(struct drift_look *look) {
        for (struct drift_look **i = &look->manager->drift_looks; *i; i = &(*i)->next)
                if (*i == look) {
                        *i = look->next;
                        break;
                }
        close_fd(&look->fd);
        free(look);
}

/* What the driver should have of it. False: it is on its way to something else. */
static bool expected(const struct managed_vf *v, struct vf_attributes *ret) {
        const struct lease *l = lease_of_vf(v);

        if (!v->baseline_known || (v->vf.state != VF_READY && (v->vf.state != VF_LEASED || !l)))
                return false;
        if (v->vf.state == VF_READY) {
                *ret = v->rested;
                return true;
        }
        for (size_t i = 0; i < l->n_vfs; i++)
                if (address_equal(l->vfs[i].address, v->vf.address)) {
                        *ret = baseline_with(v, &l->vfs[i].attributes);
                        if (!(l->vfs[i].attributes.set & ATTR_MAC) ||
                            ret->trust) /* its guest may choose one */
                                ret->set &= ~ATTR_MAC;
                        return true;
                }
        return false;
}

static void look_in_a_while(struct managed_pf *p) {
        sd_event_source *s = p->manager->drift;
        int on = SD_EVENT_OFF;

        p->drift_due = true;
        if (!s || sd_event_source_get_enabled(s, &on) < 0 || on != SD_EVENT_OFF)
                return;
        sd_event_source_set_time_relative(s, LOOK_USEC);
        sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

void drift_look_soon(struct managed_pf *p) {
        p->drift_looks = 0;
        look_in_a_while(p);
}

/* The last look was in vain, wholly or in part. False: so were too many before it. */
static bool look_again(struct managed_pf *p) {
        if (p->drift_looks >= LOOKS_MAX)
                return false;
        p->drift_looks++;
        look_in_a_while(p);
        return true;
}

/* What is left of drift; what the driver does not report is none. */
static uint32_t what_drifted(struct vf_attributes want, const struct vf_attributes *now) {
        want.set &= now->set;
        return attributes_difference(&want, now);
}

static void on_put_right(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;
        struct vf_attributes want;

        if (vf_op_ended(v, reply, fds))
                return;
        if (reply->error < 0) {
                const struct vf_attributes now = told_attributes(reply);

                log_with(LOG_ERR, (&(struct log_fields){ .address = &v->vf.address }),
                         "its attributes cannot be put right: %s", reply->detail);
                if (!told_tried(reply))
                        look_again(managed_pf(v->vf.pf));
                else if (expected(v, &want))
                        v->drift = what_drifted(want, &now);
        } else {
                v->drift = 0;
                events_device(v->manager, v, "drift", "restored", "");
        }
        if (v->vf.state == VF_RECLAIMING) /* the lease ended while the worker was at it */
                vf_advance(v);
}

static bool may_restore(struct managed_vf *v) {
        const struct policy *p = v->manager->policy;
        uint64_t now;

        if (!p || v->vf.pf->pool < 0 || p->pools[v->vf.pf->pool].drift != DRIFT_RESTORE)
                return false;
        sd_event_now(v->manager->event, CLOCK_MONOTONIC, &now);
        if (now - v->restores_since > RESTORES_USEC) {
                v->restores_since = now;
                v->n_restores = 0;
        }
        return v->n_restores++ < RESTORES_MAX;
}

static void put_right(struct managed_vf *v, const struct vf_attributes *want) {
        const struct vf_change change = { .mode = VF_CHANGE_CORRECT, .attributes = *want };

        if (v->vf.state == VF_READY) { /* it is not leased before it is as it was */
                v->fresh = true;
                v->plain = false;
                v->drift = 0;
                vf_enter(v, VF_EVENT_UNFIT, REASON_NONE);
                vf_advance(v);
        } else if (told_submit(v, &change, on_put_right, v) < 0)
                log_error("out of memory for putting attributes right");
}

/* False if that has to wait: something is done to it, or its driver says nothing of it just now. */
static bool compare(struct managed_vf *v, const struct vf_attributes *now) {
        const struct lease *l = lease_of_vf(v);
        struct vf_attributes want;

        if (!expected(v, &want))
                return true;
        if (v->busy || now->set == 0)
                return false;
        uint32_t drift = what_drifted(want, now), before = v->drift;
        v->drift = drift;
        if (drift == 0)
                return true;
        bool restore = may_restore(v);
        if (drift != before) {
                log_with(LOG_WARNING,
                         (&(struct log_fields){ .address = &v->vf.address,
                                                .tenant = l ? l->tenant : NULL,
                                                .vm = l ? l->vm : NULL,
                                                .lease = l ? l->id : NULL,
                                                .message_id = MESSAGE_ID_DRIFT }),
                         "somebody else changed its %s%s", ATTRIBUTES_STR(drift),
                         restore ? "; putting it right" : "");
                events_device(v->manager, v, "drift", "changed", ATTRIBUTES_STR(drift));
        }
        want.set &= now->set;
        if (restore)
                put_right(v, &want);
        return true;
}

static void compare_all(struct managed_pf *p, const struct vf_change *c, size_t n) {
        bool all = true;

        for (size_t i = 0; i < n; i++)
                if (c[i].index < p->pf.n_vfs && p->pf.vfs[c[i].index]->index == c[i].index)
                        all = compare(managed_vf(p->pf.vfs[c[i].index]), &c[i].attributes) && all;
        if (all)
                p->drift_looks = 0;
        else
                look_again(p);
}

static void look_failed(struct managed_pf *p, const struct worker_reply *reply) {
        if (reply->error == -ETIMEDOUT)
                p->drift_due = true; /* looked at when that worker is back */
        else if (worker_reply_is_transient(reply))
                drift_look_soon(p);
        else if (!look_again(p))
                log_with(LOG_WARNING, (&(struct log_fields){ .address = &p->pf.address }),
                         "what its VFs were told cannot be read: %s", reply->detail);
}

static void on_read(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct drift_look *look = userdata;
        struct pf *pf = inventory_find_pf(&look->manager->inventory, look->pf);
        struct managed_pf *p = pf ? managed_pf(pf) : NULL;
        _cleanup_free_ struct vf_change *c = NULL;

        if (p && (reply->error < 0 || changeset_read(fds[0], look->n, VFS_PER_PF_MAX, &c) < 0))
                look_failed(p, reply);
        else if (p && (p->telling || p->n_told != look->told))
                drift_look_soon(p); /* half of it is from before, half from after */
        else if (p)
                compare_all(p, c, look->n);
        close_fd(&fds[0]);
        look_free(look);
}

/* Nothing to compare: no VF of it rests with attributes that it was told. */
static bool rests(const struct managed_pf *p) {
        struct vf_attributes unused;

        if (p->pf.whole || p->pf.pool < 0)
                return false;
        for (size_t i = 0; i < p->pf.n_vfs; i++)
                if (expected(managed_vf(p->pf.vfs[i]), &unused))
                        return true;
        return false;
}

static void look_at(struct managed_pf *p) {
        struct manager *m = p->manager;
        size_t n = p->pf.n_vfs;
        struct drift_look *look = calloc(1, sizeof(*look));
        _cleanup_free_ struct vf_change *c = calloc(n, sizeof(*c));
        struct worker_op op = worker_op_make(WORKER_ATTRIBUTES, p->pf.address, p->pf.address, on_read, look);

        if (!look || !c) {
                free(look);
                log_error("out of memory for a look at the attributes of %s", ADDRESS_STR(p->pf.address));
                look_again(p);
                return;
        }
        for (size_t i = 0; i < n; i++)
                c[i] = (struct vf_change){ .index = p->pf.vfs[i]->index, .mode = VF_CHANGE_READ };
        *look = (struct drift_look){ .manager = m,
                                     .pf = p->pf.address,
                                     .told = p->n_told,
                                     .n = n,
                                     .fd = changeset_write(c, n),
                                     .next = m->drift_looks };
        m->drift_looks = look;
        op.request.value[0] = n;
        op.fds[0] = look->fd;
        op.vf_scope = true; /* the locks that it may hang on are not those of the PF's other work */
        if (look->fd < 0 || worker_link_submit(m->link, &op) < 0) {
                look_free(look);
                look_again(p);
        }
}

static bool is_looked_at(const struct managed_pf *p) {
        for (const struct drift_look *l = p->manager->drift_looks; l; l = l->next)
                if (address_equal(l->pf, p->pf.address))
                        return true;
        return false;
}

static int on_look(sd_event_source *s, uint64_t usec, void *userdata) {
        struct manager *m = userdata;
        bool later = false;

        for (size_t i = 0; i < m->inventory.n_pfs; i++) {
                struct managed_pf *p = managed_pf(m->inventory.pfs[i]);

                if (!p->drift_due)
                        continue;
                if (p->telling || is_looked_at(p)) { /* looked at when that is done */
                        later = true;
                        continue;
                }
                if (p->busy || p->pf.stuck) /* stays due: whoever ends that looks */
                        continue;
                p->drift_due = false;
                if (rests(p))
                        look_at(p);
        }
        if (!later)
                return 0;
        sd_event_source_set_time_relative(s, LOOK_USEC);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int on_link(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        struct manager *m = userdata;
        int ifindex, r;

        while ((r = linkwatch_next(m->linkwatch, &ifindex)) != 0) {
                if (r < 0 && r != -ENOBUFS) {
                        log_error("cannot read changes of network interfaces: %s", errno_text(r));
                        return sd_event_source_set_enabled(s, SD_EVENT_OFF);
                }
                for (size_t i = 0; i < m->inventory.n_pfs; i++)
                        if (r < 0 || m->inventory.pfs[i]->ifindex == ifindex)
                                drift_look_soon(managed_pf(m->inventory.pfs[i]));
        }
        return 0;
}

static int watch_links(struct manager *m) {
        int r = linkwatch_new(&m->linkwatch);

        if (r < 0) {
                log_warning("changes of VF attributes by others are only noticed by 'vfctl rescan': %s",
                            errno_text(r));
                return 0;
        }
        return sd_event_add_io(m->event, &m->link_event, linkwatch_fd(m->linkwatch), EPOLLIN, on_link, m);
}

int drift_start(struct manager *m) {
        int r = sd_event_add_time_relative(m->event, &m->drift, CLOCK_MONOTONIC, 0, 0, on_look, m);

        if (r < 0)
                return r;
        sd_event_source_set_enabled(m->drift, SD_EVENT_OFF);
        return root_is_host(m->root_fd) ? watch_links(m) : 0;
}

void drift_stop(struct manager *m) {
        m->drift = sd_event_source_disable_unref(m->drift);
        m->link_event = sd_event_source_disable_unref(m->link_event);
        m->linkwatch = linkwatch_free(m->linkwatch);
        while (m->drift_looks)
                look_free(m->drift_looks);
}
