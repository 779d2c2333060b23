/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The disks of a lease. What a VF is to have is written down first, then attached to its controller; the way
 * back reads the records (nvme-life.c), so that it does not matter where this ends. */

#include "common/text.h"
#include "daemon/nvme.h"
#include "sriov/nvme-rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct giving {
        struct giving *next;
        struct manager *manager;
        struct managed_vf *vf;
        nvme_given done;
        void *userdata;
        struct disk disk; /* what its records are to say */
        struct storage storage;
        struct disk *record; /* the one being given; the ledger's */
        bool again;          /* to the tenant that it was kept for */
};

static void giving_free(struct manager *m, struct giving *g) {
        for (struct giving **i = &m->givings; *i; i = &(*i)->next)
                if (*i == g) {
                        *i = g->next;
                        break;
                }
        free(g->storage.list);
        free(g);
}

void nvme_stop(struct manager *m) {
        while (m->givings)
                giving_free(m, m->givings);
}

static void end(struct giving *g, bool over, enum reason reason, int error, const char *detail) {
        nvme_given done = g->done;
        void *userdata = g->userdata;
        struct managed_vf *v = g->vf;
        char said[160];

        text_copy(said, sizeof(said), detail);
        giving_free(g->manager, g);
        done(v, over, reason, error, said, userdata);
}

/* Common to all callbacks. True: it has ended. */
static bool ended(struct giving *g, const struct worker_reply *reply, int fds[WORKER_FDS_MAX],
                  enum reason reason) {
        struct managed_vf *v = g->vf;

        if (vf_op_ended(v, reply, fds))
                end(g, true, reply->error == -ETIMEDOUT ? REASON_STUCK : REASON_GONE, reply->error,
                    reply->detail);
        else if (worker_reply_is_transient(reply))
                end(g, false, REASON_NO_WORKER, reply->error, reply->detail);
        else if (reply->error < 0) {
                nvme_changed(managed_pf(v->vf.pf)); /* as in nvme-life.c */
                end(g, false,
                    reply->reason && reply->reason < _REASON_MAX ? (enum reason) reply->reason : reason,
                    reply->error, reply->detail);
        } else if (v->vf.state != VF_LEASING)
                end(g, false, REASON_OWNER_GONE, 0, "the lease ended meanwhile");
        else
                return false;
        return true;
}

static struct worker_op give_op(struct giving *g, enum worker_op_code code, worker_done done) {
        struct worker_op op = vf_op(g->vf, code, done);

        op.vf_scope = false; /* as in nvme-life.c */
        op.userdata = g;
        return op;
}

static void submit(struct giving *g, struct worker_op *op) {
        struct managed_vf *v = g->vf;

        v->busy = true;
        v->vf_scope = op->vf_scope;
        v->op = op->request.op;
        if (worker_link_submit(v->manager->link, op) >= 0)
                return;
        v->busy = false;
        end(g, false, REASON_HANDOFF_FAILED, -ENOMEM, "out of memory");
}

static void on_attached(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct giving *g = userdata;
        struct managed_vf *v = g->vf;
        bool refused = reply->error < 0 && !worker_reply_is_transient(reply) && reply->error != -ETIMEDOUT &&
                       reply->error != -ECANCELED;

        /* Nobody of ours had it, so nothing of it is to be erased; one that was made goes. Of a VF that is
         * gone the record is no longer the VF's */
        if (refused && v->vf.state != VF_ABSENT && g->record && !g->record->made && !g->again)
                disk_remove(v, g->record);
        if (ended(g, reply, fds, REASON_NAMESPACE))
                return;
        nvme_changed(managed_pf(v->vf.pf));
        end(g, false, REASON_NONE, 0, "");
}

static void step_attach(struct giving *g, uint32_t nsid) {
        struct worker_op op = give_op(g, WORKER_NVME_ATTACH, on_attached);

        op.request.value[0] = nsid;
        op.request.value[1] = 1;
        submit(g, &op);
}

static void on_created(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct giving *g = userdata;
        struct managed_vf *v = g->vf;
        uint64_t nsid = reply->value[0];

        if (ended(g, reply, fds, REASON_NAMESPACES_USED_UP))
                return;
        int r = nsid > 0 && nsid <= UINT32_MAX ? disk_is_made(v, g->record, (uint32_t) nsid) : -EPROTO;
        if (r < 0) {
                end(g, false, r == -EEXIST ? REASON_NAMESPACE : REASON_STORE_FAILED, r,
                    r == -EEXIST ? "another record is about a namespace of this number" : "");
                return;
        }
        g->record = v->disks;
        step_attach(g, (uint32_t) nsid);
}

