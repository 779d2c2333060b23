/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the VFs of a request come from: a choice among the PFs that site.c has looked at. */

#include "policy/place.h"
#include "common/macro.h"
#include "common/net-driver.h"

#include <stdio.h>
#include <string.h>

/* The wants of one pool while they are placed, and the rules that hold for them. */
struct round {
        struct placing *p;
        const struct pool *pool;
        const struct grant *grant;
        const struct vf_attributes *attributes; /* by want */
        bool apart;
        size_t wants[WANTS_MAX]; /* of this pool, the highest minimum rate first: what fits least goes first
                                  */
        size_t n_wants;
        unsigned count; /* VFs of all of them */
};

/* The rules that keep a VF from a PF, in the order in which a refusal names them. */
enum rule { RULE_READY, RULE_DRIVER, RULE_NUMA, RULE_SHARE, RULE_APART, RULE_RATE, _RULE_MAX };

static bool numa_agrees(const struct round *r, const struct site *s) {
        return r->p->request->numa_node >= 0 && s->pf->numa_node == r->p->request->numa_node;
}

/* Of a share of a percent, at least one VF: else a small PF would give nobody anything. */
static size_t share_of(const struct grant *g, const struct pf *pf) {
        size_t share = pf->n_vfs * g->pf_share / 100;

        return share > 0 ? share : 1;
}

static uint32_t min_rate(const struct vf_attributes *a) {
        return a->set & ATTR_MIN_TX ? a->min_tx_mbps : 0;
}

/* In switchdev mode VFs are told what a port can be told, whatever the driver does in legacy mode. */
static uint32_t pf_refuses(const struct pf *pf, const struct vf_attributes *a) {
        return pf->eswitch == ESWITCH_SWITCHDEV ? net_port_refuses(a) : net_driver_refuses(pf->driver, a);
}

/* What all wants together ask of the PF's driver that it is known to refuse. */
static uint32_t driver_refuses(const struct round *r, const struct site *s) {
        uint32_t refused = 0;

        for (size_t i = 0; i < r->n_wants; i++)
                refused |= pf_refuses(s->pf, &r->attributes[r->wants[i]]);
        return refused & ~r->grant->wish;
}

/* How many VFs with this minimum rate a PF can give under all rules up to one. */
static size_t room(const struct round *r, const struct site *s, enum rule last, uint32_t min_mbps) {
        size_t n = s->free;

        if (last >= RULE_DRIVER && driver_refuses(r, s))
                return 0;
        if (last >= RULE_NUMA && r->pool->numa == NUMA_REQUIRE && !numa_agrees(r, s))
                return 0;
        if (last >= RULE_SHARE && r->grant->pf_share > 0) {
                size_t share = share_of(r->grant, s->pf);

                n = MIN(n, share > s->mine ? share - s->mine : 0);
        }
        if (last >= RULE_APART && r->apart)
                n = MIN(n, s->group_here ? (size_t) 0 : (size_t) 1);
        if (last >= RULE_RATE && min_mbps > 0) { /* an unknown speed guarantees nothing */
                uint64_t left = s->pf->link_mbps > s->min_mbps ? s->pf->link_mbps - s->min_mbps : 0;

                n = MIN(n, (size_t) (left / min_mbps));
        }
        return n;
}

/* Parts of 65536 of a PF's VFs, or of its bandwidth, that are in use. */
static uint64_t load_share(const struct site *s) {
        uint64_t vfs = s->pf->n_vfs ? (uint64_t) s->load * 65536 / s->pf->n_vfs : 0;
        uint64_t mbps = s->pf->link_mbps ? s->min_mbps * 65536 / s->pf->link_mbps : 0;

        return MAX(vfs, mbps);
}

/* a goes before b. */
static bool is_better(const struct round *r, const struct site *a, const struct site *b) {
        if ((a->own > 0) != (b->own > 0))
                return a->own > 0;
        if (r->p->request->numa_node >= 0 && numa_agrees(r, a) != numa_agrees(r, b))
                return numa_agrees(r, a);
        switch (r->pool->placement) {
        case PLACEMENT_SPREAD:
                if (a->load != b->load)
                        return a->load < b->load;
                break;
        case PLACEMENT_LEAST_LOADED:
                if (load_share(a) != load_share(b))
                        return load_share(a) < load_share(b);
                break;
        case PLACEMENT_PACK:
        case _PLACEMENT_MAX:
                break;
        }
        return address_compare(a->pf->address, b->pf->address) < 0;
}

static bool in_pool(const struct round *r, const struct site *s) {
        return s->pf->pool >= 0 && (size_t) s->pf->pool == r->grant->pool;
}

static struct site *best_site(const struct round *r, uint32_t min_mbps) {
        struct site *best = NULL;

        for (size_t i = 0; i < r->p->world->inventory->n_pfs; i++) {
                struct site *s = &r->p->sites[i];

                if (in_pool(r, s) && room(r, s, RULE_RATE, min_mbps) > 0 && (!best || is_better(r, s, best)))
                        best = s;
        }
        return best;
}

