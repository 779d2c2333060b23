/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From policy and inventory to steps. Pure. */

#include "policy/plan.h"
#include "common/nvme.h"
#include "policy/lease-index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[_STEP_KIND_MAX] = {
        [STEP_AUTOPROBE] = "autoprobe", [STEP_PRIMARY] = "primary", [STEP_ESWITCH] = "eswitch",
        [STEP_ENABLE] = "enable",       [STEP_RESIZE] = "resize",   [STEP_DISABLE] = "disable",
        [STEP_BIND] = "bind",           [STEP_FENCE] = "fence",
};

const char *step_kind_to_string(enum step_kind k) {
        return (unsigned) k < _STEP_KIND_MAX ? kinds[k] : "unknown";
}

/* A VF of the PF is promised. */
struct promised {
        struct address pf;
        size_t order; /* of the promise among all */
        const struct lease *promise;
};

/* Steps while they are collected. */
struct builder {
        struct plan *plan;
        size_t size;
        const struct pf *pf;
        const struct pool *pool; /* of the PF */
        struct lease_index *leases;
        struct promised *promised; /* PFs of which VFs are promised, sorted */
        size_t n_promised;
        bool destroys; /* the VFs of the PF, which have no steps of their own then */
};

static int add(struct builder *b, const struct step *s) {
        struct plan *p = b->plan;

        if (p->n_steps == b->size) {
                size_t more = b->size ? b->size * 2 : 16;
                struct step *steps = reallocarray(p->steps, more, sizeof(*steps));

                if (!steps)
                        return -ENOMEM;
                p->steps = steps;
                b->size = more;
        }
        p->steps[p->n_steps++] = *s;
        return 0;
}

/* With the leases that it hits. What is blocked destroys nothing now. */
static int add_destroying(struct builder *b, struct step *s) {
        int r = add(b, s);

        if (r < 0)
                free(s->hits);
        b->destroys = b->destroys || (s->destructive && !s->blocked);
        return r;
}

static struct step pf_step(const struct pf *pf, enum step_kind kind, unsigned to) {
        return (struct step){
                .kind = kind,
                .address = pf->address,
                .pf = pf->address,
                .from = pf->num_vfs,
                .to = to,
                .destructive = kind == STEP_PRIMARY || kind == STEP_RESIZE || kind == STEP_DISABLE,
                .blocked = pf->stuck,
                .reason = pf->stuck ? REASON_STUCK : REASON_NONE,
        };
}

static void block(struct step *s, enum reason reason) {
        if (s->blocked)
                return;
        s->blocked = true;
        s->reason = reason;
}

static int compare_promised(const void *a, const void *b) {
        const struct promised *x = a, *y = b;
        int r = address_compare(x->pf, y->pf);

        return r != 0 ? r : (x->order > y->order) - (x->order < y->order);
}

static int sort_promised(struct builder *b, const struct world *w) {
        size_t n = 0;

        for (size_t i = 0; i < w->n_promises; i++)
                n += w->promises[i]->n_vfs;
        b->promised = calloc(n + 1, sizeof(*b->promised));
        if (!b->promised)
                return -ENOMEM;
        for (size_t i = 0; i < w->n_promises; i++)
                for (size_t k = 0; k < w->promises[i]->n_vfs; k++)
                        b->promised[b->n_promised++] =
                                        (struct promised){ w->promises[i]->vfs[k].pf, i, w->promises[i] };
        qsort(b->promised, n, sizeof(*b->promised), compare_promised);
        return 0;
}

