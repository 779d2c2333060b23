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
        size_t wants[WANTS_MAX]; /* of this pool, what fits least goes first: what the fewest PFs can do, then
                                  * the highest minimum rate */
        size_t n_wants;
        unsigned count; /* VFs of all of them */
        /* What the pool has in all, whoever has it now; and, by want, what PFs have whose driver can do it.
         */
        size_t n_pfs, n_vfs, n_able[WANTS_MAX], n_able_vfs[WANTS_MAX];

        /* before anything is taken, for a refusal */
        size_t possible;           /* VFs that all rules together leave */
        size_t present, free;      /* VFs of the pool */
        bool drained, lacks_disks; /* some of its PFs */
};

/* The rules that keep a VF from a PF, in the order in which a refusal names them. */
enum rule { RULE_READY, RULE_DRIVER, RULE_NUMA, RULE_SHARE, RULE_APART, RULE_RATE, _RULE_MAX };

/* What a refusal speaks of. */
struct shortage {
        enum rule rule;
        size_t want; /* one that it hits */
};

static bool in_pool(const struct round *r, const struct site *s) {
        return s->pf->pool >= 0 && (size_t) s->pf->pool == r->grant->pool;
}

static bool numa_agrees(const struct round *r, const struct site *s) {
        return r->p->request->numa_node >= 0 && s->pf->numa_node == r->p->request->numa_node;
}

/* In switchdev mode VFs are told what a port can be told, whatever the driver does in legacy mode. */
static uint32_t pf_refuses(const struct pf *pf, const struct vf_attributes *a) {
        return pf->eswitch == ESWITCH_SWITCHDEV ? net_port_refuses(pf->driver, a)
                                                : net_driver_refuses(pf->driver, a);
}

/* What a VF of the PF is told: without what is only wished for where the driver cannot do it. */
static struct vf_attributes told_by(const struct round *r, const struct site *s, size_t want) {
        struct vf_attributes a = r->attributes[want];

        a.set &= ~(r->grant->wish & pf_refuses(s->pf, &a));
        return a;
}

static uint32_t min_rate(const struct vf_attributes *a) {
        return a->set & ATTR_MIN_TX ? a->min_tx_mbps : 0;
}

static uint32_t min_rate_by(const struct round *r, const struct site *s, size_t want) {
        const struct vf_attributes a = told_by(r, s, want);

        return min_rate(&a);
}

static bool is_able(const struct site *s, size_t want) {
        return s->able & 1U << want;
}

static void find_able(struct round *r) {
        for (size_t i = 0; i < r->p->world->inventory->n_pfs; i++) {
                struct site *s = &r->p->sites[i];

                if (!in_pool(r, s))
                        continue;
                size_t vfs = MAX(s->pf->n_vfs, (size_t) pool_vf_count(r->pool, s->pf->total_vfs));
                r->n_pfs++;
                r->n_vfs += vfs;
                for (size_t k = 0; k < r->n_wants; k++) {
                        size_t want = r->wants[k];
                        bool able = !(pf_refuses(s->pf, &r->attributes[want]) & ~r->grant->wish);

                        s->able |= able ? 1U << want : 0;
                        r->n_able[want] += able;
                        r->n_able_vfs[want] += able ? vfs : 0;
                }
        }
}

/* Mbit/s that can be guaranteed yet. An unknown speed guarantees nothing, but may be known later. */
static uint64_t bandwidth_left(const struct round *r, const struct site *s) {
        if (s->pf->link_mbps == 0 && r->p->returned == RETURNED_BY_ALL)
                return UINT64_MAX;
        return s->pf->link_mbps > s->min_mbps ? s->pf->link_mbps - s->min_mbps : 0;
}

/* How many VFs of a want all rules up to one leave of a PF, ready or not. */
static size_t limit(const struct round *r, const struct site *s, size_t want, enum rule last) {
        size_t n = SIZE_MAX;

        if (last >= RULE_DRIVER && !is_able(s, want))
                return 0;
        if (last >= RULE_NUMA && r->pool->numa == NUMA_REQUIRE && !numa_agrees(r, s))
                return 0;
        if (last >= RULE_SHARE && r->grant->pf_share > 0) {
                size_t share = grant_share_of(r->grant, s->pf);

                n = share > s->mine ? share - s->mine : 0;
        }
        if (last >= RULE_APART && r->apart)
                n = MIN(n, s->group_here ? (size_t) 0 : (size_t) 1);
        uint32_t mbps = last >= RULE_RATE ? min_rate_by(r, s, want) : 0;
        if (mbps > 0)
                n = MIN(n, (size_t) (bandwidth_left(r, s) / mbps));
        return n;
}