static bool is_taken(const struct allocation *a, const struct vf *vf) {
        for (size_t i = 0; i < a->n_vfs; i++)
                if (a->vfs[i].vf == vf)
                        return true;
        return false;
}

/* What was promised to the VM first, then the lowest index. */
static struct vf *take_vf(const struct placing *p, const struct site *s, const struct allocation *a) {
        struct vf *first = NULL;

        for (size_t i = 0; i < s->pf->n_vfs; i++) {
                struct vf *vf = s->pf->vfs[i];

                if (vf->state != VF_READY || !vf_is_alone(vf) || is_taken(a, vf))
                        continue;
                const struct promised *promise = placing_promise(p, vf);
                if (promise && promise->own)
                        return vf;
                if (!promise && !first) {
                        first = vf;
                        if (s->own == 0)
                                break;
                }
        }
        return first;
}

static void take(struct round *r, struct site *s, size_t want, struct allocation *a) {
        struct vf *vf = take_vf(r->p, s, a);
        const struct promised *promise = placing_promise(r->p, vf);

        s->free--;
        s->own -= promise && promise->own;
        s->load++;
        s->mine++;
        s->group_here = true;
        s->min_mbps += min_rate(&r->attributes[want]);
        struct chosen_vf *c = &a->vfs[a->n_vfs++];
        *c = (struct chosen_vf){
                .vf = vf, .want = (uint8_t) want, .attributes = r->attributes[want], .wish = r->grant->wish
        };
        c->attributes.set &= ~(r->grant->wish & pf_refuses(s->pf, &c->attributes));
}

static int place_each(struct round *r, struct allocation *a) {
        for (size_t i = 0; i < r->n_wants; i++) {
                size_t want = r->wants[i];

                for (unsigned k = 0; k < r->p->request->wants[want].count; k++) {
                        struct site *s = best_site(r, min_rate(&r->attributes[want]));

                        if (!s)
                                return -1;
                        take(r, s, want, a);
                }
        }
        return 0;
}

/* All on one PF: where the group is already, if it is anywhere in this pool. */
static int place_together(struct round *r, struct allocation *a) {
        uint64_t mbps = 0;
        struct site *best = NULL;
        bool bound = false;

        for (size_t i = 0; i < r->n_wants; i++)
                mbps += (uint64_t) min_rate(&r->attributes[r->wants[i]]) *
                        r->p->request->wants[r->wants[i]].count;
        for (size_t i = 0; i < r->p->world->inventory->n_pfs; i++)
                bound = bound || (in_pool(r, &r->p->sites[i]) && r->p->sites[i].group_here);
        for (size_t i = 0; i < r->p->world->inventory->n_pfs; i++) {
                struct site *s = &r->p->sites[i];

                if (!in_pool(r, s) || (bound && !s->group_here) || room(r, s, RULE_APART, 0) < r->count ||
                    (mbps > 0 && s->pf->link_mbps < s->min_mbps + mbps))
                        continue;
                if (!best || is_better(r, s, best))
                        best = s;
        }
        if (!best)
                return -1;
        for (size_t i = 0; i < r->n_wants; i++)
                for (unsigned k = 0; k < r->p->request->wants[r->wants[i]].count; k++)
                        take(r, best, r->wants[i], a);
        return 0;
}

/* The first rule with which the pool has not enough, counted before anything is taken. _RULE_MAX: none. */
static enum rule short_of(const struct round *r, size_t *ret_room) {
        for (enum rule rule = RULE_READY; rule < RULE_RATE; rule++) {
                *ret_room = 0;
                for (size_t i = 0; i < r->p->world->inventory->n_pfs; i++)
                        if (in_pool(r, &r->p->sites[i]))
                                *ret_room += room(r, &r->p->sites[i], rule, 0);
                if (*ret_room < r->count)
                        return rule;
        }
        return _RULE_MAX;
}

static bool has_drained(const struct round *r) {
        for (size_t i = 0; i < r->p->world->inventory->n_pfs; i++)
                if (in_pool(r, &r->p->sites[i]) && r->p->sites[i].pf->drained)
                        return true;
        return false;
}

/* The driver and the attributes of the first PF that is passed over for it. */
static void name_refused(const struct round *r, char *detail, size_t size) {
        for (size_t i = 0; i < r->p->world->inventory->n_pfs; i++) {
                const struct site *s = &r->p->sites[i];

                if (!in_pool(r, s) || s->free == 0 || !driver_refuses(r, s))
                        continue;
                snprintf(detail, size, "pool %s: the driver %s cannot do %s", r->pool->name, s->pf->driver,
                         ATTRIBUTES_STR(driver_refuses(r, s)));
                return;
        }
}

static bool lacks_disks(const struct round *r) {
        for (size_t i = 0; i < r->p->world->inventory->n_pfs; i++)
                if (in_pool(r, &r->p->sites[i]) && r->p->sites[i].short_of_disks)
                        return true;
        return false;
}