/* Written down with what there is, so that what is made can be told from it if nobody hears its number. */
static void make_disk(struct giving *g) {
        struct managed_vf *v = g->vf;
        const struct nvme_state *state = &managed_pf(v->vf.pf)->nvme;
        size_t n = state->primary.n_namespaces;
        _cleanup_free_ uint32_t *before = calloc(n + 1, sizeof(*before));

        for (size_t i = 0; before && i < n; i++)
                before[i] = state->namespaces[i].nsid;
        g->disk.nsid = 0;
        g->disk.size = g->storage.size;
        g->disk.before = before;
        g->disk.n_before = n;
        int r = before ? disk_add(v, &g->disk, &g->record) : -ENOMEM;
        g->disk.before = NULL;
        if (r < 0) {
                end(g, false, REASON_STORE_FAILED, r, "");
                return;
        }
        struct worker_op op = give_op(g, WORKER_NVME_CREATE, on_created);
        op.serial = true; /* nobody looks for what no record is about before its number is written down */
        op.timeout_usec = NVME_SLOW_USEC;
        op.request.value[0] = g->storage.size;
        submit(g, &op);
}

static bool is_kept_for(const struct giving *g, const struct disk *d) {
        return d->kept && nvme_stays_with(managed_pf(g->vf->vf.pf), &g->storage, d, g->disk.tenant);
}

/* The lowest of the list that exists, and that nobody has or has left data in, unless they were kept for this
 * tenant. One that another controller has, such as the host's, must not even be recorded: what is recorded
 * will be erased. 0: none; *ret_elsewhere if only because others have what there is. */
static uint32_t choose(const struct giving *g, bool *ret_elsewhere) {
        const struct managed_pf *p = managed_pf(g->vf->vf.pf);

        *ret_elsewhere = false;
        FOREACH_ARRAY(n, g->storage.list, g->storage.n_list) {
                const struct disk *d = disk_of(p, *n);

                if (!nvme_has_namespace(&p->nvme, *n) || (d && !is_kept_for(g, d)))
                        continue;
                if (!nvme_others_have(&p->nvme, *n, -1))
                        return *n;
                *ret_elsewhere = true;
        }
        return 0;
}

static int record(struct giving *g, uint32_t nsid) {
        struct disk *kept = disk_of(managed_pf(g->vf->vf.pf), nsid);

        if (kept && is_kept_for(g, kept)) {
                g->record = kept;
                g->again = true;
                return disk_take_kept(g->vf, kept, g->disk.vm, ERASE_NEVER);
        }
        g->disk.nsid = nsid;
        return disk_add(g->vf, &g->disk, &g->record);
}

static void give_listed(struct giving *g) {
        bool elsewhere;
        uint32_t nsid = choose(g, &elsewhere);

        if (nsid == 0) {
                end(g, false, elsewhere ? REASON_NAMESPACE : REASON_NAMESPACES_USED_UP, 0,
                    ADDRESS_STR(g->vf->vf.pf->address));
                return;
        }
        int r = record(g, nsid);
        if (r < 0)
                end(g, false, REASON_STORE_FAILED, r, "");
        else
                step_attach(g, nsid);
}

static int secondary_of(const struct nvme_state *s, const struct vf *vf) {
        FOREACH_ARRAY(c, s->secondaries, s->primary.n_secondaries)
                if (c->vf == vf->index + 1)
                        return c->controller;
        return -1;
}

/* They stay attached; the records say that they are to be erased, or whose they are for good. */
static void give_attached(struct giving *g) {
        const struct managed_pf *p = managed_pf(g->vf->vf.pf);
        int controller = secondary_of(&p->nvme, &g->vf->vf), r = 0;

        FOREACH_ARRAY(a, p->nvme.attachments, p->nvme.primary.n_attachments) {
                const struct disk *d = a->controller == controller ? disk_of(p, a->nsid) : NULL;

                if (d && !nvme_stays_with(p, &g->storage, d, g->disk.tenant)) {
                        end(g, false, REASON_NAMESPACE, 0,
                            d->kept ? "a namespace of it has the data of another tenant"
                                    : "a namespace of it is another lease's, too");
                        return;
                }
        }

        for (size_t i = 0; r >= 0 && i < p->nvme.primary.n_attachments; i++) {
                const struct nvme_attachment *a = &p->nvme.attachments[i];

                if (a->controller != controller)
                        continue;
                if (!disk_of(p, a->nsid) || is_kept_for(g, disk_of(p, a->nsid)))
                        r = record(g, a->nsid);
        }
        if (r < 0)
                end(g, false, REASON_STORE_FAILED, r, "");
        else
                end(g, false, REASON_NONE, 0, "");
}

