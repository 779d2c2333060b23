/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Where the VFs of a request come from. Only for allocate.c. */

#include "policy/allocate.h"

/* Looks at what could be rather than at what is: as if these had given back what they have, and were promised
 * nothing. VFs that are not ready, or drained, may be so later; so may a link whose speed is not known, and
 * disks. */
enum returned { RETURNED_NOTHING, RETURNED_BY_OTHERS, RETURNED_BY_ALL };

/* A PF as a request sees it. */
struct site {
        const struct pf *pf;
        size_t free;         /* VFs that the request may have */
        size_t own;          /* of these, promised to its VM */
        size_t load;         /* in use, or promised to others */
        size_t mine;         /* VFs that the tenant has of it */
        uint64_t min_mbps;   /* bandwidth that is guaranteed to somebody */
        bool short_of_disks; /* more VFs are ready than there are disks for them */
        bool group_here;     /* the request's group has a VF of it */
        unsigned able;       /* bit i: its driver can do what want i asks */
};

struct promised {
        struct address address;
        const struct lease *lease; /* the promise */
        const struct leased_vf *vf;
        bool own;    /* by the promise to the VM of the request */
        bool counts; /* beside the request: it is another VM's, or of a pool that the request leaves alone */
};

struct placing {
        const struct world *world;
        const struct request *request;
        const struct tenant *tenant;
        enum returned returned;
        const struct grant *grants[WANTS_MAX]; /* by want */
        bool apart;                            /* asked for by the request, or by its group before */
        struct site *sites;                    /* by index into the inventory */
        struct promised *promised;             /* sorted by address; those that nobody holds now */
        size_t n_promised;
        struct address *held; /* sorted: VFs that its tenant has, for RETURNED_BY_OTHERS */
        size_t n_held;
        size_t used[WANTS_MAX]; /* VFs of its tenant in the pool of a want */
        size_t used_total;
};

/* site.c: fills all but tenant, returned, grants, world and request, which are set. 0 or -ENOMEM;
 * placing_done() either way. */
int placing_init(struct placing *p);
void placing_done(struct placing *p);

/* The PF with this address, NULL if there is none. O(log n). */
struct site *placing_site(const struct placing *p, struct address pf);

/* The promise that a VF belongs to, NULL if none. O(log n). */
const struct promised *placing_promise(const struct placing *p, const struct vf *vf);

/* Of the VF, or as far as p->returned makes it so, whoever it is promised to. */
bool placing_is_ready(const struct placing *p, const struct vf *vf);
bool placing_is_returned(const struct placing *p, const struct lease *l);

/* Picks the VFs of all wants; their attributes are in attributes, by want. */
int place(struct placing *p, const struct vf_attributes attributes[WANTS_MAX], struct allocation *ret,
          struct refusal *why);

/* VFs of one IOMMU group cannot be kept apart; a pool may accept that, but then they go together. */
static inline bool vf_is_alone(const struct vf *vf) {
        return vf->group_devices <= 1;
}

/* shared-group.c: a whole shared group of just the size that the only want asks for, and that fits. 1; or 0
 * and *near is the size of one that is ready, 0 if there is none; or -ENOMEM. */
int place_shared_group(const struct placing *p, struct allocation *ret, size_t *near,
                       bool (*fits)(const struct allocation *a, const void *userdata), const void *userdata);

/* choice.c: what a VF of the want is told, but for its MAC. REASON_NONE or why not. */
int choose_attributes(const struct pool *pool, const struct grant *g, const struct want *w,
                      struct vf_attributes *ret, char *detail, size_t size);

/* choice.c: a MAC for each VF of the allocation whose grant has MACs, none of them in use. */
int choose_macs(const struct placing *p, struct allocation *a, char *detail, size_t size);