/* Whom VFs of the PF are promised, each once, to where it is not NULL; how many they are. */
static size_t list_promised(const struct builder *b, const struct lease **to) {
        size_t low = 0, high = b->n_promised, n = 0;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (address_compare(b->promised[middle].pf, b->pf->address) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (size_t i = low; i < b->n_promised && address_equal(b->promised[i].pf, b->pf->address); i++) {
                if (i > low && b->promised[i].order == b->promised[i - 1].order)
                        continue;
                if (to)
                        to[n] = b->promised[i].promise;
                n++;
        }
        return n;
}

/* Whoever holds a VF of the PF stands in the way of its end. Who is promised one is hit, too. 1 if somebody
 * is, 0 if nobody, or -ENOMEM. */
static int add_hits(struct builder *b, struct step *s) {
        int held = lease_index_hits(b->leases, b->pf, &s->hits, &s->n_hits);
        size_t n = list_promised(b, NULL);

        if (held > 0)
                block(s, REASON_LEASED);
        if (held < 0 || n == 0)
                return MIN(held, 0);
        const struct lease **hits = reallocarray(s->hits, s->n_hits + n, sizeof(*hits));
        if (!hits) {
                free(s->hits);
                return -ENOMEM;
        }
        s->hits = hits;
        s->n_hits += list_promised(b, s->hits + s->n_hits);
        return 1;
}

static void explain_count(struct step *s, const struct pool *pool) {
        char wish[32];

        switch (pool->vfs.kind) {
        case COUNT_NUMBER:
                snprintf(wish, sizeof(wish), "%u", pool->vfs.n);
                break;
        case COUNT_MAX:
                snprintf(wish, sizeof(wish), "all that there can be");
                break;
        case COUNT_PERCENT:
                snprintf(wish, sizeof(wish), "%u %% of its VFs", pool->vfs.n);
                break;
        }
        snprintf(s->because, sizeof(s->because), "pool %s wants %s, that is %u; the PF has %u", pool->name,
                 wish, s->to, s->from);
}

/* Why a count was refused. */
static enum reason refusal(const struct pf *pf) {
        return pf->reason != REASON_NONE ? pf->reason : REASON_NUMVFS_FAILED;
}

/* Autoprobe could not be switched off while the PF had the VFs that it has. */
static bool autoprobe_failed(const struct pf *pf) {
        return pf->autoprobe && pf->failed_num_vfs > 0 && pf->num_vfs == pf->failed_num_vfs;
}

static bool is_disk_of_host(const struct builder *b) {
        return b->pf->nvme_known && b->pf->nvme_can & NVME_HOST_USES && !b->pool->storage.host_disk;
}

/* What the host's own controller has of the flexible resources, its VFs cannot have. Taking it away resets
 * the controller, and with it those of its VFs go offline: never under a lease, nor under a disk that the
 * host uses, whatever else the policy allows of that. */
static int plan_primary(struct builder *b) {
        const struct pf *pf = b->pf;
        const struct storage *s = &b->pool->storage;
        bool queues = s->takes_queues && pf->nvme_host_queues > s->host_queues;
        bool interrupts = s->takes_interrupts && pf->nvme_host_interrupts > s->host_interrupts;

        if (!pf->nvme_known || !(pf->nvme_can & NVME_CAN_VIRTUALIZE) || (!queues && !interrupts))
                return 0;
        struct step step = pf_step(pf, STEP_PRIMARY, 0);
        step.from = queues ? pf->nvme_host_queues : pf->nvme_host_interrupts;
        step.to = queues ? s->host_queues : s->host_interrupts;
        snprintf(step.because, sizeof(step.because),
                 "pool %s leaves it %u queues and %u interrupts, it has %u and %u", b->pool->name,
                 queues ? s->host_queues : pf->nvme_host_queues,
                 interrupts ? s->host_interrupts : pf->nvme_host_interrupts, pf->nvme_host_queues,
                 pf->nvme_host_interrupts);
        if (add_hits(b, &step) < 0)
                return -ENOMEM;
        if (pf->nvme_can & NVME_HOST_USES)
                block(&step, REASON_HOST_DISK);
        int r = add(b, &step);
        if (r < 0)
                free(step.hits);
        return r;
}

/* What has no switch works as in legacy mode. */
static bool is_in_mode(const struct pf *pf, enum eswitch_mode want) {
        return want == ESWITCH_UNKNOWN || pf->eswitch == want ||
               (pf->eswitch == ESWITCH_NONE && want == ESWITCH_LEGACY);
}

/* Before there are VFs: some drivers refuse to change the mode under them, others make them anew. With VFs
 * the step takes these away, and the count comes when that is done. */
static int plan_eswitch(struct builder *b) {
        const struct pf *pf = b->pf;
        struct step s = pf_step(pf, STEP_ESWITCH, b->pool->eswitch);

        s.destructive = pf->num_vfs > 0;
        snprintf(s.because, sizeof(s.because), "pool %s wants mode %s, it is in mode %s", b->pool->name,
                 eswitch_mode_to_string(b->pool->eswitch), eswitch_mode_to_string(pf->eswitch));
        if (s.destructive && add_hits(b, &s) < 0)
                return -ENOMEM;
        if (pf->eswitch == ESWITCH_UNKNOWN || pf->eswitch == ESWITCH_NONE || pf->reason == REASON_ESWITCH)
                block(&s, REASON_ESWITCH);
        return add_destroying(b, &s);
}

/* The VF count. A count that was refused once is not tried again by itself; and where the driver made fewer
 * VFs than asked, destroying these to ask once more would go on for ever. */
static int plan_count(struct builder *b, unsigned target) {
        const struct pf *pf = b->pf;

        if (pf->num_vfs == target)
                return 0;
        bool refused = target == pf->failed_num_vfs;
        bool fewer = refused && pf->reason == REASON_FEWER_VFS;
        struct step s = pf_step(pf,
                                pf->num_vfs == 0 || fewer ? STEP_ENABLE
                                : target == 0             ? STEP_DISABLE
                                                          : STEP_RESIZE,
                                target);
        explain_count(&s, b->pool);
        int promised = s.destructive ? add_hits(b, &s) : 0;
        if (promised < 0)
                return promised;
        if (promised > 0 && target < pf->num_vfs) /* it would take promised VFs away */
                block(&s, REASON_RESERVED);
        if (is_disk_of_host(b) && s.kind != STEP_DISABLE)
                block(&s, REASON_HOST_DISK);
        s.pending = s.kind == STEP_RESIZE && target > pf->num_vfs && pf->pending_vfs == target;
        if (refused || autoprobe_failed(pf)) /* a host driver would take the new VFs */
                block(&s, refusal(pf));
        return add_destroying(b, &s);
}

static int plan_bind(struct builder *b, const struct vf *vf, struct step *s) {
        s->kind = STEP_BIND;
        s->destructive = vf->driver[0] && !driver_is_vfio(vf->driver); /* the host loses it */
        if (s->destructive)
                snprintf(s->because, sizeof(s->because), "pool %s wants it, the host's driver %s has it",
                         b->pool->name, vf->driver);
        else
                snprintf(s->because, sizeof(s->because), "pool %s wants it, it has no VFIO driver",
                         b->pool->name);
        return add(b, s);
}

/* An idle VF that is not as the pool says is bound anew, and is fenced all the time but for that moment. */
static int plan_rebind(struct builder *b, const struct vf *vf, struct step *s) {
        enum reason obstacle = pool_obstacle(b->pool, vf);

        s->kind = STEP_BIND;
        if (pool_misfit(b->pool, vf) == MISFIT_DRIVER)
                snprintf(s->because, sizeof(s->because), "pool %s wants the driver %s, it has %s",
                         b->pool->name, b->pool->driver, vf->driver);
        else
                snprintf(s->because, sizeof(s->because), "pool %s wants %u MSI-X vectors, it has %u",
                         b->pool->name, b->pool->msix, vf->vectors);
        if (obstacle != REASON_NONE)
                block(s, obstacle);
        return add(b, s);
}

static int plan_vf(struct builder *b, const struct vf *vf) {
        struct step s = {
                .address = vf->address,
                .pf = b->pf->address,
                .blocked = b->pf->stuck,
                .reason = b->pf->stuck ? REASON_STUCK : REASON_NONE,
        };
        int r = 0;

        if (b->pf->reason == REASON_HOST_NEEDS_IT)
                block(&s, REASON_HOST_NEEDS_IT);
        struct step bind = s;
        if (vf->state == VF_UNBOUND)
                r = plan_bind(b, vf, &bind);
        else if (vf->state != VF_BOUND && vf->state != VF_READY)
                return 0;
        else if (pool_misfit(b->pool, vf) != MISFIT_NONE)
                r = plan_rebind(b, vf, &bind);
        if (is_disk_of_host(b)) /* it will not be ready before that disk is gone */
                block(&s, REASON_HOST_DISK);
        bool keeps_fence = vf->state == VF_READY && (bind.kind != STEP_BIND || bind.blocked);
        if (r < 0 || keeps_fence)
                return r;
        s.kind = STEP_FENCE;
        s.destructive = bind.destructive; /* as destructive as the bind that it needs */
        snprintf(s.because, sizeof(s.because), "while nobody has it, it must reach no memory");
        return add(b, &s);
}

static int plan_pf(struct builder *b, const struct policy *policy) {
        const struct pf *pf = b->pf;
        int r = 0;

        if (pf->pool < 0 || (size_t) pf->pool >= policy->n_pools || (pf->total_vfs == 0 && !pf->whole))
                return 0;
        b->pool = &policy->pools[pf->pool];
        b->destroys = false;
        if (pf->autoprobe && !pf->whole) {
                struct step s = pf_step(pf, STEP_AUTOPROBE, 0);

                s.from = s.to = 0;
                snprintf(s.because, sizeof(s.because), "no host driver may touch a VF that pool %s leases",
                         b->pool->name);
                if (autoprobe_failed(pf))
                        block(&s, refusal(pf));
                r = add(b, &s);
        }
        if (r >= 0 && !pf->whole)
                r = plan_primary(b);
        if (r >= 0 && !pf->whole)
                r = is_in_mode(pf, b->pool->eswitch) ? plan_count(b, pool_vf_count(b->pool, pf->total_vfs))
                                                     : plan_eswitch(b);
        for (size_t i = 0; r >= 0 && !b->destroys && i < pf->n_vfs; i++)
                r = plan_vf(b, pf->vfs[i]);
        return r;
}

int plan_make(const struct world *world, struct plan *ret) {
        struct plan plan = { 0 };
        _cleanup_(lease_index_done) struct lease_index index = { .leases = world->leases,
                                                                 .n = world->n_leases };
        struct builder b = { .plan = &plan, .leases = &index };

        if (sort_promised(&b, world) < 0)
                return -ENOMEM;
        _cleanup_free_ _unused_ struct promised *promised = b.promised;
        for (size_t i = 0; i < world->inventory->n_pfs; i++) {
                b.pf = world->inventory->pfs[i];
                int r = plan_pf(&b, world->policy);

                if (r < 0) {
                        plan_done(&plan);
                        return r;
                }
        }
        *ret = plan;
        return 0;
}

void plan_done(struct plan *p) {
        for (size_t i = 0; i < p->n_steps; i++)
                free(p->steps[i].hits);
        free(p->steps);
        *p = (struct plan){ 0 };
}

const char *step_describe(const struct step *s, char *buf, size_t size) {
        char a[ADDRESS_STR_MAX];

        address_format(s->address, a);
        switch (s->kind) {
        case STEP_AUTOPROBE:
                snprintf(buf, size, "keep host drivers off new VFs of %s", a);
                break;
        case STEP_PRIMARY:
                snprintf(buf, size, "reset the NVMe controller %s, which gives resources to its VFs", a);
                break;
        case STEP_ESWITCH:
                if (s->from > 0)
                        snprintf(buf, size, "destroy the %u VFs of %s and put its switch into mode %s",
                                 s->from, a, eswitch_mode_to_string((enum eswitch_mode) s->to));
                else
                        snprintf(buf, size, "put the switch of %s into mode %s", a,
                                 eswitch_mode_to_string((enum eswitch_mode) s->to));
                break;
        case STEP_ENABLE:
                snprintf(buf, size, "enable %u VFs on %s (now %u)", s->to, a, s->from);
                break;
        case STEP_RESIZE:
                snprintf(buf, size, "destroy the %u VFs of %s and enable %u", s->from, a, s->to);
                break;
        case STEP_DISABLE:
                snprintf(buf, size, "destroy the %u VFs of %s", s->from, a);
                break;
        case STEP_BIND:
                snprintf(buf, size, "%s %s to its VFIO driver",
                         s->destructive ? "move from its host driver" : "bind", a);
                break;
        case STEP_FENCE:
                snprintf(buf, size, "fence %s", a);
                break;
        case _STEP_KIND_MAX:
                snprintf(buf, size, "unknown step");
                break;
        }
        return buf;
}