static int refuse(const struct round *r, enum rule rule, size_t n, char *detail, size_t size) {
        switch (rule) {
        case RULE_READY:
                snprintf(detail, size, "pool %s: %zu of %u VFs ready%s", r->pool->name, n, r->count,
                         has_drained(r) ? ", some of its PFs are drained" : "");
                return lacks_disks(r) ? REASON_NAMESPACES_USED_UP : REASON_POOL_EMPTY;
        case RULE_DRIVER:
                name_refused(r, detail, size);
                return REASON_ATTRIBUTE_UNSUPPORTED;
        case RULE_NUMA:
                if (r->p->request->numa_node < 0)
                        snprintf(detail, size, "pool %s: the request names no NUMA node", r->pool->name);
                else
                        snprintf(detail, size, "pool %s: %zu of %u VFs ready on node %d", r->pool->name, n,
                                 r->count, r->p->request->numa_node);
                return REASON_NUMA;
        case RULE_SHARE:
                snprintf(detail, size, "pool %s: %u %% of each PF, which leaves %zu of %u", r->pool->name,
                         r->grant->pf_share, n, r->count);
                return REASON_PF_SHARE;
        case RULE_APART:
                snprintf(detail, size, "pool %s: %zu of %u PFs without a VF of the group", r->pool->name, n,
                         r->count);
                return REASON_ANTI_AFFINITY;
        case RULE_RATE:
        case _RULE_MAX:
                break;
        }
        snprintf(detail, size, "pool %s", r->pool->name);
        return r->p->request->together ? REASON_AFFINITY : REASON_RATE_SUM;
}

/* Where a pool accepts it, VFs that share a group make up for too few that do not. */
static bool place_as_group(const struct round *r, size_t n_ready, struct allocation *a, size_t *near) {
        const struct request *q = r->p->request;

        *near = 0;
        if (q->together || r->apart || q->n_wants > 1 || n_ready >= r->count ||
            !place_shared_group(r->p->world, r->grant->pool, r->count, a, near))
                return false;
        for (size_t i = 0; i < a->n_vfs; i++)
                a->vfs[i].attributes = r->attributes[0], a->vfs[i].wish = r->grant->wish;
        return true;
}

/* All VFs of the wants of one pool. */
static int place_pool(struct round *r, struct allocation *a, char *detail, size_t size) {
        size_t n = 0, near;
        enum rule rule = short_of(r, &n);

        if (rule == RULE_READY && place_as_group(r, n, a, &near))
                return REASON_NONE;
        if (rule == RULE_READY && near > 0) {
                snprintf(detail, size,
                         "%zu of %u VFs ready; others share an IOMMU group and go together: ask for %zu", n,
                         r->count, near);
                return REASON_POOL_EMPTY;
        }
        if (rule == _RULE_MAX && (r->p->request->together ? place_together(r, a) : place_each(r, a)) == 0)
                return REASON_NONE;
        return refuse(r, rule, n, detail, size);
}

static void sort_wants(struct round *r) {
        for (size_t i = 1; i < r->n_wants; i++) /* at most WANTS_MAX */
                for (size_t k = i; k > 0 && min_rate(&r->attributes[r->wants[k]]) >
                                                            min_rate(&r->attributes[r->wants[k - 1]]);
                     k--) {
                        size_t swap = r->wants[k];

                        r->wants[k] = r->wants[k - 1];
                        r->wants[k - 1] = swap;
                }
}

/* In the order of the wants, and as they were picked within one. At most ACQUIRE_COUNT_MAX. */
static void sort_by_want(struct allocation *a) {
        for (size_t i = 1; i < a->n_vfs; i++)
                for (size_t k = i; k > 0 && a->vfs[k].want < a->vfs[k - 1].want; k--) {
                        struct chosen_vf swap = a->vfs[k];

                        a->vfs[k] = a->vfs[k - 1];
                        a->vfs[k - 1] = swap;
                }
}

int place(struct placing *p, const struct vf_attributes attributes[WANTS_MAX], struct allocation *ret,
          char *detail, size_t size) {
        const struct request *q = p->request;
        bool done[WANTS_MAX] = { false };

        for (size_t i = 0; i < q->n_wants; i++) {
                struct round r = {
                        .p = p,
                        .grant = p->grants[i],
                        .pool = &p->world->policy->pools[p->grants[i]->pool],
                        .attributes = attributes,
                };

                if (done[i])
                        continue;
                r.apart = p->apart || r.pool->apart;
                for (size_t k = i; k < q->n_wants; k++)
                        if (p->grants[k] == p->grants[i]) {
                                done[k] = true;
                                r.wants[r.n_wants++] = k;
                                r.count += q->wants[k].count;
                        }
                sort_wants(&r);
                int no = place_pool(&r, ret, detail, size);
                if (no != REASON_NONE)
                        return no;
        }
        sort_by_want(ret);
        return REASON_NONE;
}