static void on_state(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct giving *g = userdata;
        int fd = TAKE_FD(fds[0]);
        bool over = ended(g, reply, fds, REASON_NVME_FAILED);
        int r = over ? 0 : nvme_take(managed_pf(g->vf->vf.pf), reply, fd);

        close_fd(&fd);
        if (over)
                return;
        if (r < 0) {
                end(g, false, REASON_NVME_FAILED, r, "what the worker said makes no sense");
                return;
        }
        if (nvme_is_hosts(managed_pf(g->vf->vf.pf))) {
                end(g, false, REASON_HOST_DISK, 0, ADDRESS_STR(g->vf->vf.pf->address));
                return;
        }
        text_copy(g->disk.serial, sizeof(g->disk.serial), managed_pf(g->vf->vf.pf)->nvme.primary.serial);
        switch (g->storage.namespaces) {
        case NAMESPACES_ATTACHED:
                give_attached(g);
                break;
        case NAMESPACES_LISTED:
                give_listed(g);
                break;
        case NAMESPACES_NEW:
                make_disk(g);
                break;
        case NAMESPACES_NONE:
        case _NAMESPACE_RULE_MAX:
                end(g, false, REASON_NONE, 0, "");
                break;
        }
}

static void on_online(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct giving *g = userdata;
        struct managed_vf *v = g->vf;

        if (ended(g, reply, fds, REASON_NVME_FAILED))
                return;
        (void) sd_event_now(v->manager->event, CLOCK_MONOTONIC, &v->nvme_set_at);
        v->nvme_offline = false;
        /* The rule may be another since it got ready */
        if (!nvme_can_follow(managed_pf(v->vf.pf), &g->storage)) {
                end(g, false, REASON_NAMESPACE, 0, NVME_CANNOT_FOLLOW);
                return;
        }
        if (g->storage.namespaces == NAMESPACES_NONE) {
                end(g, false, REASON_NONE, 0, "");
                return;
        }
        struct worker_op op = nvme_state_op(v, on_state);
        op.userdata = g;
        submit(g, &op);
}

/* Whether it is still online is looked at as well: a reset of the primary takes all others offline, and
 * nobody is told. */
static struct worker_op online_op(struct giving *g) {
        struct worker_op op = give_op(g, WORKER_NVME_ONLINE, on_online);

        op.serial = true;
        op.request.value[0] = g->storage.queues;
        op.request.value[1] = g->storage.interrupts;
        return op;
}

static void on_detached(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct giving *g = userdata;

        if (ended(g, reply, fds, REASON_NAMESPACE))
                return;
        if (reply->value[0] > 0) {
                log_with(LOG_WARNING, (&(struct log_fields){ .address = &g->vf->vf.address }),
                         "%llu namespaces that somebody attached to its controller were detached",
                         (unsigned long long) reply->value[0]);
                nvme_changed(managed_pf(g->vf->vf.pf)); /* others may have some, too */
        }
        struct worker_op op = online_op(g);
        submit(g, &op);
}

/* It had none when it got ready. Whatever somebody attached since, with nvme-cli or by another PF, is not its
 * next owner's to see. */
static struct worker_op first_op(struct giving *g) {
        return g->storage.namespaces == NAMESPACES_ATTACHED ? online_op(g)
                                                            : give_op(g, WORKER_NVME_DETACH, on_detached);
}

static int copy_storage(struct giving *g, const struct storage *s) {
        g->storage = *s;
        g->storage.list = calloc(s->n_list + 1, sizeof(*s->list)); /* the policy may change meanwhile */
        if (!g->storage.list)
                return -ENOMEM;
        for (size_t i = 0; i < s->n_list; i++)
                g->storage.list[i] = s->list[i];
        return 0;
}

int nvme_give(struct managed_vf *v, const struct lease *l, nvme_given done, void *userdata) {
        const struct policy *policy = v->manager->policy;
        static const struct storage none;
        const struct storage *s =
                        policy && v->vf.pf->pool >= 0 ? &policy->pools[v->vf.pf->pool].storage : &none;
        _cleanup_free_ struct giving *g = calloc(1, sizeof(*g));

        if (!g || copy_storage(g, s) < 0)
                return -ENOMEM;
        g->manager = v->manager;
        g->vf = v;
        g->done = done;
        g->userdata = userdata;
        g->disk = (struct disk){ .vf = v->vf.address,
                                 .pf = v->vf.pf->address,
                                 .made = s->namespaces == NAMESPACES_NEW,
                                 .erase = s->erase };
        text_copy(g->disk.tenant, sizeof(g->disk.tenant), l->tenant);
        text_copy(g->disk.vm, sizeof(g->disk.vm), l->vm);
        struct worker_op op = first_op(g);
        int r = worker_link_submit(v->manager->link, &op);
        if (r < 0) {
                free(g->storage.list);
                return r;
        }
        v->busy = true;
        v->vf_scope = op.vf_scope;
        v->op = op.request.op;
        g->next = v->manager->givings;
        v->manager->givings = g;
        TAKE_PTR(g); /* the callbacks' from now on */
        return 0;
}