static size_t room(const struct round *r, const struct site *s, size_t want, enum rule last) {
        return MIN(s->free, limit(r, s, want, last));
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

static struct site *best_site(const struct round *r, size_t want) {
        struct site *best = NULL;

        for (size_t i = 0; i < r->p->world->inventory->n_pfs; i++) {
                struct site *s = &r->p->sites[i];

                if (in_pool(r, s) && room(r, s, want, RULE_RATE) > 0 && (!best || is_better(r, s, best)))
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

                if (!placing_is_ready(p, vf) || !vf_is_alone(vf) || is_taken(a, vf))
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
        const struct vf_attributes told = told_by(r, s, want);

        s->free--;
        s->own -= promise && promise->own;
        s->load++;
        s->mine++;
        s->group_here = true;
        s->min_mbps += min_rate(&told);
        a->vfs[a->n_vfs++] = (struct chosen_vf){
                .vf = vf, .want = (uint8_t) want, .attributes = told, .wish = r->grant->wish
        };
}

static unsigned count_of(const struct round *r, size_t want) {
        return r->p->request->wants[want].count;
}

static bool place_each(struct round *r, struct allocation *a, struct shortage *ret) {
        for (size_t i = 0; i < r->n_wants; i++) {
                size_t want = r->wants[i];

                for (unsigned k = 0; k < count_of(r, want); k++) {
                        struct site *s = best_site(r, want);

                        if (!s) {
                                *ret = (struct shortage){ RULE_RATE, want };
                                return false;
                        }
                        take(r, s, want, a);
                }
        }
        return true;
}

/* How many of all VFs one PF could give. */
static size_t fit(const struct round *r, const struct site *s) {
        uint64_t left = bandwidth_left(r, s);
        size_t n = 0;

        for (size_t i = 0; i < r->n_wants; i++) {
                size_t want = r->wants[i], most = room(r, s, want, RULE_APART);
                uint32_t each = min_rate_by(r, s, want);

                for (unsigned k = 0; k < count_of(r, want) && n < most; k++) {
                        if (each > left)
                                return n;
                        left -= each;
                        n++;
                }
        }
        return n;
}

/* VFs that belong together go where the group is already, if it is anywhere in this pool. */
static bool is_bound(const struct round *r) {
        for (size_t i = 0; i < r->p->world->inventory->n_pfs; i++)
                if (in_pool(r, &r->p->sites[i]) && r->p->sites[i].group_here)
                        return true;
        return false;
}

/* All on one PF. */
static bool place_together(struct round *r, struct allocation *a, struct shortage *ret) {
        struct site *best = NULL;
        bool bound = is_bound(r);

        for (size_t i = 0; i < r->p->world->inventory->n_pfs; i++) {
                struct site *s = &r->p->sites[i];

                if (in_pool(r, s) && (!bound || s->group_here) && fit(r, s) == r->count &&
                    (!best || is_better(r, s, best)))
                        best = s;
        }
        if (!best) {
                *ret = (struct shortage){ RULE_RATE, r->wants[0] };
                return false;
        }
        for (size_t i = 0; i < r->n_wants; i++)
                for (unsigned k = 0; k < count_of(r, r->wants[i]); k++)
                        take(r, best, r->wants[i], a);
        return true;
}

/* For a refusal. Of several wants, the one with the least room counts. */
static void survey(struct round *r) {
        bool together = r->p->request->together, bound = is_bound(r);
        size_t rooms[WANTS_MAX] = { 0 }, most = 0;

        for (size_t i = 0; i < r->p->world->inventory->n_pfs; i++) {
                const struct site *s = &r->p->sites[i];

                if (!in_pool(r, s))
                        continue;
                if (together && (!bound || s->group_here))
                        most = MAX(most, fit(r, s));
                for (size_t k = 0; k < r->n_wants; k++)
                        rooms[k] += room(r, s, r->wants[k], RULE_RATE);
                r->present += s->pf->n_vfs;
                r->free += s->free;
                r->drained = r->drained || s->pf->drained;
                r->lacks_disks = r->lacks_disks || s->short_of_disks;
        }
        r->possible = together ? most : rooms[0];
        for (size_t k = 1; !together && k < r->n_wants; k++)
                r->possible = MIN(r->possible, rooms[k]);
}

/* VFs of this want and of every other that can only be where this one can be too. */
static unsigned needed_with(const struct round *r, size_t want) {
        unsigned n = 0;

        for (size_t i = 0; i < r->n_wants; i++) {
                bool within = true;

                for (size_t k = 0; k < r->p->world->inventory->n_pfs && within; k++)
                        within = !is_able(&r->p->sites[k], r->wants[i]) || is_able(&r->p->sites[k], want);
                n += within ? count_of(r, r->wants[i]) : 0;
        }
        return n;
}

/* The first rule with which the pool has not enough, counted before anything is taken. */
static bool is_short(const struct round *r, struct shortage *ret) {
        for (enum rule rule = RULE_READY; rule < RULE_RATE; rule++)
                for (size_t i = 0; i < r->n_wants; i++) {
                        size_t want = r->wants[i], n = 0;
                        unsigned needed = rule == RULE_READY ? r->count : needed_with(r, want);

                        for (size_t k = 0; k < r->p->world->inventory->n_pfs; k++)
                                if (in_pool(r, &r->p->sites[k]))
                                        n += room(r, &r->p->sites[k], want, rule);
                        *ret = (struct shortage){ rule, want };
                        if (n < needed)
                                return true;
                }
        return false;
}

/* What keeps a want from some of the PFs. */
static uint32_t refused_by_some(const struct round *r, size_t want) {
        uint32_t refused = 0;

        for (size_t i = 0; i < r->p->world->inventory->n_pfs; i++)
                if (in_pool(r, &r->p->sites[i]))
                        refused |= pf_refuses(r->p->sites[i].pf, &r->attributes[want]);
        return refused & ~r->grant->wish;
}

/* No PF of the pool can do what a want asks: names the first one and what it cannot. */
static void name_unable(const struct round *r, size_t want, char *detail, size_t size) {
        size_t i = 0;

        while (!in_pool(r, &r->p->sites[i]))
                i++;
        const struct pf *pf = r->p->sites[i].pf;
        uint32_t refused = pf_refuses(pf, &r->attributes[want]) & ~r->grant->wish;
        const char *mode = pf->eswitch == ESWITCH_SWITCHDEV ? " in switchdev mode"
                           : refused & NET_PORT_ONLY        ? " outside switchdev mode"
                                                            : "";
        snprintf(detail, size, "pool %s: the driver %s%s cannot do %s", r->pool->name, pf->driver, mode,
                 ATTRIBUTES_STR(refused));
}

/* What drivers cannot do would be in the way of a want even if everybody gave everything back. */
static bool is_unsupported(const struct round *r, char *detail, size_t size) {
        for (size_t i = 0; i < r->n_wants && r->n_pfs > 0; i++) {
                size_t want = r->wants[i];
                unsigned needed = needed_with(r, want);

                if (r->n_able[want] == 0)
                        name_unable(r, want, detail, size);
                else if (r->n_able_vfs[want] < needed && r->n_vfs >= r->count)
                        snprintf(detail, size, "pool %s: %zu of %u VFs on PFs that can do %s", r->pool->name,
                                 r->n_able_vfs[want], needed, ATTRIBUTES_STR(refused_by_some(r, want)));
                else
                        continue;
                return true;
        }
        return false;
}

static enum reason name_rule(const struct round *r, const struct shortage *s, char *buf, size_t size) {
        int node = r->p->request->numa_node;

        buf[0] = '\0';
        switch (s->rule) {
        case RULE_READY:
                if (!r->lacks_disks)
                        return REASON_POOL_EMPTY;
                snprintf(buf, size, ", each with a namespace");
                return REASON_NAMESPACES_USED_UP;
        case RULE_DRIVER:
                snprintf(buf, size, ", on PFs that can do %s", ATTRIBUTES_STR(refused_by_some(r, s->want)));
                return REASON_POOL_EMPTY;
        case RULE_NUMA:
                if (node < 0)
                        snprintf(buf, size, ": the request names no NUMA node");
                else
                        snprintf(buf, size, ", node %d", node);
                return REASON_NUMA;
        case RULE_SHARE:
                snprintf(buf, size, ", %u %% of each PF", r->grant->pf_share);
                return REASON_PF_SHARE;
        case RULE_APART:
                snprintf(buf, size, ", each on another PF");
                return REASON_ANTI_AFFINITY;
        case RULE_RATE:
        case _RULE_MAX:
                break;
        }
        if (r->p->request->together) {
                snprintf(buf, size, ", all on one PF");
                return REASON_AFFINITY;
        }
        snprintf(buf, size, ", each with %u Mbit/s guaranteed (the policy allows up to %u)",
                 min_rate(&r->attributes[s->want]), min_rate(&r->grant->attributes));
        return REASON_RATE_SUM;
}

/* The tenant is told what it could have instead, which it could find out by asking for less. How many VFs
 * there are, and why others are not to be had, tells of other tenants: that is for administrators. near: as
 * many VFs go together, 0: none. */
static int refuse(const struct round *r, const struct shortage *s, size_t near, struct refusal *why) {
        char named[192];
        enum reason reason = name_rule(r, s, named, sizeof(named));

        if (r->p->returned == RETURNED_NOTHING) {
                snprintf(why->detail, sizeof(why->detail), "pool %s%s: %zu of %u VFs to be had",
                         r->pool->name, named, r->possible, r->count);
                snprintf(why->beyond, sizeof(why->beyond), "the pool has %zu VFs, %zu of them free%s",
                         r->present, r->free, r->drained ? ", some of its PFs are drained" : "");
        } else {
                snprintf(why->detail, sizeof(why->detail),
                         "pool %s%s: even if all VFs came back, %u could not be given", r->pool->name, named,
                         r->count);
                snprintf(why->beyond, sizeof(why->beyond), "the pool has %zu VFs on %zu PF%s", r->present,
                         r->n_pfs, r->n_pfs == 1 ? "" : "s");
        }
        size_t at = strlen(why->detail);
        if (near > 0)
                snprintf(why->detail + at, sizeof(why->detail) - at,
                         "; others share an IOMMU group and go together: ask for %zu", near);
        return (int) reason;
}

/* The rules hold for the VFs of a shared group as they do for others. */
static bool group_fits(const struct allocation *a, const void *userdata) {
        const struct round *r = userdata;

        for (size_t i = 0; i < a->n_vfs; i++) {
                const struct site *s = placing_site(r->p, a->vfs[i].vf->pf->address);
                size_t n = 0;

                for (size_t k = 0; k < a->n_vfs; k++)
                        n += a->vfs[k].vf->pf == s->pf;
                if (n > limit(r, s, 0, RULE_RATE))
                        return false;
        }
        return true;
}

/* Where a pool accepts it, VFs that share a group make up for too few that do not. 1: they do; 0 and *near;
 * or -ENOMEM. */
static int place_as_group(const struct round *r, struct allocation *a, size_t *near) {
        const struct request *q = r->p->request;

        *near = 0;
        if (q->together || r->apart || q->n_wants > 1)
                return 0;
        int done = place_shared_group(r->p, a, near, group_fits, r);
        for (size_t i = 0; i < a->n_vfs; i++) {
                a->vfs[i].attributes = told_by(r, placing_site(r->p, a->vfs[i].vf->pf->address), 0);
                a->vfs[i].wish = r->grant->wish;
        }
        return done;
}

/* All VFs of the wants of one pool. */
static int place_pool(struct round *r, struct allocation *a, struct refusal *why) {
        struct shortage s = { 0 };
        size_t near = 0;

        survey(r);
        if (!is_short(r, &s)) {
                if (r->p->request->together ? place_together(r, a, &s) : place_each(r, a, &s))
                        return REASON_NONE;
        } else if (s.rule == RULE_READY) {
                int done = place_as_group(r, a, &near);

                if (done != 0)
                        return done < 0 ? done : REASON_NONE;
        }
        return refuse(r, &s, near, why);
}

/* a has less choice than b. */
static bool fits_less(const struct round *r, size_t a, size_t b) {
        return r->n_able[a] != r->n_able[b] ? r->n_able[a] < r->n_able[b]
                                            : min_rate(&r->attributes[a]) > min_rate(&r->attributes[b]);
}

static void sort_wants(struct round *r) {
        for (size_t i = 1; i < r->n_wants; i++) /* at most WANTS_MAX */
                for (size_t k = i; k > 0 && fits_less(r, r->wants[k], r->wants[k - 1]); k--) {
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

/* One round for each pool, in the order of the wants. Returns how many. */
static size_t begin_rounds(struct placing *p, const struct vf_attributes attributes[WANTS_MAX],
                           struct round rounds[WANTS_MAX]) {
        const struct request *q = p->request;
        size_t n = 0;

        for (size_t i = 0; i < q->n_wants; i++) {
                struct round *r = rounds;

                while (r < rounds + n && r->grant != p->grants[i])
                        r++;
                if (r == rounds + n) {
                        const struct pool *pool = &p->world->policy->pools[p->grants[i]->pool];

                        rounds[n++] = (struct round){ .p = p,
                                                      .pool = pool,
                                                      .grant = p->grants[i],
                                                      .attributes = attributes,
                                                      .apart = p->apart || pool->apart };
                }
                r->wants[r->n_wants++] = i;
                r->count += q->wants[i].count;
        }
        return n;
}

int place(struct placing *p, const struct vf_attributes attributes[WANTS_MAX], struct allocation *ret,
          struct refusal *why) {
        struct round rounds[WANTS_MAX];
        size_t n = begin_rounds(p, attributes, rounds);

        for (size_t i = 0; i < n; i++) { /* first what no waiting would help */
                find_able(&rounds[i]);
                if (is_unsupported(&rounds[i], why->detail, sizeof(why->detail)))
                        return REASON_ATTRIBUTE_UNSUPPORTED;
        }
        for (size_t i = 0; i < n; i++) {
                sort_wants(&rounds[i]);
                int no = place_pool(&rounds[i], ret, why);
                if (no != REASON_NONE)
                        return no;
        }
        sort_by_want(ret);
        return REASON_NONE;
}
